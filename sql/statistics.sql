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
        count(*) FILTER (
            WHERE NOT s.is_active AND s.end_reason IN ('sign_out', 'user_switch', 'page_hide', 'reported')
        ) AS explicitly_ended,
        avg(s.duration_seconds) AS avg_duration_seconds,
        percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY s.duration_seconds) AS duration_percentiles
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
    visits.avg_duration_seconds,
    visits.duration_percentiles[1] AS median_duration_seconds,
    visits.duration_percentiles[2] AS p90_duration_seconds,
    bought.orders AS orders_in_period,
    booked.bookings AS bookings_in_period,
    bought.revenue AS revenue_in_period,
    joined.customers AS new_users_in_period
FROM visits, bots, bought, booked, base, joined;

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
        avg(s.duration_seconds) AS avg_duration_seconds,
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
