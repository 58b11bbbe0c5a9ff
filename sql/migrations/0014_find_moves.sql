-- What is between the kept counts and any other moment: what came and went at both edges of each period, and what the log
-- of changes holds. The fold writes that difference down, a reader adds it: both take it from here, so that an answer is
-- exact at its moment, however late the fold is. What looks things up for each customer is planned once a connection, for
-- few rows: an estimate that thinks otherwise would read a whole table. OFFSET 0 keeps each range a range of its index.

-- What enters and leaves each period between the fold and `until`, as ranges of time. Back in time, signs turn.
CREATE FUNCTION metrics_edges(periods text[], until timestamptz)
RETURNS TABLE (period text, sign integer, from_at timestamptz, to_at timestamptz)
LANGUAGE sql STABLE
AS $$
SELECT
    p.period,
    CASE WHEN until < f.folded_until THEN -edge.sign ELSE edge.sign END,
    CASE
        -- Nothing is folded: the whole period enters.
        WHEN f.folded_until IS NULL THEN COALESCE(until - p.from_age, '-infinity')
        ELSE LEAST(f.folded_until, until) - edge.age
    END,
    CASE WHEN f.folded_until IS NULL THEN until - p.to_age ELSE GREATEST(f.folded_until, until) - edge.age END
FROM metrics_fold AS f
CROSS JOIN metrics_periods AS p
CROSS JOIN LATERAL (VALUES (1, p.to_age), (-1, p.from_age)) AS edge (sign, age)
WHERE p.period = ANY (periods)
    AND edge.age IS NOT NULL
    AND (f.folded_until IS NOT NULL OR edge.sign = 1)
$$;

-- The log's rows that belong to what is folded already, once for each period they are in.
CREATE FUNCTION metrics_late_changes(periods text[], wanted_noun text)
RETURNS TABLE (period text, change metrics_changes)
LANGUAGE sql STABLE
AS $$
SELECT p.period, c
FROM metrics_fold AS f
CROSS JOIN metrics_periods AS p
JOIN metrics_changes AS c ON c.happened_at < f.folded_until - p.to_age
    AND (p.from_age IS NULL OR c.happened_at >= f.folded_until - p.from_age)
WHERE p.period = ANY (periods) AND c.noun = wanted_noun
$$;

CREATE FUNCTION metrics_session_moves(periods text[], until timestamptz)
RETURNS TABLE (
    period text,
    sign integer,
    user_id uuid,
    started_at timestamptz,
    is_bot boolean,
    device_type text,
    browser_name text,
    browser_version text,
    os_name text,
    os_version text,
    duration_us bigint,
    is_explicit boolean
)
LANGUAGE sql STABLE
AS $$
SELECT
    edge.period, edge.sign, s.user_id, s.started_at, s.is_bot, s.device_type::text, s.browser_name::text,
    s.browser_version::text, s.os_name::text, s.os_version::text, metrics_duration_us(s.started_at, s.ended_at),
    metrics_is_explicit(s.end_reason::text)
FROM metrics_edges(periods, until) AS edge
CROSS JOIN LATERAL (
    SELECT * FROM metrics_sessions AS s WHERE s.started_at >= edge.from_at AND s.started_at < edge.to_at
    OFFSET 0
) AS s
UNION ALL
SELECT
    late.period, (late.change).sign, (late.change).user_id, (late.change).happened_at, (late.change).is_bot,
    (late.change).device_type, (late.change).browser_name, (late.change).browser_version, (late.change).os_name,
    (late.change).os_version, (late.change).duration_us, (late.change).is_explicit
FROM metrics_late_changes(periods, 'session') AS late
$$;

