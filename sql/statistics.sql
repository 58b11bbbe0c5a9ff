-- The numbers of a window: cards and period statistics. Lines over time are in series.sql. All Time adds what retention
-- removed and counts keep (metrics_pruned_*).

-- fragment: lengths_to_percentiles
-- Where the median and the ninth tenth stand among sessions by whole seconds, as percentile_cont would find them.
lengths AS (
    SELECT d.seconds, sum(sum(d.sessions)) OVER (ORDER BY d.seconds) AS upto
    FROM durations AS d
    WHERE :'include_bots'::boolean OR NOT d.is_bot
    GROUP BY d.seconds
    HAVING sum(d.sessions) > 0
),
places AS (
    SELECT
        0.5::double precision * (max(upto) - 1) AS median,
        0.9::double precision * (max(upto) - 1) AS p90
    FROM lengths
),
percentiles AS (
    SELECT
        min(l.seconds) FILTER (WHERE l.upto > floor(p.median)) AS median_low,
        min(l.seconds) FILTER (WHERE l.upto > ceil(p.median)) AS median_high,
        min(l.seconds) FILTER (WHERE l.upto > floor(p.p90)) AS p90_low,
        min(l.seconds) FILTER (WHERE l.upto > ceil(p.p90)) AS p90_high
    FROM lengths AS l
    CROSS JOIN places AS p
)

-- fragment: visit_numbers
-- What the cards say of sessions, from `visits`, `places` and `percentiles`.
visits.guests AS guest_sessions,
visits.bots AS bot_sessions,
visits.sessions - visits.ended AS active_sessions,
visits.ended AS ended_sessions,
round(100.0 * visits.ended / NULLIF(visits.sessions, 0), 2) AS end_rate_percent,
round(100.0 * visits.explicitly_ended / NULLIF(visits.ended, 0), 2) AS explicit_end_rate_percent,
visits.ended AS closed_sessions,
(visits.duration_us / NULLIF(visits.ended, 0) / 1000000)::double precision AS avg_duration_seconds,
percentiles.median_low
    + (percentiles.median_high - percentiles.median_low) * (places.median - floor(places.median))
    AS median_duration_seconds,
percentiles.p90_low
    + (percentiles.p90_high - percentiles.p90_low) * (places.p90 - floor(places.p90))
    AS p90_duration_seconds

-- fragment: visits_of
-- The sums of `makes`, with bots or without; theirs always stands beside.
visits AS (
    SELECT
        COALESCE(sum(m.sessions) FILTER (WHERE m.is_asked), 0)::bigint AS sessions,
        COALESCE(sum(m.guests) FILTER (WHERE m.is_asked), 0)::bigint AS guests,
        COALESCE(sum(m.closed) FILTER (WHERE m.is_asked), 0)::bigint AS ended,
        COALESCE(sum(m.explicitly_ended) FILTER (WHERE m.is_asked), 0)::bigint AS explicitly_ended,
        COALESCE(sum(m.duration_us) FILTER (WHERE m.is_asked), 0) AS duration_us,
        COALESCE(sum(m.sessions) FILTER (WHERE m.is_bot), 0)::bigint AS bots
    FROM (SELECT *, :'include_bots'::boolean OR NOT is_bot AS is_asked FROM makes) AS m
)

-- name: get_statistics
-- Everything the cards show about [since, as_of), in one row; without since there is no lower bound.
WITH seen AS MATERIALIZED (
    SELECT s.user_id, s.is_bot, s.is_active, s.end_reason, (s.duration_seconds * 1000000)::bigint AS duration_us
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
        AND s.started_at < :'until'::timestamptz
),
makes AS (
    SELECT
        is_bot,
        count(*) AS sessions,
        count(*) FILTER (WHERE user_id IS NULL) AS guests,
        count(*) FILTER (WHERE NOT is_active) AS closed,
        count(*) FILTER (WHERE NOT is_active AND metrics_is_explicit(end_reason)) AS explicitly_ended,
        sum(duration_us) AS duration_us
    FROM seen
    GROUP BY is_bot
    UNION ALL
    SELECT is_bot, sessions, guests, sessions, explicitly_ended, duration_us
    FROM metrics_pruned_sessions
    WHERE :'since'::timestamptz IS NULL
),
:visits_of,
durations AS (
    SELECT is_bot, metrics_whole_seconds(duration_us) AS seconds, count(*) AS sessions
    FROM seen
    WHERE duration_us IS NOT NULL
    GROUP BY 1, 2
    UNION ALL
    SELECT is_bot, seconds, sessions
    FROM metrics_pruned_durations
    WHERE :'since'::timestamptz IS NULL
),
:lengths_to_percentiles,
came AS (
    SELECT count(*) AS customers
    FROM (
        SELECT user_id FROM seen WHERE user_id IS NOT NULL AND (:'include_bots'::boolean OR NOT is_bot)
        UNION
        SELECT user_id
        FROM metrics_pruned_customers
        WHERE :'since'::timestamptz IS NULL AND (:'include_bots'::boolean OR NOT is_bot)
    ) AS everybody
),
bought AS (
    SELECT count(*) AS orders, COALESCE(sum(o.spent), 0) AS revenue
    FROM metrics_orders AS o
    WHERE (:'since'::timestamptz IS NULL OR o.created_at >= :'since'::timestamptz)
        AND o.created_at < :'until'::timestamptz
        AND o.is_counted
),
booked AS (
    SELECT count(*) AS bookings
    FROM metrics_bookings AS b
    WHERE (:'since'::timestamptz IS NULL OR b.created_at >= :'since'::timestamptz)
        AND b.created_at < :'until'::timestamptz
        AND b.is_counted
),
base AS (
    SELECT count(*) AS customers
    FROM metrics_customers
),
joined AS (
    SELECT count(*) AS customers
    FROM metrics_customers AS c
    WHERE (:'since'::timestamptz IS NULL OR c.registered_at >= :'since'::timestamptz)
        AND c.registered_at < :'until'::timestamptz
)
SELECT
    base.customers AS total_users,
    visits.sessions AS total_sessions,
    came.customers AS unique_users_in_period,
    :visit_numbers,
    bought.orders AS orders_in_period,
    booked.bookings AS bookings_in_period,
    bought.revenue AS revenue_in_period,
    joined.customers AS new_users_in_period
