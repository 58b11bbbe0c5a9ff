"""A driver for Chromium over its DevTools protocol: pages that hide, freeze, crash and close as a visitor's do.

Playwright pins a page's visibility to visible, disables the back/forward cache and quits without a pagehide.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.server import wait_until

FLAGS = (
    "--headless=new --no-sandbox --remote-debugging-port=0 --no-first-run --no-default-browser-check --mute-audio "
    # Nothing but the page asks the network for anything, and a small /dev/shm is not exhausted.
    "--disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage "
    # The machine's own keyring, GPU and proxies stay out of it.
    "--password-store=basic --use-mock-keychain --disable-gpu --no-proxy-server --window-size=800,600"
).split()
PLAYWRIGHTS = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""
START_SECONDS = 30
CALL_SECONDS = 30


def find_chromium() -> str:
    """The machine's own, else playwright's."""
    names = ("chromium", "chromium-browser", "google-chrome")
    if path := next((path for name in names if (path := shutil.which(name))), None):
        return path
    # In a process of its own: playwright starts once in each, and other tests have started it here.
    command = [sys.executable, "-c", PLAYWRIGHTS]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class ProtocolError(Exception):
    """Chromium refused a call, or went away during it."""


class Chromium:
    """A browser with a profile of its own, gone when the block ends."""

    def __init__(self, *flags: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="cm-chromium-")
        command = [find_chromium(), *FLAGS, *flags, f"--user-data-dir={self._profile}", "about:blank"]
        # In a group of its own, so that nothing of it outlives the test.
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        port = Path(self._profile, "DevToolsActivePort")

        def get_address() -> list[str] | None:
            assert self._process.poll() is None, "Chromium does not start"
            lines = port.read_text().split() if port.exists() else []
            return lines if len(lines) == 2 else None

        number, path = wait_until(get_address, "Chromium's port", START_SECONDS)
        self._closing = ExitStack()
        self._socket = self._closing.enter_context(
            connect(f"ws://127.0.0.1:{number}{path}", max_size=None, compression=None)
        )
        self._lock = threading.Lock()
        self._last_id = 0
        self._answers: dict[int, Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        self._closing.close()
        self._reader.join(timeout=5)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        with suppress(ConnectionClosed):
            for text in self._socket:
                message = json.loads(text)
                if "id" in message:
                    self._answers.pop(message["id"]).set_result(message)
                    continue
                params = message.get("params", {})
                # That a tab is gone is said to the browser's own session.
                is_gone = message["method"] == "Target.detachedFromTarget"
                if page := self._pages.get(params["sessionId"] if is_gone else message.get("sessionId", "")):
                    page.events.append((message["method"], params))
        for waiting in list(self._answers.values()):
            waiting.set_result({"error": {"message": "Chromium is gone"}})

    def send(self, method: str, session: str | None = None, **params: Any) -> Future[dict[str, Any]]:
        """A call whose answer nobody has waited for yet."""
        with self._lock:
            self._last_id += 1
            answer: Future[dict[str, Any]] = Future()
            self._answers[self._last_id] = answer
            message = {"id": self._last_id, "method": method, "params": params}
            self._socket.send(json.dumps(message | ({"sessionId": session} if session else {})))
        return answer

    def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        answer = self.send(method, session, **params).result(CALL_SECONDS)
        if "error" in answer:
            raise ProtocolError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open_context(self) -> str:
        """Storage and cookies of its own, as another visitor's browser has."""
        context: str = self.call("Target.createBrowserContext")["browserContextId"]
        return context

    def open_page(self, address: str = "about:blank", *, context: str | None = None, **how: Any) -> "Page":
        """A tab; `background=True` leaves the one before in front, `newWindow=True` opens another window."""
        page = self.attach(self.create_target(context, **how))
        page.context = context
        if address != "about:blank":
            page.open(address)
        return page

    def create_target(self, context: str | None, address: str = "about:blank", **how: Any) -> str:
        """A tab that nobody drives."""
        place = {"browserContextId": context} if context else {}
        target: str = self.call("Target.createTarget", url=address, **place, **how)["targetId"]
        return target

    def close_target(self, target: str) -> None:
        self.call("Target.closeTarget", targetId=target)

    def attach(self, target: str) -> "Page":
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, target, session)
        for domain in ("Page", "Runtime", "Inspector"):
            page.call(f"{domain}.enable")
        return page

    def list_targets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("Target.getTargets")["targetInfos"]
        return found

    def quit(self) -> None:
        """As the menu's Quit does."""
        self.send("Browser.close")
        self._process.wait(timeout=START_SECONDS)

    def stop(self, number: signal.Signals) -> None:
        """SIGTERM asks the browser; SIGKILL takes it away with everything it started."""
        if number == signal.SIGKILL:
            self._signal_group(number)
        else:
            self._process.send_signal(number)
        self._process.wait(timeout=START_SECONDS)


class Page:
    """One tab."""

    def __init__(self, chromium: Chromium, target: str, session: str) -> None:
        self.chromium = chromium
        self.target = target
        self.session = session
        self.context: str | None = None
        self.opened = (0.0, 0.0)
        self.events: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, **params: Any) -> Any:
        return self.chromium.call(method, self.session, **params)

    def evaluate(self, expression: str) -> Any:
        """The value, of a promise too; AssertionError with the page's own words when it throws."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def ask(self, expression: str) -> str:
        """The same as text; "" while the page is between two documents."""
        try:
            return str(self.evaluate(expression))
        except (ProtocolError, AssertionError):
            return ""

    def _settle(self, act: Callable[[], Any]) -> None:
        seen = len(self.events)
        act()
        wait_until(lambda: self.has_event("Page.loadEventFired", after=seen), "the page to load")

    def has_event(self, method: str, *, after: int = 0) -> bool:
        return any(name == method for name, _ in self.events[after:])

    def open(self, address: str) -> None:
        """Notes between which moments it came into sight."""
        asked_at = time.time()
        self._settle(lambda: self.call("Page.navigate", url=address))
        self.opened = asked_at, time.time()

    def reload(self) -> None:
        self._settle(lambda: self.call("Page.reload"))

    def go_back(self) -> None:
        """Not waited for: a page out of the back/forward cache does not load."""
        self.evaluate("setTimeout(() => history.back())")

    def press(self, key: str = "a") -> None:
        """Input from the keyboard, trusted as a visitor's own."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def bring_to_front(self) -> None:
        self.call("Page.bringToFront")

    def freeze(self, state: str = "frozen") -> None:
        self.call("Page.setWebLifecycleState", state=state)

    def crash(self) -> None:
        self.chromium.send("Page.crash", self.session)
        wait_until(lambda: self.has_event("Inspector.targetCrashed"), "the crash")

    def close(self) -> None:
        """As a click on the tab's cross does; returns when it is gone."""
        self.chromium.close_target(self.target)
        wait_until(lambda: self.has_event("Target.detachedFromTarget"), "the tab to close")

    def screenshot(self) -> bytes:
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])