CREATE FUNCTION metrics_shop_moves(periods text[], until timestamptz)
RETURNS TABLE (
    period text, user_id uuid, created_at timestamptz, orders integer, bookings integer, spent numeric,
    registrations integer
)
LANGUAGE sql STABLE
AS $$
SELECT edge.period, o.user_id, o.created_at, edge.sign, 0, edge.sign * o.spent, 0
FROM metrics_edges(periods, until) AS edge
CROSS JOIN LATERAL (
    SELECT * FROM metrics_orders AS o
    WHERE o.created_at >= edge.from_at AND o.created_at < edge.to_at AND o.is_counted
    OFFSET 0
) AS o
UNION ALL
SELECT edge.period, b.user_id, b.created_at, 0, edge.sign, 0, 0
FROM metrics_edges(periods, until) AS edge
CROSS JOIN LATERAL (
    SELECT * FROM metrics_bookings AS b
    WHERE b.created_at >= edge.from_at AND b.created_at < edge.to_at AND b.is_counted
    OFFSET 0
) AS b
UNION ALL
SELECT edge.period, r.user_id, r.registered_at, 0, 0, 0, edge.sign
FROM metrics_edges(periods, until) AS edge
CROSS JOIN LATERAL (
    SELECT * FROM metrics_registrations AS r
    WHERE r.registered_at >= edge.from_at AND r.registered_at < edge.to_at
    OFFSET 0
) AS r
UNION ALL
SELECT
    late.period, (late.change).user_id, (late.change).happened_at, (late.change).sign, 0,
    (late.change).sign * (late.change).spent, 0
FROM metrics_late_changes(periods, 'order') AS late
UNION ALL
SELECT late.period, (late.change).user_id, (late.change).happened_at, 0, (late.change).sign, 0, 0
FROM metrics_late_changes(periods, 'booking') AS late
UNION ALL
SELECT late.period, (late.change).user_id, (late.change).happened_at, 0, 0, 0, (late.change).sign
FROM metrics_late_changes(periods, 'customer') AS late
$$;

-- The same by customer, one row each, with everybody whose order in a list may have changed, if by nothing but a moment.
CREATE FUNCTION metrics_customer_moves(periods text[], until timestamptz)
RETURNS TABLE (
    period text, user_id uuid, sessions integer, orders integer, bookings integer, spent numeric,
    previous_sessions integer
)
LANGUAGE plpgsql STABLE ROWS 500
SET enable_seqscan = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        move.period, move.user_id, sum(move.sessions)::integer, sum(move.orders)::integer, sum(move.bookings)::integer,
        sum(move.spent), sum(move.previous_sessions)::integer
    FROM (
        SELECT s.period, s.user_id, s.sign AS sessions, 0 AS orders, 0 AS bookings, 0::numeric AS spent,
            0 AS previous_sessions
        FROM metrics_session_moves(periods, until) AS s
        WHERE NOT s.is_bot
        UNION ALL
        SELECT substr(s.period, length('previous_') + 1), s.user_id, 0, 0, 0, 0, s.sign
        FROM metrics_session_moves(ARRAY(SELECT 'previous_' || p FROM unnest(periods) AS p), until) AS s
        WHERE NOT s.is_bot
        UNION ALL
        SELECT s.period, s.user_id, 0, s.orders, s.bookings, s.spent, 0
        FROM metrics_shop_moves(periods, until) AS s
        UNION ALL
        SELECT p, c.user_id, 0, 0, 0, 0, 0
        FROM metrics_changes AS c
        CROSS JOIN unnest(periods) AS p
    ) AS move
    WHERE move.user_id IS NOT NULL
    GROUP BY move.period, move.user_id;
END
$$;