FROM visits, places, percentiles, came, bought, booked, base, joined;

-- name: get_kept_statistics
-- The same from what is kept of the period, with what moved since then and what only time has ended.
WITH moves AS MATERIALIZED (
    SELECT * FROM metrics_session_moves(ARRAY[:'period'::text], :'as_of'::timestamptz)
),
silent AS MATERIALIZED (
    SELECT s.is_bot, metrics_duration_us(s.started_at, s.ended_at) AS duration_us
    FROM metrics_silent_sessions(:'as_of'::timestamptz, :'timeout'::interval) AS s
    WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
        AND s.started_at < :'until'::timestamptz
),
makes AS (
    SELECT is_bot, sessions, guests, closed, explicitly_ended, duration_us
    FROM metrics_period_sessions
    WHERE period = :'period'::text
    UNION ALL
    SELECT
        is_bot,
        sign,
        CASE WHEN user_id IS NULL THEN sign ELSE 0 END,
        CASE WHEN duration_us IS NULL THEN 0 ELSE sign END,
        CASE WHEN duration_us IS NULL OR NOT is_explicit THEN 0 ELSE sign END,
        COALESCE(sign * duration_us, 0)
    FROM moves
    UNION ALL
    SELECT is_bot, 0, 0, 1, 0, duration_us
    FROM silent
    UNION ALL
    SELECT is_bot, sessions, guests, sessions, explicitly_ended, duration_us
    FROM metrics_pruned_sessions
    WHERE :'since'::timestamptz IS NULL
),
:visits_of,
durations AS (
    SELECT is_bot, seconds, sessions
    FROM metrics_period_durations
    WHERE period = :'period'::text
    UNION ALL
    SELECT is_bot, metrics_whole_seconds(duration_us), sign
    FROM moves
    WHERE duration_us IS NOT NULL
    UNION ALL
    SELECT is_bot, metrics_whole_seconds(duration_us), 1
    FROM silent
    UNION ALL
    SELECT is_bot, seconds, sessions
    FROM metrics_pruned_durations
    WHERE :'since'::timestamptz IS NULL
),
:lengths_to_percentiles,
shop AS (
    SELECT
        COALESCE(sum(t.customers), 0)::bigint AS customers,
        COALESCE(sum(t.orders), 0)::bigint AS orders,
        COALESCE(sum(t.bookings), 0)::bigint AS bookings,
        COALESCE(sum(t.spent), 0) AS spent,
        COALESCE(sum(t.registrations), 0)::bigint AS registrations
    FROM (
        SELECT * FROM metrics_period_totals WHERE period = :'period'::text
        UNION ALL
        SELECT * FROM metrics_total_moves(ARRAY[:'period'::text], :'as_of'::timestamptz)
    ) AS t
),
bots AS (
    SELECT count(DISTINCT b.user_id) AS customers
    FROM (
        SELECT user_id
        FROM metrics_sessions
        WHERE is_bot
            AND user_id IS NOT NULL
            AND (:'since'::timestamptz IS NULL OR started_at >= :'since'::timestamptz)
            AND started_at < :'until'::timestamptz
        UNION ALL
        SELECT user_id
        FROM metrics_pruned_customers
        WHERE is_bot AND :'since'::timestamptz IS NULL
    ) AS b
    WHERE :'include_bots'::boolean
        AND NOT EXISTS (
            SELECT 1
            FROM metrics_sessions AS s
            WHERE s.user_id = b.user_id
                AND NOT s.is_bot
                AND (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
                AND s.started_at < :'until'::timestamptz
        )
        AND NOT (
            :'since'::timestamptz IS NULL
            AND EXISTS (
                SELECT 1 FROM metrics_pruned_customers AS p WHERE p.user_id = b.user_id AND NOT p.is_bot
            )
        )
)
SELECT
    (
        SELECT f.customers + (SELECT COALESCE(sum(c.sign), 0) FROM metrics_changes AS c WHERE c.noun = 'customer')
        FROM metrics_fold AS f
    ) AS total_users,
    visits.sessions AS total_sessions,
    shop.customers + bots.customers AS unique_users_in_period,
    :visit_numbers,
    shop.orders AS orders_in_period,
    shop.bookings AS bookings_in_period,
    shop.spent AS revenue_in_period,
    shop.registrations AS new_users_in_period
FROM visits, places, percentiles, shop, bots;
