-- The numbers of a window: cards, period statistics and lines over time.

-- name: get_statistics
-- Everything the cards show about [since, as_of), in one row; without since there is no lower bound.
WITH visits AS (
    SELECT
        count(*) AS sessions,
        count(DISTINCT s.user_id) AS customers,
        count(*) FILTER (WHERE s.user_id IS NULL) AS guests,
        count(*) FILTER (WHERE s.is_active) AS active,
        count(*) FILTER (WHERE NOT s.is_active) AS ended,
        count(*) FILTER (WHERE NOT s.is_active AND metrics_is_explicit(s.end_reason)) AS explicitly_ended,
        avg((s.duration_seconds * 1000000)::bigint) AS duration_us,
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (
            ORDER BY metrics_whole_seconds((s.duration_seconds * 1000000)::bigint)
        ) AS duration_percentiles
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
        AND s.started_at < :'until'::timestamptz
        AND (:'include_bots'::boolean OR NOT s.is_bot)
),
bots AS (
    SELECT count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
        AND s.started_at < :'until'::timestamptz
        AND s.is_bot
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
    visits.customers AS unique_users_in_period,
    visits.guests AS guest_sessions,
    bots.sessions AS bot_sessions,
    visits.active AS active_sessions,
    visits.ended AS ended_sessions,
    round(100.0 * visits.ended / NULLIF(visits.sessions, 0), 2) AS end_rate_percent,
    round(100.0 * visits.explicitly_ended / NULLIF(visits.ended, 0), 2) AS explicit_end_rate_percent,
    visits.ended AS closed_sessions,
    (visits.duration_us / 1000000)::double precision AS avg_duration_seconds,
    visits.duration_percentiles[1] AS median_duration_seconds,
    visits.duration_percentiles[2] AS p90_duration_seconds,
    bought.orders AS orders_in_period,
    booked.bookings AS bookings_in_period,
    bought.revenue AS revenue_in_period,
    joined.customers AS new_users_in_period
FROM visits, bots, bought, booked, base, joined;

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
visits AS (
    SELECT
        COALESCE(sum(v.sessions) FILTER (WHERE :'include_bots'::boolean OR NOT v.is_bot), 0)::bigint AS sessions,
        COALESCE(sum(v.guests) FILTER (WHERE :'include_bots'::boolean OR NOT v.is_bot), 0)::bigint AS guests,
        COALESCE(sum(v.closed) FILTER (WHERE :'include_bots'::boolean OR NOT v.is_bot), 0)::bigint AS ended,
        COALESCE(sum(v.explicitly_ended) FILTER (WHERE :'include_bots'::boolean OR NOT v.is_bot), 0)::bigint
            AS explicitly_ended,
        COALESCE(sum(v.duration_us) FILTER (WHERE :'include_bots'::boolean OR NOT v.is_bot), 0) AS duration_us,
        COALESCE(sum(v.sessions) FILTER (WHERE v.is_bot), 0)::bigint AS bots
    FROM (
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
    ) AS v
),
lengths AS (
    SELECT d.seconds, sum(sum(d.sessions)) OVER (ORDER BY d.seconds) AS upto
    FROM (
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
    ) AS d
    WHERE :'include_bots'::boolean OR NOT d.is_bot
    GROUP BY d.seconds
    HAVING sum(d.sessions) > 0
),
places AS (
    SELECT max(upto) AS closed, 0.5::double precision * (max(upto) - 1) AS median, 0.9::double precision * (max(upto) - 1) AS p90
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
),
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
    FROM metrics_sessions AS b
    WHERE :'include_bots'::boolean
        AND b.is_bot
        AND b.user_id IS NOT NULL
        AND (:'since'::timestamptz IS NULL OR b.started_at >= :'since'::timestamptz)
        AND b.started_at < :'until'::timestamptz
        AND NOT EXISTS (
            SELECT 1
            FROM metrics_sessions AS s
            WHERE s.user_id = b.user_id
                AND NOT s.is_bot
                AND (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
                AND s.started_at < :'until'::timestamptz
        )
)
SELECT
    (
        SELECT f.customers + (SELECT COALESCE(sum(c.sign), 0) FROM metrics_changes AS c WHERE c.noun = 'customer')
        FROM metrics_fold AS f
    ) AS total_users,
    visits.sessions AS total_sessions,
    shop.customers + bots.customers AS unique_users_in_period,
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
        AS p90_duration_seconds,
    shop.orders AS orders_in_period,
    shop.bookings AS bookings_in_period,
    shop.spent AS revenue_in_period,
    shop.registrations AS new_users_in_period
FROM visits, places, percentiles, shop, bots;

-- name: get_first_moment
-- The first thing that ever happened, where a line over all time begins; NULL in an empty shop.
SELECT LEAST(
    (SELECT min(started_at) FROM metrics_sessions WHERE started_at < :'as_of'::timestamptz),
    (SELECT min(created_at) FROM metrics_orders WHERE created_at < :'as_of'::timestamptz),
    (SELECT min(created_at) FROM metrics_bookings WHERE created_at < :'as_of'::timestamptz)
);

-- name: list_series
-- One point an hour, day or month of the local time zone from since to as_of, zeros included; NULL without a session.
WITH buckets AS (
    SELECT local_at AT TIME ZONE :'timezone'::text AS bucket_at
    FROM generate_series(
        date_trunc(:'bucket'::text, :'since'::timestamptz AT TIME ZONE :'timezone'::text),
        :'as_of'::timestamptz AT TIME ZONE :'timezone'::text - interval '1 microsecond',
        ('1 ' || :'bucket'::text)::interval
    ) AS local_at
),
visits AS (
    SELECT
        date_trunc(:'bucket'::text, s.started_at, :'timezone'::text) AS bucket_at,
        count(*) AS sessions,
        count(DISTINCT s.user_id) AS customers,
        (avg((s.duration_seconds * 1000000)::bigint) / 1000000)::double precision AS avg_duration_seconds,
        round(100.0 * count(*) FILTER (WHERE NOT s.is_active) / count(*), 2) AS end_rate_percent
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE s.started_at >= :'since'::timestamptz
        AND s.started_at < :'as_of'::timestamptz
        AND (:'include_bots'::boolean OR NOT s.is_bot)
    GROUP BY 1
),
joined AS (
    SELECT date_trunc(:'bucket'::text, c.registered_at, :'timezone'::text) AS bucket_at, count(*) AS customers
    FROM metrics_customers AS c
    WHERE c.registered_at >= :'since'::timestamptz
        AND c.registered_at < :'as_of'::timestamptz
    GROUP BY 1
),
bought AS (
    SELECT
        date_trunc(:'bucket'::text, o.created_at, :'timezone'::text) AS bucket_at,
        count(*) AS orders,
        sum(o.spent) AS revenue
    FROM metrics_orders AS o
    WHERE o.created_at >= :'since'::timestamptz
        AND o.created_at < :'as_of'::timestamptz
        AND o.is_counted
    GROUP BY 1
),
booked AS (
    SELECT date_trunc(:'bucket'::text, b.created_at, :'timezone'::text) AS bucket_at, count(*) AS bookings
    FROM metrics_bookings AS b
    WHERE b.created_at >= :'since'::timestamptz
        AND b.created_at < :'as_of'::timestamptz
        AND b.is_counted
    GROUP BY 1
)
SELECT
    buckets.bucket_at,
    COALESCE(visits.sessions, 0) AS sessions,
    COALESCE(visits.customers, 0) AS unique_users,
    COALESCE(bought.orders, 0) AS orders,
    COALESCE(booked.bookings, 0) AS bookings,
    COALESCE(bought.revenue, 0) AS revenue,
    COALESCE(joined.customers, 0) AS new_users,
    visits.avg_duration_seconds,
    visits.end_rate_percent
FROM buckets
LEFT JOIN joined ON joined.bucket_at = buckets.bucket_at
LEFT JOIN visits ON visits.bucket_at = buckets.bucket_at
LEFT JOIN bought ON bought.bucket_at = buckets.bucket_at
LEFT JOIN booked ON booked.bucket_at = buckets.bucket_at
ORDER BY buckets.bucket_at;

-- name: get_whole_from
-- Where the first hour, day or month begins that since does not cut.
SELECT CASE
    WHEN date_trunc(:'bucket'::text, :'since'::timestamptz, :'timezone'::text) = :'since'::timestamptz
    THEN :'since'::timestamptz
    ELSE metrics_bucket_end(
        :'bucket'::text,
        :'timezone'::text,
        date_trunc(:'bucket'::text, :'since'::timestamptz, :'timezone'::text)
    )
END;

-- name: list_kept_series
-- The same from the hours, days or months that are kept; the bucket that since cuts, up to whole_from, is counted itself.
WITH buckets AS (
    SELECT local_at AT TIME ZONE :'timezone'::text AS bucket_at
    FROM generate_series(
        date_trunc(:'bucket'::text, :'since'::timestamptz AT TIME ZONE :'timezone'::text),
        :'as_of'::timestamptz AT TIME ZONE :'timezone'::text - interval '1 microsecond',
        ('1 ' || :'bucket'::text)::interval
    ) AS local_at
),
points AS (
    SELECT p.bucket_at, p.sessions, p.closed, p.duration_us, p.customers, p.orders, p.bookings, p.spent, p.registrations
    FROM (
        SELECT
            bucket_at, is_bot, sessions, closed, duration_us, customers, orders, bookings, spent, registrations
        FROM metrics_points
        WHERE unit = :'bucket'::text
            AND bucket_at >= :'whole_from'::timestamptz
            AND bucket_at < :'as_of'::timestamptz
        UNION ALL
        SELECT *
        FROM metrics_point_moves(:'bucket'::text, :'timezone'::text, :'as_of'::timestamptz)
        WHERE bucket_at >= :'whole_from'::timestamptz
    ) AS p
    WHERE :'include_bots'::boolean OR NOT p.is_bot
    UNION ALL
    -- Customers that only a bot came as.
    SELECT date_trunc(:'bucket'::text, b.started_at, :'timezone'::text), 0, 0, 0, count(DISTINCT b.user_id), 0, 0, 0, 0
    FROM metrics_sessions AS b
    WHERE :'include_bots'::boolean
        AND b.is_bot
        AND b.user_id IS NOT NULL
        AND b.started_at >= :'whole_from'::timestamptz
        AND b.started_at < :'as_of'::timestamptz
        AND NOT EXISTS (
            SELECT 1
            FROM metrics_sessions AS s
            WHERE s.user_id = b.user_id
                AND NOT s.is_bot
                AND s.started_at >= date_trunc(:'bucket'::text, b.started_at, :'timezone'::text)
                AND s.started_at < :'as_of'::timestamptz
                AND date_trunc(:'bucket'::text, s.started_at, :'timezone'::text)
                    = date_trunc(:'bucket'::text, b.started_at, :'timezone'::text)
        )
    GROUP BY 1
    UNION ALL
    SELECT
        date_trunc(:'bucket'::text, s.started_at, :'timezone'::text), 0, 1,
        metrics_duration_us(s.started_at, s.ended_at), 0, 0, 0, 0, 0
    FROM metrics_silent_sessions(:'as_of'::timestamptz, :'timeout'::interval) AS s
    WHERE s.started_at >= :'whole_from'::timestamptz
        AND s.started_at < :'as_of'::timestamptz
        AND (:'include_bots'::boolean OR NOT s.is_bot)
    UNION ALL
    SELECT
        date_trunc(:'bucket'::text, :'since'::timestamptz, :'timezone'::text), count(*), count(s.duration_seconds),
        sum((s.duration_seconds * 1000000)::bigint), count(DISTINCT s.user_id), 0, 0, 0, 0
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE s.started_at >= :'since'::timestamptz
        AND s.started_at < LEAST(:'whole_from'::timestamptz, :'as_of'::timestamptz)
        AND (:'include_bots'::boolean OR NOT s.is_bot)
    UNION ALL
    SELECT
        date_trunc(:'bucket'::text, :'since'::timestamptz, :'timezone'::text), 0, 0, 0, 0, count(*), 0, sum(o.spent), 0
    FROM metrics_orders AS o
    WHERE o.created_at >= :'since'::timestamptz
        AND o.created_at < LEAST(:'whole_from'::timestamptz, :'as_of'::timestamptz)
        AND o.is_counted
    UNION ALL
    SELECT date_trunc(:'bucket'::text, :'since'::timestamptz, :'timezone'::text), 0, 0, 0, 0, 0, count(*), 0, 0
    FROM metrics_bookings AS b
    WHERE b.created_at >= :'since'::timestamptz
        AND b.created_at < LEAST(:'whole_from'::timestamptz, :'as_of'::timestamptz)
        AND b.is_counted
    UNION ALL
    SELECT date_trunc(:'bucket'::text, :'since'::timestamptz, :'timezone'::text), 0, 0, 0, 0, 0, 0, 0, count(*)
    FROM metrics_registrations AS r
    WHERE r.registered_at >= :'since'::timestamptz
        AND r.registered_at < LEAST(:'whole_from'::timestamptz, :'as_of'::timestamptz)
)
SELECT
    buckets.bucket_at,
    COALESCE(sum(p.sessions), 0)::bigint AS sessions,
    COALESCE(sum(p.customers), 0)::bigint AS unique_users,
    COALESCE(sum(p.orders), 0)::bigint AS orders,
    COALESCE(sum(p.bookings), 0)::bigint AS bookings,
    COALESCE(sum(p.spent), 0) AS revenue,
    COALESCE(sum(p.registrations), 0)::bigint AS new_users,
    (sum(p.duration_us) / NULLIF(sum(p.closed), 0) / 1000000)::double precision AS avg_duration_seconds,
    round(100.0 * sum(p.closed) / NULLIF(sum(p.sessions), 0), 2) AS end_rate_percent
FROM buckets
LEFT JOIN points AS p ON p.bucket_at = buckets.bucket_at
GROUP BY buckets.bucket_at
ORDER BY buckets.bucket_at;