-- What moved of metrics_period_totals. Who came for the first time or is no longer there is found by what is kept.
CREATE FUNCTION metrics_total_moves(periods text[], until timestamptz)
RETURNS TABLE (
    period text, customers bigint, orders bigint, bookings bigint, spent numeric, registrations bigint
)
LANGUAGE plpgsql STABLE ROWS 500
SET enable_seqscan = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.period, 0::bigint, sum(s.orders), sum(s.bookings), sum(s.spent), sum(s.registrations)
    FROM metrics_shop_moves(periods, until) AS s
    GROUP BY s.period
    UNION ALL
    SELECT u.period, sum(u.customers), 0, 0, 0, 0
    FROM metrics_customer_moves(
        ARRAY(SELECT DISTINCT replace(p, 'previous_', '') FROM unnest(periods) AS p WHERE p <> 'all'), until
    ) AS move
    LEFT JOIN metrics_period_customers AS kept ON kept.period = move.period AND kept.user_id = move.user_id
    CROSS JOIN LATERAL (VALUES
        (
            move.period,
            (COALESCE(kept.sessions, 0) + move.sessions > 0)::integer - (COALESCE(kept.sessions, 0) > 0)::integer
        ),
        (
            'previous_' || move.period,
            (COALESCE(kept.previous_sessions, 0) + move.previous_sessions > 0)::integer
                - (COALESCE(kept.previous_sessions, 0) > 0)::integer
        )
    ) AS u (period, customers)
    WHERE u.period = ANY (periods)
    GROUP BY u.period
    UNION ALL
    SELECT 'all', sum((now.sessions > 0)::integer - (now.sessions - move.sessions > 0)::integer), 0, 0, 0, 0
    FROM (
        SELECT user_id, sum(sign) AS sessions
        FROM metrics_session_moves(ARRAY(SELECT p FROM unnest(periods) AS p WHERE p = 'all'), until)
        WHERE NOT is_bot AND user_id IS NOT NULL
        GROUP BY user_id
    ) AS move
    CROSS JOIN LATERAL (
        SELECT COALESCE((SELECT c.total_sessions FROM metrics_customers AS c WHERE c.user_id = move.user_id), 0)
            - (
                SELECT count(*) FROM metrics_sessions AS s
                WHERE s.user_id = move.user_id AND s.started_at >= until AND NOT s.is_bot
            ) AS sessions
    ) AS now
    HAVING count(*) > 0;
END
$$;

-- Where the hour, day or month after this one begins in the time zone.
CREATE FUNCTION metrics_bucket_end(unit text, zone text, bucket_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN ((bucket_at AT TIME ZONE zone) + ('1 ' || unit)::interval) AT TIME ZONE zone;

-- What moved of metrics_points, in one unit. A customer who came in an hour, day or month before is none more.
CREATE FUNCTION metrics_point_moves(unit text, zone text, until timestamptz)
RETURNS TABLE (
    bucket_at timestamptz,
    is_bot boolean,
    sessions bigint,
    closed bigint,
    duration_us numeric,
    customers bigint,
    orders bigint,
    bookings bigint,
    spent numeric,
    registrations bigint
)
LANGUAGE plpgsql STABLE ROWS 500
SET enable_seqscan = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        move.bucket_at,
        move.is_bot,
        sum(move.sessions)::bigint,
        sum(move.closed)::bigint,
        sum(move.duration_us)::numeric,
        sum((now.sessions > 0)::integer - (now.sessions - move.sessions > 0)::integer)
            FILTER (WHERE NOT move.is_bot AND move.user_id IS NOT NULL),
        0::bigint, 0::bigint, 0::numeric, 0::bigint
    FROM (
        SELECT
            date_trunc(unit, s.started_at, zone) AS bucket_at,
            s.is_bot,
            s.user_id,
            sum(s.sign) AS sessions,
            COALESCE(sum(s.sign) FILTER (WHERE s.duration_us IS NOT NULL), 0) AS closed,
            COALESCE(sum(s.sign * s.duration_us), 0) AS duration_us
        FROM metrics_session_moves(ARRAY['all'], until) AS s
        GROUP BY 1, 2, 3
    ) AS move
    CROSS JOIN metrics_fold AS f
    CROSS JOIN LATERAL (
        SELECT CASE
            -- The first fold sees all there is.
            WHEN f.folded_until IS NULL OR move.is_bot OR move.user_id IS NULL THEN move.sessions
            ELSE (
                SELECT count(*)
                FROM metrics_sessions AS s
                WHERE s.user_id = move.user_id
                    AND s.started_at >= move.bucket_at
                    AND s.started_at < LEAST(until, metrics_bucket_end(unit, zone, move.bucket_at))
                    AND NOT s.is_bot
            )
        END AS sessions
    ) AS now
    GROUP BY move.bucket_at, move.is_bot
    UNION ALL
    SELECT
        date_trunc(unit, s.created_at, zone), false, 0, 0, 0, 0, sum(s.orders), sum(s.bookings), sum(s.spent),
        sum(s.registrations)
    FROM metrics_shop_moves(ARRAY['all'], until) AS s
    GROUP BY 1;
END
$$;
