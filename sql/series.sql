-- Lines over time: one point an hour, day or month of the local time zone.

-- fragment: buckets
-- Every bucket from since to as_of.
buckets AS (
    SELECT local_at AT TIME ZONE :'timezone'::text AS bucket_at
    FROM generate_series(
        date_trunc(:'bucket'::text, :'since'::timestamptz AT TIME ZONE :'timezone'::text),
        :'as_of'::timestamptz AT TIME ZONE :'timezone'::text - interval '1 microsecond',
        ('1 ' || :'bucket'::text)::interval
    ) AS local_at
)

-- fragment: pruned_points
-- What retention removed, by bucket; windows are told apart from All Time by having no such past. Twelve hours into its
-- bucket, a point stays in it where the time zone was changed later.
SELECT
    date_trunc(:'bucket'::text, bucket_at + interval '12 hours', :'timezone'::text) AS bucket_at,
    sessions,
    sessions AS closed,
    duration_us,
    customers
FROM metrics_pruned_points
WHERE unit = 'month' AND :'bucket'::text = 'month' AND (:'include_bots'::boolean OR NOT is_bot)

-- name: get_first_moment
-- The first thing that ever happened, where a line over all time begins; NULL in an empty shop.
SELECT LEAST(
    (SELECT min(started_at) FROM metrics_sessions WHERE started_at < :'as_of'::timestamptz),
    (SELECT min(created_at) FROM metrics_orders WHERE created_at < :'as_of'::timestamptz),
    (SELECT min(created_at) FROM metrics_bookings WHERE created_at < :'as_of'::timestamptz),
    (SELECT first_started_at FROM metrics_retention)
);

-- name: list_series
-- One point an hour, day or month of the local time zone from since to as_of, zeros included; NULL without a session.
WITH :buckets,
visits AS (
    SELECT
        v.bucket_at,
        sum(v.sessions)::bigint AS sessions,
        sum(v.customers)::bigint AS customers,
        (sum(v.duration_us) / NULLIF(sum(v.closed), 0) / 1000000)::double precision AS avg_duration_seconds,
        round(100.0 * sum(v.closed) / NULLIF(sum(v.sessions), 0), 2) AS end_rate_percent
    FROM (
        SELECT
            date_trunc(:'bucket'::text, s.started_at, :'timezone'::text) AS bucket_at,
            count(*) AS sessions,
            count(DISTINCT s.user_id) AS customers,
            count(s.duration_seconds) AS closed,
            sum((s.duration_seconds * 1000000)::bigint) AS duration_us
        FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
        WHERE s.started_at >= :'since'::timestamptz
            AND s.started_at < :'as_of'::timestamptz
            AND (:'include_bots'::boolean OR NOT s.is_bot)
        GROUP BY 1
        UNION ALL
        SELECT p.bucket_at, p.sessions, p.customers, p.closed, p.duration_us
        FROM (:pruned_points) AS p
    ) AS v
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
WITH :buckets,
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
    SELECT p.bucket_at, p.sessions, p.closed, p.duration_us, p.customers, 0, 0, 0, 0
    FROM (:pruned_points) AS p
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
