/*
 * Tells the beacon endpoint when a visitor's session starts, goes on and ends: one session per browser and identity,
 * over every tab, reload and page. `tracker.min.js` is built from this file; a test says how and compares.
 *
 * The shared record, in localStorage (in memory where that is blocked), is the truth for every tab:
 *   id session · u the signed-in user's sub, '' for a guest · s began · a last alive · t order key
 *   k undefined: no message yet, 0: none acknowledged, 1: the endpoint has the row · e its page was closed
 *   l landing page · r referrer · p the session before: [id, t, a, why it ended]
 */
(() => {
  const w = window, d = document, n = navigator, now = Date.now, KEY = 'customer-metrics';
  const tag = d.currentScript || d.querySelector('script[src*="tracker.js"]');
  const calls = [].concat(w.customerMetrics || []);
  if (calls[0] && calls[0].identify) return;

  /** Whatever goes wrong in here is not the shop's business. */
  const safe = (work) => (argument) => { try { return work(argument); } catch (error) { /* silent by contract */ } };

  // What the page says is kept until there is somebody to hear it, as is what it said before this script came.
  let hear = (call) => calls.push(call);
  let leave;
  w.customerMetrics = {
    identify: (token) => hear(['identify', token]), signOut: () => hear(['signOut']), push: (call) => hear(call),
  };

  const start = safe(() => {
    leave = hear = () => {};
    const data = tag.dataset;
    if (w.top !== w) return;
    if (data.privacy !== 'ignore' && (n.globalPrivacyControl || (n.doNotTrack || w.doNotTrack) == 1)) return;

    const seconds = (name, usual) => (data[name] > 0 ? data[name] : usual) * 1000;
    const HEARTBEAT = seconds('heartbeat', 30), IDLE = seconds('idle', 300), TIMEOUT = seconds('timeout', 1800);
    const url = (data.endpoint || new URL(tag.src).origin).replace(/\/$/, '') + '/api/analytics/session';
    const isForeign = new URL(url, location.href).origin !== location.origin;

    let memory, isStored = true; // the record as this page last saw it, and whether localStorage takes it
    let token, sub = '', isNews, word, hasSpoken; // who this page says is here: `word` waits until the page is seen
    let isPatient = data.token === undefined; // the page will say later who is here: say nothing before it does
    let isSeen, inputAt, hints, timer, later;
    let mine = {}, mineAt; // the record as this page last wrote it, and when by a clock that nobody sets
    // A page that is in front begins a session when it comes, not when this script does; unless that comes much later.
    let openedAt = (performance.timing || {}).responseStart;
    let failures = 0, pause = 0, repairedAt = 0;

    const since = (at) => Math.max(0, now() - at);

    const load = () => {
      // After localStorage.clear(), which shops like to call on sign-out, memory still knows the session.
      safe(() => { if (isStored) memory = JSON.parse(localStorage.getItem(KEY)) || memory; })();
      return memory || {};
    };

    const save = (record) => {
      memory = record;
      try { localStorage.setItem(KEY, JSON.stringify(record)); } catch (error) { isStored = false; }
    };

    /** How long nobody was seen: by the steady clock where this page was the last, for the other may be set. */
    const silence = (record) => (record.t === mine.t ? Math.round(performance.now() - mineAt) : since(record.a));

    const isIdle = () => since(inputAt) >= IDLE;

    const isLive = (record) => record.id && silence(record) < TIMEOUT;

    /** Somebody is here now. */
    const step = (record, isClosed) => {
      record.t = Math.max(now(), record.t + 2);
      record.a = now();
      record.e = isClosed;
      record.k = record.k || 0;
      mineAt = performance.now();
      save(mine = record);
    };

    /** Until the row is acknowledged everything goes with every message, a customer's only with their own token. */
    const isWhole = (record) => !record.k && (!record.u || record.u === sub);

    const pack = (record, more) => JSON.stringify(Object.assign(
      { session_id: record.id, t: record.t },
      record.u && record.u === sub && (!record.k || isNews) && { token },
      isWhole(record) && {
        up: since(record.s), landing_page: record.l, referrer: record.r,
        touch: n.maxTouchPoints, hints,
        prev: record.p && { session_id: record.p[0], t: record.p[1], age: since(record.p[2]), reason: record.p[3] },
      },
      more,
    ));

    // A string is text/plain, which asks for no preflight: that would be lost while the page closes.
    const post = (path, body) => fetch(url + path, { method: 'POST', body, keepalive: true, credentials: 'omit' });

    /** Last words: block lists drop beacons to other sites, so there a fetch goes beside; the endpoint takes one. */
    const tell = (path, record, more) => {
      const body = pack(record, more);
      if (!(n.sendBeacon && n.sendBeacon(url + path, body)) || isForeign) post(path, body).catch(() => {});
    };

    const disarm = () => { if (later) later.abort(); };

    /** A last word that the browser sends by itself once the page is gone, after a crash too; not every browser can. */
    const arm = (record) => {
      disarm();
      if (!w.fetchLater) return;
      later = new AbortController();
      // Without the option for the delay, whose name has changed, it waits for the page's end.
      safe(() => w.fetchLater(url + '/end', {
        // One later than a page_hide, which is the better word where both arrive.
        method: 'POST', credentials: 'omit', signal: later.signal,
        body: pack(record, { reason: 'gone', t: record.t + 1 }),
      }))();
    };

    const ask = (record) => {
      const told = isNews;
      post(isWhole(record) ? '' : '/heartbeat', pack(record)).then((answer) => {
        if (!answer.ok) {
          // Heartbeats to leave out: 1, 3, 7, 9, 9, ...
          pause = failures = Math.min(failures * 2 + 1, 9);
          return 0;
        }
        pause = failures = 0;
        if (told) isNews = 0;
        return answer.json().then(({ next }) => {
          const current = load();
          if (current.id !== record.id) return;
          if (!next) {
            if (!current.k) { current.k = 1; save(current); }
          } else if (since(repairedAt) > 2000) {
            // Not more often: an endpoint that is confused must not make the browser run in circles.
            repairedAt = now();
            if (next === 'new') begin(current, current.u);
            else { current.k = 0; save(current); soon(); }
          }
        });
      }).catch(() => {});
    };

    const begin = (before, user, reason) => {
      if (user && user !== sub) return; // only a page that holds their token may begin a customer's session
      disarm();
      const record = {
        u: user,
        t: Math.max(now(), +before.t + 1 || 0),
        p: before.id ? [before.id, before.t, before.a, reason] : before.p,
      };
      // A page in front of which nobody sits, and which refreshes its token or signs out by itself, begins nothing.
      if ((user || data.guests !== 'off') && !isIdle()) {
        const bytes = Array.from(crypto.getRandomValues(new Uint8Array(16)));
        record.id = bytes.map((byte) => (byte + 256).toString(16).slice(1)).join('');
        record.a = now();
        record.s = openedAt ? Math.max(openedAt, before.a || 0) : record.a;
        record.l = location.pathname;
        record.r = d.referrer.split(/[?#]/)[0];
        soon();
      }
      save(record);
    };

    /** The record knows who is here, unless this page was never told and the last session is over. */
    const renew = (record) => begin(record, hasSpoken && record.u !== undefined ? record.u : sub);

    const beat = () => {
      plan(tick, HEARTBEAT);
      if (!isSeen || isPatient || isIdle()) return;
      const record = load();
      if (!isLive(record)) return renew(record);
      step(record);
      arm(record);
      if (pause-- <= 0) ask(record);
    };

    /** Of several visible tabs one beats: the others find a younger sign of life, and wait a little longer than it. */
    const tick = () => {
      const record = load(), left = HEARTBEAT * (record.t === mine.t ? 1 : 1.1) - silence(record);
      if (left > 20) plan(tick, left);
      else beat();
    };

    const plan = (work, delay) => {
      clearTimeout(timer);
      timer = setTimeout(safe(work), delay);
    };

    /** A moment later: the hints have come by then, and of two tabs that began at once one record is left. */
    const soon = () => plan(beat, 50);

    /** Takes the page's word on who is here, unless another tab has known better since. */
    const settle = () => {
      if (!word) return;
      const [given, id] = word, record = load(), isLatest = record.id === id, wasPatient = isPatient;
      let user = '';
      // The endpoint alone judges a token; here its name for the user only tells a refresh from another user.
      safe(() => {
        const claims = JSON.parse(atob(given.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
        user = '' + (claims.sub || '');
      })();
      const isOther = isLatest && record.u !== user;
      // About a guest of whom nothing was sent yet, the page was only slow to say who it is.
      const isOver = !isLive(record) || (isOther && (record.u || record.k !== undefined));
      let reason;
      if (isOver && isOther && isLive(record)) {
        reason = user ? 'user_switch' : 'sign_out';
        // Whom a page finds signed in on its way in left when last seen, not now.
        if (isSeen && !wasPatient) step(record);
        else record.t = Math.max(now(), record.t + 1);
        tell('/end', record, { reason, age: silence(record) });
      }
      // A page whose token had expired was a guest's for the endpoint, which may know better by a fresh one.
      isNews = given !== token;
      token = given;
      sub = user;
      hasSpoken = 1;
      word = isPatient = 0;
      if (isOver) {
        if (isLatest) begin(record, user, reason);
      } else {
        if (isOther) { record.u = user; save(record); }
        if (wasPatient || !record.k || isNews) soon();
      }
      openedAt = 0;
    };

    const speak = (given) => {
      word = [given, load().id];
      if (isSeen) settle();
    };

    const show = () => {
      if (isSeen || d.visibilityState !== 'visible') return;
      settle();
      isSeen = true;
      inputAt = now();
      const record = load();
      if (!isLive(record)) renew(record);
      else if (mine.t !== record.t || record.e || silence(record) > HEARTBEAT) soon();
      else arm(record);
    };

    const hide = (event) => {
      const record = load(), isClosed = event.type === 'pagehide';
      if (event.type === 'freeze') setTimeout(disarm);
      if (isSeen) {
        isSeen = false;
        if (!isLive(record)) return;
        step(record, isClosed);
        tell(isClosed ? '/end' : '/heartbeat', record, isClosed && { reason: 'page_hide' });
        // A browser that quits may fire nothing more, one that keeps the page for later will not quit now. A page that
        // still runs a moment later was only hidden: then that word is void.
        if (event.persisted) disarm();
        else arm(record);
        setTimeout(() => { if (!isSeen) disarm(); }, 2000);
      } else if (isClosed && mine.id && record.t === mine.t && !record.e) {
        // Hidden before and nobody was seen since, in any tab: the session ended then.
        record.e = true;
        save(mine = record);
        tell('/end', record, { reason: 'page_hide', age: silence(record) });
      }
    };

    const on = (target, types, work) => types.split(' ').forEach(
      (type) => target.addEventListener(type, safe(work), { capture: true, passive: true }),
    );

    on(d, 'visibilitychange', (event) => (d.visibilityState === 'visible' ? show() : hide(event)));
    on(d, 'freeze', hide);
    on(d, 'resume', show);
    on(w, 'pageshow', show);
    on(w, 'online', soon);
    on(w, 'storage', (event) => { if (event.key === KEY && isSeen && load().e) soon(); });
    on(w, 'pointerdown pointermove keydown scroll touchstart', () => {
      const wasIdle = isIdle();
      inputAt = now();
      if (wasIdle) soon();
    });
    setTimeout(safe(() => { if (isPatient) { isPatient = openedAt = 0; soon(); } }), Math.min(HEARTBEAT, 5000));

    if (n.userAgentData) {
      n.userAgentData.getHighEntropyValues(['platformVersion', 'model', 'fullVersionList'])
        .then((values) => { hints = values; }, () => {});
    }
    leave = safe(hide);
    hear = safe(([name, given]) => {
      // A page that does not know the token yet has said nothing.
      if (name === 'signOut' || (name === 'identify' && given)) speak(given || '');
    });
    if (data.token !== undefined) speak(data.token);
    calls.forEach(hear);
    soon();
    if (d.visibilityState !== 'visible' || !(since(openedAt) < 10000)) openedAt = 0;
    show();
    if (!isPatient) openedAt = 0;
  });

  // Not while the page is being built: the first look into the storage alone takes longer than all of this.
  setTimeout(() => leave || start(), 50);
  w.addEventListener('pagehide', (event) => { if (!leave) start(); leave(event); }, true);
})();
