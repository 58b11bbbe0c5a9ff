-- What the migrations add up to on the shop's tables: a test compares it with a replay of them all.

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE TYPE public.metrics_beacon AS (
	n integer,
	id uuid,
	session_id text,
	t bigint,
	age double precision,
	up double precision,
	received_at timestamp with time zone,
	user_id uuid,
	states_identity boolean,
	is_verified boolean,
	is_end boolean,
	reason text,
	previous_session_id text,
	device_type text,
	browser_name text,
	browser_version text,
	os_name text,
	os_version text,
	is_bot boolean,
	ip_address inet,
	country text,
	city text,
	landing_page text,
	referrer text,
	user_agent text
);

CREATE TYPE public.metrics_booking_change AS (
	user_id uuid,
	bookings integer
);

CREATE TYPE public.metrics_order_change AS (
	user_id uuid,
	orders integer,
	spent numeric
);

CREATE TYPE public.metrics_session_change AS (
	user_id uuid,
	device_type text,
	browser_name text,
	os_name text,
	came integer,
	went integer,
	latest_start timestamp with time zone
);

CREATE FUNCTION public.metrics_apply_booking_changes(changes public.metrics_booking_change[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (ARRAY(SELECT user_id FROM unnest(changes)))
    ORDER BY user_id
    FOR NO KEY UPDATE;

    UPDATE user_activity_summary AS summary
    SET total_bookings = summary.total_bookings + change.bookings,
        last_booking_at = last_booking.created_at,
        last_booking_service = last_booking.service,
        updated_at = now()
    FROM unnest(changes) AS change
    LEFT JOIN LATERAL (
        SELECT b.created_at, COALESCE(service.title, b.service_type) AS service
        FROM service_bookings AS b
        LEFT JOIN services AS service ON service.id = b.service_id
        WHERE b.user_id = change.user_id AND metrics_is_counted_booking(b.status::text)
        ORDER BY b.created_at DESC NULLS LAST, b.id DESC
        LIMIT 1
    ) AS last_booking ON true
    WHERE summary.user_id = change.user_id;
END
$$;

CREATE FUNCTION public.metrics_apply_order_changes(changes public.metrics_order_change[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (ARRAY(SELECT user_id FROM unnest(changes)))
    ORDER BY user_id
    FOR NO KEY UPDATE;

    UPDATE user_activity_summary AS summary
    SET total_orders = summary.total_orders + change.orders,
        total_spent = summary.total_spent + change.spent,
        last_order_at = last_order.created_at,
        last_order_amount = last_order.total_amount,
        updated_at = now()
    FROM unnest(changes) AS change
    LEFT JOIN LATERAL (
        SELECT o.created_at, o.total_amount
        FROM orders AS o
        WHERE o.user_id = change.user_id AND metrics_is_counted_order(o.status::text, o.payment_status::text)
        ORDER BY o.created_at DESC NULLS LAST, o.id DESC
        LIMIT 1
    ) AS last_order ON true
    WHERE summary.user_id = change.user_id;
END
$$;

CREATE FUNCTION public.metrics_apply_session_changes(changes public.metrics_session_change[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
DECLARE
    user_ids uuid[] := ARRAY(SELECT DISTINCT user_id FROM unnest(changes));
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (user_ids)
    ORDER BY user_id
    FOR NO KEY UPDATE;

    INSERT INTO user_device_counts AS counts
    SELECT change.user_id, change.device_type, change.browser_name, change.os_name, change.came, change.latest_start
    FROM unnest(changes) AS change
    WHERE change.came > 0
        -- A customer who is being removed takes the counts along.
        AND EXISTS (SELECT 1 FROM users WHERE users.id = change.user_id)
    ON CONFLICT (user_id, device_type, browser_name, os_name) DO UPDATE
    SET total_sessions = counts.total_sessions + EXCLUDED.total_sessions,
        last_started_at = GREATEST(counts.last_started_at, EXCLUDED.last_started_at);

    IF EXISTS (SELECT 1 FROM unnest(changes) AS change WHERE change.went > 0) THEN
        DELETE FROM user_device_counts AS counts
        USING unnest(changes) AS change
        WHERE change.went > 0
            AND counts.user_id = change.user_id
            AND counts.device_type = change.device_type
            AND counts.browser_name = change.browser_name
            AND counts.os_name = change.os_name
            AND counts.total_sessions <= change.went;

        UPDATE user_device_counts AS counts
        SET total_sessions = counts.total_sessions - change.went,
            -- A MERGE that moves some and removes others has none left at its first trigger, and the rest at its second.
            last_started_at = COALESCE(latest.started_at, counts.last_started_at)
        FROM unnest(changes) AS change
        CROSS JOIN LATERAL (
            -- GREATEST passes over a NULL: of kept rows and of pruned ones there may be none.
            SELECT GREATEST(
                (
                    SELECT s.started_at
                    FROM user_sessions AS s
                    WHERE s.user_id = change.user_id
                        AND NOT s.is_bot
                        AND COALESCE(s.device_type, 'Unknown') = change.device_type
                        AND COALESCE(s.browser_name, 'Unknown') = change.browser_name
                        AND COALESCE(s.os_name, 'Unknown') = change.os_name
                    ORDER BY s.started_at DESC
                    LIMIT 1
                ),
                (
                    SELECT p.last_started_at
                    FROM metrics_pruned_customers AS p
                    WHERE p.user_id = change.user_id
                        AND NOT p.is_bot
                        AND p.device_type = change.device_type
                        AND p.browser_name = change.browser_name
                        AND p.os_name = change.os_name
                )
            ) AS started_at
        ) AS latest
        WHERE change.went > 0
            AND counts.user_id = change.user_id
            AND counts.device_type = change.device_type
            AND counts.browser_name = change.browser_name
            AND counts.os_name = change.os_name;
    END IF;

    UPDATE user_activity_summary AS summary
    SET total_sessions = summary.total_sessions + change.sessions,
        -- Lowered by nothing but erasure.
        last_login_at = GREATEST(summary.last_login_at, change.latest_start),
        primary_device_type = CASE
            WHEN change.is_one AND summary.primary_device_type = change.device_type THEN summary.primary_device_type
            ELSE (
                SELECT c.device_type FROM user_device_counts AS c WHERE c.user_id = summary.user_id
                GROUP BY 1 ORDER BY sum(c.total_sessions) DESC, max(c.last_started_at) DESC, 1 LIMIT 1
            )
        END,
        primary_browser = CASE
            WHEN change.is_one AND summary.primary_browser = change.browser_name THEN summary.primary_browser
            ELSE (
                SELECT c.browser_name FROM user_device_counts AS c WHERE c.user_id = summary.user_id
                GROUP BY 1 ORDER BY sum(c.total_sessions) DESC, max(c.last_started_at) DESC, 1 LIMIT 1
            )
        END,
        primary_os = CASE
            WHEN change.is_one AND summary.primary_os = change.os_name THEN summary.primary_os
            ELSE (
                SELECT c.os_name FROM user_device_counts AS c WHERE c.user_id = summary.user_id
                GROUP BY 1 ORDER BY sum(c.total_sessions) DESC, max(c.last_started_at) DESC, 1 LIMIT 1
            )
        END,
        updated_at = now()
    FROM (
        SELECT
            c.user_id,
            sum(c.came - c.went) AS sessions,
            max(c.latest_start) AS latest_start,
            -- Whoever comes again with what they usually hold keeps their primaries: nothing is counted for that.
            count(*) = 1 AND sum(c.went) = 0 AS is_one,
            min(c.device_type) AS device_type,
            min(c.browser_name) AS browser_name,
            min(c.os_name) AS os_name
        FROM unnest(changes) AS c
        GROUP BY c.user_id
    ) AS change
    WHERE summary.user_id = change.user_id;
END
$$;

CREATE FUNCTION public.metrics_begin_erasure(only_user_id uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM 1 FROM users WHERE id = only_user_id FOR UPDATE;
    INSERT INTO metrics_erasures (user_id) VALUES (only_user_id) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;

CREATE FUNCTION public.metrics_bucket_end(unit text, zone text, bucket_at timestamp with time zone) RETURNS timestamp with time zone
    LANGUAGE sql STABLE
    RETURN (((bucket_at AT TIME ZONE zone) + (('1 '::text || unit))::interval) AT TIME ZONE zone);

CREATE FUNCTION public.metrics_count_traces(only_user_id uuid) RETURNS TABLE(table_name text, total_rows bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
SELECT 'user_sessions', count(*) FROM user_sessions WHERE user_id = only_user_id
UNION ALL
SELECT 'user_activity_summary', count(*) FROM user_activity_summary WHERE user_id = only_user_id
UNION ALL
SELECT 'user_device_counts', count(*) FROM user_device_counts WHERE user_id = only_user_id
UNION ALL
SELECT 'metrics_pruned_customers', count(*) FROM metrics_pruned_customers WHERE user_id = only_user_id
UNION ALL
SELECT 'metrics_period_customers', count(*)
FROM metrics_period_customers
WHERE user_id = only_user_id AND period IN ('daily', 'weekly', 'monthly')
UNION ALL
SELECT 'metrics_changes', count(*)
FROM metrics_changes
WHERE user_id = only_user_id AND noun NOT IN ('order', 'booking')
$$;

CREATE FUNCTION public.metrics_csv_text(cell text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ("left"(cell, 1) = ANY (ARRAY['='::text, '+'::text, '-'::text, '@'::text, '	'::text, '
'::text])) THEN (''''::text || cell) ELSE cell END;

CREATE FUNCTION public.metrics_csv_time(moment timestamp with time zone) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SSTZH:TZM'::text);

CREATE FUNCTION public.metrics_current_user_id() RETURNS uuid
    LANGUAGE sql STABLE
    RETURN (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid;

CREATE FUNCTION public.metrics_customer_moves(periods text[], until timestamp with time zone) RETURNS TABLE(period text, user_id uuid, sessions integer, orders integer, bookings integer, spent numeric, previous_sessions integer)
    LANGUAGE plpgsql STABLE ROWS 500
    SET enable_seqscan TO 'off'
    SET enable_mergejoin TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
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

CREATE FUNCTION public.metrics_search_text(first_name text, last_name text, email text, phone text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((((((COALESCE(NULLIF(btrim(((COALESCE(btrim(first_name), ''::text) || ' '::text) || COALESCE(btrim(last_name), ''::text))), ''::text), NULLIF(btrim(email), ''::text), 'Unnamed customer'::text) || ''::text) || COALESCE(email, ''::text)) || ''::text) || COALESCE(phone, ''::text)) || ''::text) || regexp_replace(COALESCE(phone, ''::text), '\D'::text, ''::text, 'g'::text));


SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE public.user_activity_summary (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    total_sessions integer DEFAULT 0 NOT NULL,
    total_orders integer DEFAULT 0 NOT NULL,
    total_bookings integer DEFAULT 0 NOT NULL,
    total_reviews integer DEFAULT 0 NOT NULL,
    last_login_at timestamp with time zone,
    primary_device_type text,
    primary_browser text,
    primary_os text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_order_at timestamp with time zone,
    last_booking_at timestamp with time zone,
    last_order_amount numeric(14,2),
    last_booking_service text,
    total_spent numeric(16,2) DEFAULT 0 NOT NULL,
    latest_activity_at timestamp with time zone GENERATED ALWAYS AS (COALESCE(GREATEST(last_login_at, last_order_at, last_booking_at), '-infinity'::timestamp with time zone)) STORED NOT NULL
)
WITH (fillfactor='80');

CREATE VIEW public.metrics_customers AS
 SELECT u.id,
    u.email,
    u.first_name,
    u.last_name,
    COALESCE(NULLIF(btrim(concat_ws(' '::text, NULLIF(btrim(u.first_name), ''::text), NULLIF(btrim(u.last_name), ''::text))), ''::text), NULLIF(btrim(u.email), ''::text), 'Unnamed customer'::text) AS full_name,
    u.phone,
    NULLIF(btrim(u.city), ''::text) AS city,
    NULLIF(btrim(u.country), ''::text) AS country,
    u.created_at AS registered_at,
    summary.user_id,
    summary.total_sessions,
    summary.total_orders,
    summary.total_bookings,
    summary.total_reviews,
    summary.total_spent,
    summary.last_login_at,
    summary.last_order_at,
    summary.last_order_amount,
    summary.last_booking_at,
    summary.last_booking_service,
    summary.latest_activity_at,
    COALESCE(summary.primary_device_type, 'Unknown'::text) AS primary_device,
    COALESCE(summary.primary_browser, 'Unknown'::text) AS primary_browser,
    COALESCE(summary.primary_os, 'Unknown'::text) AS primary_os,
    summary.total_sessions AS sessions_in_period,
    summary.total_orders AS orders_in_period,
    summary.total_bookings AS bookings_in_period,
    (summary.total_spent)::numeric AS spent_in_period,
    public.metrics_search_text(u.first_name, u.last_name, u.email, u.phone) AS search_text
   FROM (public.user_activity_summary summary
     LEFT JOIN public.users u ON ((u.id = summary.user_id)));

CREATE FUNCTION public.metrics_customers_between(since timestamp with time zone, as_of timestamp with time zone) RETURNS SETOF public.metrics_customers
    LANGUAGE sql STABLE
    AS $$
SELECT
    c.id,
    c.email,
    c.first_name,
    c.last_name,
    c.full_name,
    c.phone,
    c.city,
    c.country,
    c.registered_at,
    c.user_id,
    c.total_sessions,
    c.total_orders,
    c.total_bookings,
    c.total_reviews,
    c.total_spent,
    c.last_login_at,
    c.last_order_at,
    c.last_order_amount,
    c.last_booking_at,
    c.last_booking_service,
    c.latest_activity_at,
    c.primary_device,
    c.primary_browser,
    c.primary_os,
    COALESCE(came.sessions, 0)::integer,
    COALESCE(bought.orders, 0)::integer,
    COALESCE(booked.bookings, 0)::integer,
    COALESCE(bought.spent, 0),
    c.search_text
FROM metrics_customers AS c
LEFT JOIN (
    SELECT s.user_id, count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE s.started_at >= since AND s.started_at < as_of AND NOT s.is_bot
    GROUP BY s.user_id
) AS came ON came.user_id = c.user_id
LEFT JOIN (
    SELECT o.user_id, count(*) AS orders, sum(o.spent) AS spent
    FROM metrics_orders AS o
    WHERE o.created_at >= since AND o.created_at < as_of AND o.is_counted
    GROUP BY o.user_id
) AS bought ON bought.user_id = c.user_id
LEFT JOIN (
    SELECT b.user_id, count(*) AS bookings
    FROM metrics_bookings AS b
    WHERE b.created_at >= since AND b.created_at < as_of AND b.is_counted
    GROUP BY b.user_id
) AS booked ON booked.user_id = c.user_id
$$;

CREATE FUNCTION public.metrics_customers_kept("interval" text, as_of timestamp with time zone) RETURNS SETOF public.metrics_customers
    LANGUAGE sql STABLE
    AS $$
SELECT
    c.id,
    c.email,
    c.first_name,
    c.last_name,
    c.full_name,
    c.phone,
    c.city,
    c.country,
    c.registered_at,
    c.user_id,
    c.total_sessions,
    c.total_orders,
    c.total_bookings,
    c.total_reviews,
    c.total_spent,
    c.last_login_at,
    c.last_order_at,
    c.last_order_amount,
    c.last_booking_at,
    c.last_booking_service,
    c.latest_activity_at,
    c.primary_device,
    c.primary_browser,
    c.primary_os,
    COALESCE(kept.sessions, 0) + COALESCE(move.sessions, 0),
    COALESCE(kept.orders, 0) + COALESCE(move.orders, 0),
    COALESCE(kept.bookings, 0) + COALESCE(move.bookings, 0),
    COALESCE(kept.spent, 0) + COALESCE(move.spent, 0),
    c.search_text
FROM metrics_customers AS c
LEFT JOIN metrics_period_customers AS kept ON kept.period = "interval" AND kept.user_id = c.user_id
LEFT JOIN metrics_customer_moves(ARRAY["interval"], as_of) AS move ON move.user_id = c.user_id
$$;

CREATE FUNCTION public.metrics_duration_seconds(started_at timestamp with time zone, ended_at timestamp with time zone, cap interval) RETURNS double precision
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (ended_at IS NOT NULL) THEN (LEAST(GREATEST(EXTRACT(epoch FROM (ended_at - started_at)), (0)::numeric), EXTRACT(epoch FROM cap)))::double precision ELSE NULL::double precision END;

CREATE FUNCTION public.metrics_duration_us(started_at timestamp with time zone, ended_at timestamp with time zone) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((public.metrics_duration_seconds(started_at, ended_at, '24:00:00'::interval) * (1000000)::double precision))::bigint;

CREATE FUNCTION public.metrics_edges(periods text[], until timestamp with time zone) RETURNS TABLE(period text, sign integer, from_at timestamp with time zone, to_at timestamp with time zone)
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

CREATE FUNCTION public.metrics_end_sessions(beacons json, timeout interval, cap interval) RETURNS TABLE(n integer, is_known boolean)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT b.n, b.session_id, b.t, b.reason, metrics_happened_at(b.received_at, b.age, cap) AS happened_at
        FROM json_populate_recordset(NULL::metrics_beacon, beacons) AS b
        ORDER BY b.session_id
    ),
    found AS MATERIALIZED (
        SELECT
            asked.n,
            asked.t,
            CASE WHEN asked.happened_at >= s.started_at + cap THEN 'cap' ELSE asked.reason END AS reason,
            s.id,
            s.ended_at IS NOT NULL AND NOT metrics_is_provisional(s.end_reason) AS is_final,
            LEAST(
                CASE
                    -- A tab left open for hours and then closed was not visited for hours.
                    WHEN asked.happened_at >= s.last_activity_at + timeout THEN s.last_activity_at
                    ELSE GREATEST(asked.happened_at, s.last_activity_at)
                END,
                s.started_at + cap
            ) AS end_at,
            -- An end that was written earlier is believed, and so is who knows better than the server's timeout.
            s.ended_at IS NULL
                OR COALESCE(asked.t < s.end_key, false)
                OR (s.end_reason = 'timeout' AND asked.happened_at < s.last_activity_at + timeout) AS is_first,
            -- Written before the latest sign of life: somebody was there after it.
            COALESCE(asked.t < s.life_key, false) AS is_none
        FROM asked
        CROSS JOIN LATERAL (
            SELECT
                s.id, s.started_at, s.ended_at, s.end_reason, s.life_key, s.end_key,
                COALESCE(s.last_activity_at, s.started_at) AS last_activity_at
            FROM user_sessions AS s
            WHERE s.session_id = asked.session_id
            ORDER BY s.ended_at IS NULL DESC, s.started_at DESC, s.id DESC
            LIMIT 1
            FOR UPDATE
        ) AS s
    ),
    ended AS (
        UPDATE user_sessions AS s
        SET ended_at = CASE WHEN found.is_first THEN found.end_at ELSE s.ended_at END,
            end_key = CASE WHEN found.is_first THEN found.t ELSE s.end_key END,
            end_reason = CASE WHEN found.is_final THEN s.end_reason ELSE found.reason END
        FROM found
        WHERE s.id = found.id
            AND NOT found.is_none
            AND (found.is_first OR (NOT found.is_final AND found.reason IN ('sign_out', 'user_switch')))
    )
    SELECT asked.n, found.id IS NOT NULL
    FROM asked
    LEFT JOIN found ON found.n = asked.n;
END
$$;

CREATE FUNCTION public.metrics_ended_at(started_at timestamp with time zone, last_activity_at timestamp with time zone, ended_at timestamp with time zone, as_of timestamp with time zone, timeout interval) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN COALESCE(ended_at, CASE WHEN (COALESCE(last_activity_at, started_at) <= (as_of - timeout)) THEN COALESCE(last_activity_at, started_at) ELSE NULL::timestamp with time zone END);

CREATE FUNCTION public.metrics_erase_customer(only_user_id uuid, actor text) RETURNS TABLE(table_name text, total_rows bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    removed jsonb;
    found_rows bigint;
    was_customer boolean;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM metrics_erasures WHERE user_id = only_user_id) THEN
        RAISE EXCEPTION 'An erasure has two halves: call metrics_begin_erasure first, and commit';
    END IF;
    PERFORM pg_advisory_xact_lock(7283764121);
    -- Sessions before summaries, as beacons lock them.
    DELETE FROM user_sessions WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := jsonb_build_object('user_sessions', found_rows);
    INSERT INTO metrics_changes (noun, sign, user_id)
    SELECT 'pruned', -sum(sessions), user_id
    FROM metrics_pruned_customers
    WHERE user_id = only_user_id AND NOT is_bot
    GROUP BY user_id;
    DELETE FROM metrics_pruned_customers WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := removed || jsonb_build_object('metrics_pruned_customers', found_rows);
    DELETE FROM user_device_counts WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := removed || jsonb_build_object('user_device_counts', found_rows);
    DELETE FROM user_activity_summary WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    was_customer := found_rows > 0;
    removed := removed || jsonb_build_object('user_activity_summary', found_rows);
    INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
    SELECT 'customer', -1, id, created_at FROM users WHERE id = only_user_id AND was_customer;
    -- Where nothing is kept, nobody will ask the log.
    DELETE FROM metrics_changes
    WHERE user_id = only_user_id AND (SELECT folded_until IS NULL FROM metrics_fold);
    PERFORM metrics_write_audit(
        actor, 'erase', only_user_id::text, (SELECT sum(value::bigint) FROM jsonb_each_text(removed))::bigint, removed
    );
    RETURN QUERY SELECT key, value::bigint FROM jsonb_each_text(removed);
END
$$;

CREATE FUNCTION public.metrics_export_person(only_user_id uuid, actor text) RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    person jsonb;
    found_sessions bigint;
BEGIN
    SELECT count(*) INTO found_sessions FROM user_sessions WHERE user_id = only_user_id;
    SELECT jsonb_build_object(
        'id', u.id,
        'exported_at', now(),
        'customer', jsonb_build_object(
            'email', u.email, 'first_name', u.first_name, 'last_name', u.last_name, 'phone', u.phone, 'city', u.city,
            'country', u.country, 'registered_at', u.created_at
        ),
        'summary', (
            SELECT to_jsonb(summary) - ARRAY['id', 'user_id']
            FROM user_activity_summary AS summary WHERE summary.user_id = u.id
        ),
        'sessions', (
            SELECT COALESCE(jsonb_agg(to_jsonb(s) - ARRAY['user_id'] ORDER BY s.started_at DESC, s.id DESC), '[]')
            FROM (
                SELECT
                    id, user_id, started_at, last_activity_at, ended_at, end_reason, device_type, browser_name,
                    browser_version, os_name, os_version, metrics_mask_ip(ip_address) AS ip_address, country, city,
                    landing_page, referrer, user_agent, is_bot, identity_verified
                FROM user_sessions
            ) AS s
            WHERE s.user_id = u.id
        ),
        'earlier_sessions', (
            SELECT COALESCE(jsonb_agg(to_jsonb(p) - ARRAY['user_id'] ORDER BY p.last_started_at DESC), '[]')
            FROM metrics_pruned_customers AS p WHERE p.user_id = u.id
        ),
        'orders', (
            SELECT COALESCE(jsonb_agg(to_jsonb(o) ORDER BY o.created_at DESC, o.id), '[]')
            FROM (
                SELECT id, total_amount, status, payment_status, created_at FROM orders WHERE user_id = only_user_id
            ) AS o
        ),
        'bookings', (
            SELECT COALESCE(jsonb_agg(to_jsonb(b) ORDER BY b.created_at DESC, b.id), '[]')
            FROM (
                SELECT b.id, COALESCE(service.title, b.service_type) AS service, b.status, b.total_amount, b.created_at
                FROM service_bookings AS b
                LEFT JOIN services AS service ON service.id = b.service_id
                WHERE b.user_id = only_user_id
            ) AS b
        ),
        'reviews', (
            SELECT COALESCE(jsonb_agg(to_jsonb(r) ORDER BY r.created_at DESC, r.id), '[]')
            FROM (SELECT id, product_id, rating, created_at FROM reviews WHERE user_id = only_user_id) AS r
        ),
        'erased_at', (SELECT e.erased_at FROM metrics_erasures AS e WHERE e.user_id = u.id)
    ) INTO person
    FROM users AS u
    WHERE u.id = only_user_id;
    IF person IS NOT NULL THEN
        PERFORM metrics_write_audit(actor, 'export person', only_user_id::text, found_sessions);
    END IF;
    RETURN person;
END
$$;

CREATE FUNCTION public.metrics_fold_customers(until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    WITH moves AS MATERIALIZED (
        SELECT * FROM metrics_customer_moves(ARRAY['daily', 'weekly', 'monthly'], until)
    ),
    written AS (
        INSERT INTO metrics_period_customers AS kept
        SELECT
            m.period, m.user_id, m.sessions, m.orders, m.bookings, m.spent, m.previous_sessions,
            summary.latest_activity_at
        FROM moves AS m
        JOIN user_activity_summary AS summary ON summary.user_id = m.user_id
        -- In the order of the key, so that neighbours are written together.
        ORDER BY m.period, m.user_id
        ON CONFLICT (period, user_id) DO UPDATE
        SET sessions = kept.sessions + EXCLUDED.sessions,
            orders = kept.orders + EXCLUDED.orders,
            bookings = kept.bookings + EXCLUDED.bookings,
            spent = kept.spent + EXCLUDED.spent,
            previous_sessions = kept.previous_sessions + EXCLUDED.previous_sessions,
            latest_activity_at = EXCLUDED.latest_activity_at
    )
    DELETE FROM metrics_period_customers AS kept
    USING moves AS m
    WHERE kept.period = m.period
        AND kept.user_id = m.user_id
        AND NOT EXISTS (SELECT 1 FROM user_activity_summary AS summary WHERE summary.user_id = m.user_id);

    -- The first time everybody is written, also who did nothing.
    INSERT INTO metrics_period_customers
    SELECT p.period, summary.user_id, 0, 0, 0, 0, 0, summary.latest_activity_at
    FROM metrics_fold AS f
    CROSS JOIN unnest(ARRAY['daily', 'weekly', 'monthly']) AS p (period)
    CROSS JOIN user_activity_summary AS summary
    WHERE f.folded_until IS NULL
    ON CONFLICT DO NOTHING;
END
$$;

CREATE FUNCTION public.metrics_fold_step(zone text, max_step interval, too_far interval) RETURNS TABLE(folded_until timestamp with time zone, changes bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    SET work_mem TO '64MB'
    AS $$
#variable_conflict use_column
DECLARE
    was record;
    until timestamptz;
    taken bigint;
BEGIN
    IF current_setting('transaction_isolation') <> 'repeatable read' THEN
        RAISE EXCEPTION 'A fold looks at one moment: begin with ISOLATION LEVEL REPEATABLE READ';
    END IF;
    IF NOT pg_try_advisory_xact_lock(7283764120) THEN
        RETURN;
    END IF;
    SELECT f.folded_until, f.timezone INTO was FROM metrics_fold AS f FOR UPDATE;
    IF was.folded_until IS NULL OR was.timezone IS DISTINCT FROM zone OR was.folded_until < now() - too_far THEN
        UPDATE metrics_fold SET folded_until = NULL, timezone = zone;
        DELETE FROM metrics_period_totals;
        DELETE FROM metrics_period_sessions;
        DELETE FROM metrics_period_durations;
        DELETE FROM metrics_period_customers;
        DELETE FROM metrics_points;
        until := now();
    ELSE
        until := LEAST(now(), was.folded_until + max_step);
        -- The ranges are short: an estimate that thinks otherwise must not read a whole table.
        SET LOCAL enable_seqscan = off;
    END IF;

    INSERT INTO metrics_period_sessions AS kept
    SELECT
        period, is_bot, device_type, browser_name, browser_version, os_name, os_version,
        sum(sign),
        COALESCE(sum(sign) FILTER (WHERE user_id IS NULL), 0),
        COALESCE(sum(sign) FILTER (WHERE duration_us IS NOT NULL), 0),
        COALESCE(sum(sign) FILTER (WHERE duration_us IS NOT NULL AND is_explicit), 0),
        COALESCE(sum(sign * duration_us), 0)
    FROM metrics_session_moves(ARRAY(SELECT p.period FROM metrics_periods AS p), until)
    GROUP BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (period, is_bot, device_type, browser_name, browser_version, os_name, os_version) DO UPDATE
    SET sessions = kept.sessions + EXCLUDED.sessions,
        guests = kept.guests + EXCLUDED.guests,
        closed = kept.closed + EXCLUDED.closed,
        explicitly_ended = kept.explicitly_ended + EXCLUDED.explicitly_ended,
        duration_us = kept.duration_us + EXCLUDED.duration_us;
    DELETE FROM metrics_period_sessions WHERE sessions = 0;

    INSERT INTO metrics_period_durations AS kept
    SELECT period, is_bot, metrics_whole_seconds(duration_us), sum(sign)
    FROM metrics_session_moves(ARRAY(SELECT p.period FROM metrics_periods AS p), until)
    WHERE duration_us IS NOT NULL
    GROUP BY 1, 2, 3
    HAVING sum(sign) <> 0
    ON CONFLICT (period, is_bot, seconds) DO UPDATE SET sessions = kept.sessions + EXCLUDED.sessions;
    DELETE FROM metrics_period_durations WHERE sessions = 0;

    -- Before the customers are written: who is new to a period is seen by what is kept of them.
    INSERT INTO metrics_period_totals AS kept
    SELECT period, sum(customers), sum(orders), sum(bookings), sum(spent), sum(registrations)
    FROM metrics_total_moves(ARRAY(SELECT p.period FROM metrics_periods AS p), until)
    GROUP BY period
    ON CONFLICT (period) DO UPDATE
    SET customers = kept.customers + EXCLUDED.customers,
        orders = kept.orders + EXCLUDED.orders,
        bookings = kept.bookings + EXCLUDED.bookings,
        spent = kept.spent + EXCLUDED.spent,
        registrations = kept.registrations + EXCLUDED.registrations;

    INSERT INTO metrics_points AS kept
    SELECT
        u.unit, p.bucket_at, p.is_bot, sum(p.sessions), sum(p.closed), sum(p.duration_us),
        COALESCE(sum(p.customers), 0), sum(p.orders), sum(p.bookings), sum(p.spent), sum(p.registrations)
    FROM unnest(ARRAY['hour', 'day', 'month']) AS u (unit)
    CROSS JOIN LATERAL metrics_point_moves(u.unit, zone, until) AS p
    GROUP BY 1, 2, 3
    ON CONFLICT (unit, bucket_at, is_bot) DO UPDATE
    SET sessions = kept.sessions + EXCLUDED.sessions,
        closed = kept.closed + EXCLUDED.closed,
        duration_us = kept.duration_us + EXCLUDED.duration_us,
        customers = kept.customers + EXCLUDED.customers,
        orders = kept.orders + EXCLUDED.orders,
        bookings = kept.bookings + EXCLUDED.bookings,
        spent = kept.spent + EXCLUDED.spent,
        registrations = kept.registrations + EXCLUDED.registrations;

    PERFORM metrics_fold_customers(until);

    UPDATE metrics_fold
    SET customers = CASE
            WHEN folded_until IS NULL THEN (SELECT count(*) FROM user_activity_summary)
            ELSE customers + (SELECT COALESCE(sum(sign), 0) FROM metrics_changes WHERE noun = 'customer')
        END,
        folded_until = until,
        folded_at = now();
    DELETE FROM metrics_changes;
    GET DIAGNOSTICS taken = ROW_COUNT;
    RETURN QUERY SELECT until, taken;
END
$$;

CREATE FUNCTION public.metrics_forget_erased() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM 1 FROM users WHERE id = NEW.user_id FOR KEY SHARE;
    IF EXISTS (SELECT 1 FROM metrics_erasures WHERE user_id = NEW.user_id) THEN
        NEW.user_id := NULL;
        NEW.identity_verified := false;
    END IF;
    RETURN NEW;
END
$$;

CREATE FUNCTION public.metrics_grant_rights() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    wrong record;
    stranger text;
BEGIN
    FOR wrong IN SELECT role_name FROM metrics_wrong_rights() WHERE object IS NULL LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wrong.role_name);
            IF NOT pg_has_role(current_user, wrong.role_name, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO %I', wrong.role_name, current_user);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- another migration made it in this very moment
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'Role % is missing. Ask the administrator to run: CREATE ROLE % NOLOGIN; GRANT % TO %;',
                    wrong.role_name, wrong.role_name, wrong.role_name, current_user;
        END;
    END LOOP;
    -- First, because it hides that somebody lacks a right of their own.
    FOR wrong IN SELECT object FROM metrics_wrong_rights() AS w WHERE w.role_name = 'PUBLIC' LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', wrong.object);
        FOREACH stranger IN ARRAY ARRAY['anon', 'authenticated'] LOOP
            IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = stranger) THEN
                EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', wrong.object, stranger);
            END IF;
        END LOOP;
    END LOOP;
    FOR wrong IN SELECT * FROM metrics_wrong_rights() AS w WHERE w.object IS NOT NULL AND w.role_name <> 'PUBLIC' LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), wrong.role_name);
        IF wrong.is_function THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', wrong.object, wrong.role_name);
            CONTINUE;
        END IF;
        EXECUTE format('GRANT SELECT ON %s TO %I', wrong.object, wrong.role_name);
        IF wrong.role_name IN ('metrics_reader', 'metrics_admin') AND EXISTS (
            SELECT 1
            FROM pg_class AS c
            WHERE c.oid = to_regclass(wrong.object) AND c.relrowsecurity AND NOT EXISTS (
                SELECT 1 FROM pg_policy AS p
                WHERE p.polrelid = c.oid AND wrong.role_name::regrole::oid = ANY (p.polroles)
            )
        ) THEN
            EXECUTE format(
                'CREATE POLICY %I ON %s FOR SELECT TO %I USING (true)',
                replace(wrong.role_name, 'metrics_reader', 'metrics_read') || '_' || wrong.object,
                wrong.object,
                wrong.role_name
            );
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION public.metrics_happened_at(received_at timestamp with time zone, ago double precision, cap interval) RETURNS timestamp with time zone
    LANGUAGE sql STABLE PARALLEL SAFE
    RETURN (LEAST(received_at, now()) - LEAST((GREATEST(COALESCE(ago, (0)::double precision), (0)::double precision) * '00:00:00.001'::interval), cap));

CREATE FUNCTION public.metrics_heartbeat_sessions(beacons json, timeout interval, cap interval) RETURNS TABLE(n integer, next_step text, started_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT
            b.n,
            b.session_id,
            b.t,
            COALESCE(b.states_identity, false) AS states_identity,
            u.user_id,
            metrics_happened_at(b.received_at, b.age, cap) AS happened_at
        FROM json_populate_recordset(NULL::metrics_beacon, beacons) AS b
        LEFT JOIN metrics_registrations AS u ON u.user_id = b.user_id
        ORDER BY b.session_id
    ),
    found AS MATERIALIZED (
        SELECT
            asked.n,
            asked.t,
            s.id,
            s.started_at,
            GREATEST(asked.happened_at, s.started_at) AS happened_at,
            COALESCE(s.last_activity_at, s.started_at) AS last_activity_at,
            s.ended_at IS NOT NULL AND NOT metrics_is_provisional(s.end_reason) AS is_final,
            (asked.states_identity AND asked.user_id IS DISTINCT FROM s.user_id)
                OR asked.happened_at >= COALESCE(s.last_activity_at, s.started_at) + timeout
                OR asked.happened_at >= s.started_at + cap AS is_over,
            -- Written before what is stored, arrived after it.
            COALESCE(asked.t <= GREATEST(s.life_key, s.end_key), false) AS is_late
        FROM asked
        CROSS JOIN LATERAL (
            SELECT * FROM user_sessions AS s
            WHERE s.session_id = asked.session_id
            ORDER BY s.ended_at IS NULL DESC, s.started_at DESC, s.id DESC
            LIMIT 1
            FOR UPDATE
        ) AS s
    ),
    lived AS (
        UPDATE user_sessions AS s
        SET last_activity_at = GREATEST(
                found.last_activity_at,
                LEAST(found.happened_at, CASE WHEN found.is_late THEN s.ended_at END)
            ),
            life_key = GREATEST(s.life_key, found.t),
            ended_at = CASE WHEN found.is_late THEN s.ended_at END,
            end_reason = CASE WHEN found.is_late THEN s.end_reason END,
            end_key = CASE WHEN found.is_late THEN s.end_key END
        FROM found
        WHERE s.id = found.id AND NOT found.is_over AND (found.is_late OR NOT found.is_final)
    )
    SELECT
        asked.n,
        CASE
            WHEN found.id IS NULL THEN 'start'
            WHEN found.is_final OR found.is_over THEN 'new'
        END,
        found.started_at
    FROM asked
    LEFT JOIN found ON found.n = asked.n;
END
$$;

CREATE FUNCTION public.metrics_is_counted_booking(status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (COALESCE(status, ''::text) <> 'cancelled'::text);

CREATE FUNCTION public.metrics_is_counted_order(status text, payment_status text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ((COALESCE(status, ''::text) <> 'cancelled'::text) AND (COALESCE(payment_status, ''::text) <> ALL (ARRAY['failed'::text, 'refunded'::text, 'cancelled'::text])));

CREATE FUNCTION public.metrics_is_explicit(end_reason text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE((end_reason = ANY (ARRAY['sign_out'::text, 'user_switch'::text, 'page_hide'::text, 'reported'::text])), false);

CREATE FUNCTION public.metrics_is_provisional(end_reason text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN COALESCE((end_reason = ANY (ARRAY['page_hide'::text, 'gone'::text, 'timeout'::text])), false);

CREATE TABLE public.metrics_changes (
    noun text NOT NULL,
    sign integer NOT NULL,
    user_id uuid,
    happened_at timestamp with time zone,
    is_bot boolean,
    device_type text,
    browser_name text,
    browser_version text,
    os_name text,
    os_version text,
    duration_us bigint,
    is_explicit boolean,
    spent numeric
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');

CREATE FUNCTION public.metrics_late_changes(periods text[], wanted_noun text) RETURNS TABLE(period text, change public.metrics_changes)
    LANGUAGE sql STABLE
    AS $$
SELECT p.period, c
FROM metrics_fold AS f
CROSS JOIN metrics_periods AS p
JOIN metrics_changes AS c ON c.happened_at < f.folded_until - p.to_age
    AND (p.from_age IS NULL OR c.happened_at >= f.folded_until - p.from_age)
WHERE p.period = ANY (periods) AND c.noun = wanted_noun
$$;

CREATE FUNCTION public.metrics_log_booking_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'booking', 1, user_id, created_at FROM new_rows WHERE metrics_is_counted_booking(status::text);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'booking', -1, user_id, created_at FROM old_rows WHERE metrics_is_counted_booking(status::text);
    ELSIF TG_OP = 'UPDATE' THEN
        WITH new_facts AS (SELECT id, user_id, created_at, status::text FROM new_rows),
        old_facts AS (SELECT id, user_id, created_at, status::text FROM old_rows)
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'booking', b.sign, b.user_id, b.created_at
        FROM (
            SELECT 1 AS sign, came.* FROM (SELECT * FROM new_facts EXCEPT SELECT * FROM old_facts) AS came
            UNION ALL
            SELECT -1, went.* FROM (SELECT * FROM old_facts EXCEPT SELECT * FROM new_facts) AS went
        ) AS b
        WHERE metrics_is_counted_booking(b.status);
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.metrics_log_customer_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', c.sign, c.id, c.created_at
        FROM (VALUES (-1, OLD.id, OLD.created_at), (1, NEW.id, NEW.created_at)) AS c (sign, id, created_at)
        WHERE NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = c.id);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', 1, id, created_at FROM new_rows AS c
        WHERE NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = c.id);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', -1, id, created_at FROM old_rows AS c
        WHERE NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = c.id);
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.metrics_log_order_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at, spent)
        SELECT 'order', 1, user_id, created_at, metrics_spent(status::text, payment_status::text, total_amount)
        FROM new_rows
        WHERE metrics_is_counted_order(status::text, payment_status::text);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at, spent)
        SELECT 'order', -1, user_id, created_at, metrics_spent(status::text, payment_status::text, total_amount)
        FROM old_rows
        WHERE metrics_is_counted_order(status::text, payment_status::text);
    ELSIF TG_OP = 'UPDATE' THEN
        WITH new_facts AS (
            SELECT id, user_id, created_at, status::text, payment_status::text, total_amount FROM new_rows
        ),
        old_facts AS (
            SELECT id, user_id, created_at, status::text, payment_status::text, total_amount FROM old_rows
        )
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at, spent)
        SELECT 'order', o.sign, o.user_id, o.created_at, metrics_spent(o.status, o.payment_status, o.total_amount)
        FROM (
            SELECT 1 AS sign, came.* FROM (SELECT * FROM new_facts EXCEPT SELECT * FROM old_facts) AS came
            UNION ALL
            SELECT -1, went.* FROM (SELECT * FROM old_facts EXCEPT SELECT * FROM new_facts) AS went
        ) AS o
        WHERE metrics_is_counted_order(o.status, o.payment_status);
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.metrics_log_session_changes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes
        SELECT
            'session', 1, s.user_id, s.started_at, s.is_bot, COALESCE(s.device_type, 'Unknown'),
            COALESCE(s.browser_name, 'Unknown'), s.browser_version, COALESCE(s.os_name, 'Unknown'), s.os_version,
            metrics_duration_us(s.started_at, s.ended_at), metrics_is_explicit(s.end_reason), NULL
        FROM new_rows AS s;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes
        SELECT
            'session', -1, s.user_id, s.started_at, s.is_bot, COALESCE(s.device_type, 'Unknown'),
            COALESCE(s.browser_name, 'Unknown'), s.browser_version, COALESCE(s.os_name, 'Unknown'), s.os_version,
            metrics_duration_us(s.started_at, s.ended_at), metrics_is_explicit(s.end_reason), NULL
        FROM old_rows AS s;
    ELSIF TG_OP = 'UPDATE' THEN
        -- A sign of life changes nothing that counts, and falls out on both sides.
        WITH new_facts AS (
            SELECT
                id, user_id, started_at, is_bot, device_type, browser_name, browser_version, os_name, os_version,
                ended_at, end_reason
            FROM new_rows
        ),
        old_facts AS (
            SELECT
                id, user_id, started_at, is_bot, device_type, browser_name, browser_version, os_name, os_version,
                ended_at, end_reason
            FROM old_rows
        )
        INSERT INTO metrics_changes
        SELECT
            'session', s.sign, s.user_id, s.started_at, s.is_bot, COALESCE(s.device_type, 'Unknown'),
            COALESCE(s.browser_name, 'Unknown'), s.browser_version, COALESCE(s.os_name, 'Unknown'), s.os_version,
            metrics_duration_us(s.started_at, s.ended_at), metrics_is_explicit(s.end_reason), NULL
        FROM (
            SELECT 1 AS sign, came.* FROM (SELECT * FROM new_facts EXCEPT SELECT * FROM old_facts) AS came
            UNION ALL
            SELECT -1, went.* FROM (SELECT * FROM old_facts EXCEPT SELECT * FROM new_facts) AS went
        ) AS s;
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.metrics_make_search_index() RETURNS boolean
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    opclass_schema text;
BEGIN
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
    EXCEPTION
        WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
            RAISE NOTICE 'Searches read every customer. Ask the administrator to run: '
                'CREATE EXTENSION pg_trgm; then migrate again';
            RETURN false;
    END;
    SELECT n.nspname INTO STRICT opclass_schema
    FROM pg_opclass AS c
    JOIN pg_namespace AS n ON n.oid = c.opcnamespace
    WHERE c.opcname = 'gin_trgm_ops';
    EXECUTE format(
        'CREATE INDEX IF NOT EXISTS idx_users_search ON users USING gin (
            metrics_search_text(first_name::text, last_name::text, email::text, phone::text) %I.gin_trgm_ops)',
        opclass_schema
    );
    RETURN true;
END
$$;

CREATE FUNCTION public.metrics_mask_email(email text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (POSITION(('@'::text) IN (email)) > 0) THEN (("left"(email, 1) || '•••@'::text) || regexp_replace(email, '^.*@'::text, ''::text)) ELSE ("left"(email, 1) || '•••'::text) END;

CREATE FUNCTION public.metrics_mask_ip(address inet) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE family(address) WHEN 4 THEN (((split_part(host(address), '.'::text, 1) || '.'::text) || split_part(host(address), '.'::text, 2)) || '.xxx.xxx'::text) WHEN 6 THEN (((COALESCE(NULLIF(split_part(host(address), ':'::text, 1), ''::text), '0'::text) || ':'::text) || COALESCE(NULLIF(split_part(host(address), ':'::text, 2), ''::text), '0'::text)) || ':xxxx:…'::text) ELSE NULL::text END;

CREATE FUNCTION public.metrics_mask_phone(phone text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('•••'::text || CASE WHEN (length(regexp_replace(phone, '\D'::text, ''::text, 'g'::text)) > 6) THEN "right"(regexp_replace(phone, '\D'::text, ''::text, 'g'::text), 2) ELSE ''::text END);

CREATE FUNCTION public.metrics_mask_name(name text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN (POSITION(('@'::text) IN (name)) > 0) THEN public.metrics_mask_email(name) WHEN (length(regexp_replace(name, '\D'::text, ''::text, 'g'::text)) > 6) THEN public.metrics_mask_phone(name) ELSE name END;

CREATE FUNCTION public.metrics_point_moves(unit text, zone text, until timestamp with time zone) RETURNS TABLE(bucket_at timestamp with time zone, is_bot boolean, sessions bigint, closed bigint, duration_us numeric, customers bigint, orders bigint, bookings bigint, spent numeric, registrations bigint)
    LANGUAGE plpgsql STABLE ROWS 500
    SET enable_seqscan TO 'off'
    SET enable_mergejoin TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
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

CREATE TABLE public.user_sessions (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid,
    session_id character varying(255) NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    last_activity_at timestamp with time zone,
    ended_at timestamp with time zone,
    device_type text,
    browser_name text,
    browser_version text,
    os_name text,
    os_version text,
    ip_address inet,
    country text,
    city text,
    landing_page text,
    referrer text,
    user_agent text,
    end_reason text,
    is_bot boolean DEFAULT false NOT NULL,
    identity_verified boolean DEFAULT true NOT NULL,
    previous_session_id text,
    life_key bigint,
    end_key bigint
)
WITH (fillfactor='85');

CREATE FUNCTION public.metrics_prune_sessions(until timestamp with time zone, zone text, max_rows integer) RETURNS SETOF public.user_sessions
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
DECLARE
    gone user_sessions[];
BEGIN
    -- One at a time, and never while somebody is erased.
    PERFORM pg_advisory_xact_lock(7283764121);
    SELECT array_agg(s.old_session) INTO gone
    FROM (
        SELECT s AS old_session
        FROM user_sessions AS s
        WHERE s.started_at < until AND COALESCE(s.ended_at, s.last_activity_at, s.started_at) < until
        ORDER BY s.started_at
        LIMIT max_rows
        FOR UPDATE SKIP LOCKED
    ) AS s;
    IF gone IS NULL THEN
        UPDATE metrics_retention
        SET ran_at = now(), kept_since = CASE WHEN total_pruned > 0 THEN GREATEST(kept_since, until) END;
        RETURN;
    END IF;

    INSERT INTO metrics_pruned_customers AS kept
    SELECT
        s.user_id, s.is_bot, COALESCE(s.device_type, 'Unknown'), COALESCE(s.browser_name, 'Unknown'),
        COALESCE(s.os_name, 'Unknown'), count(*), max(s.started_at)
    FROM unnest(gone) AS s
    WHERE s.user_id IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5
    ON CONFLICT (user_id, is_bot, device_type, browser_name, os_name) DO UPDATE
    SET sessions = kept.sessions + EXCLUDED.sessions,
        last_started_at = GREATEST(kept.last_started_at, EXCLUDED.last_started_at);

    INSERT INTO metrics_pruned_sessions AS kept
    SELECT
        s.is_bot, COALESCE(s.device_type, 'Unknown'), COALESCE(s.browser_name, 'Unknown'), s.browser_version,
        COALESCE(s.os_name, 'Unknown'), s.os_version, count(*), count(*) FILTER (WHERE s.user_id IS NULL),
        count(*) FILTER (WHERE s.ended_at IS NOT NULL AND metrics_is_explicit(s.end_reason)),
        sum(metrics_duration_us(s.started_at, COALESCE(s.ended_at, s.last_activity_at, s.started_at)))
    FROM unnest(gone) AS s
    GROUP BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (is_bot, device_type, browser_name, browser_version, os_name, os_version) DO UPDATE
    SET sessions = kept.sessions + EXCLUDED.sessions,
        guests = kept.guests + EXCLUDED.guests,
        explicitly_ended = kept.explicitly_ended + EXCLUDED.explicitly_ended,
        duration_us = kept.duration_us + EXCLUDED.duration_us;

    INSERT INTO metrics_pruned_durations AS kept
    SELECT
        s.is_bot,
        metrics_whole_seconds(
            metrics_duration_us(s.started_at, COALESCE(s.ended_at, s.last_activity_at, s.started_at))
        ),
        count(*)
    FROM unnest(gone) AS s
    GROUP BY 1, 2
    ON CONFLICT (is_bot, seconds) DO UPDATE SET sessions = kept.sessions + EXCLUDED.sessions;

    INSERT INTO metrics_pruned_places AS kept
    SELECT s.is_bot, s.country, s.city, count(*)
    FROM unnest(gone) AS s
    GROUP BY 1, 2, 3
    ON CONFLICT (is_bot, country, city) DO UPDATE SET sessions = kept.sessions + EXCLUDED.sessions;

    -- The triggers take them from every count; what is a lifetime's is given back below.
    DELETE FROM user_sessions WHERE id = ANY (SELECT s.id FROM unnest(gone) AS s);

    INSERT INTO metrics_pruned_points AS kept
    SELECT
        u.unit, date_trunc(u.unit, s.started_at, zone) AS bucket_at, s.is_bot, count(*),
        sum(metrics_duration_us(s.started_at, COALESCE(s.ended_at, s.last_activity_at, s.started_at))),
        count(DISTINCT s.user_id) FILTER (
            WHERE NOT s.is_bot AND NOT EXISTS (
                SELECT 1
                FROM user_sessions AS rest
                WHERE rest.user_id = s.user_id
                    AND NOT rest.is_bot
                    AND rest.started_at >= date_trunc(u.unit, s.started_at, zone)
                    AND rest.started_at
                        < metrics_bucket_end(u.unit, zone, date_trunc(u.unit, s.started_at, zone))
            )
        )
    FROM unnest(gone) AS s
    CROSS JOIN unnest(ARRAY['hour', 'day', 'month']) AS u (unit)
    GROUP BY 1, 2, 3
    ON CONFLICT (unit, bucket_at, is_bot) DO UPDATE
    SET sessions = kept.sessions + EXCLUDED.sessions,
        duration_us = kept.duration_us + EXCLUDED.duration_us,
        customers = kept.customers + EXCLUDED.customers;

    PERFORM metrics_apply_session_changes(ARRAY(
        SELECT (
            s.user_id, COALESCE(s.device_type, 'Unknown'), COALESCE(s.browser_name, 'Unknown'),
            COALESCE(s.os_name, 'Unknown'), count(*)::integer, 0, max(s.started_at)
        )::metrics_session_change
        FROM unnest(gone) AS s
        WHERE s.user_id IS NOT NULL AND NOT s.is_bot
        GROUP BY s.user_id, COALESCE(s.device_type, 'Unknown'), COALESCE(s.browser_name, 'Unknown'),
            COALESCE(s.os_name, 'Unknown')
    ));
    INSERT INTO metrics_changes (noun, sign, user_id)
    SELECT 'pruned', count(*), s.user_id
    FROM unnest(gone) AS s
    WHERE s.user_id IS NOT NULL AND NOT s.is_bot
    GROUP BY s.user_id;

    UPDATE metrics_retention
    SET ran_at = now(),
        kept_since = GREATEST(
            kept_since,
            -- A batch that is not full was the last one.
            CASE
                WHEN cardinality(gone) < max_rows THEN until
                ELSE (SELECT max(s.started_at) FROM unnest(gone) AS s)
            END
        ),
        first_started_at = LEAST(first_started_at, (SELECT min(s.started_at) FROM unnest(gone) AS s)),
        total_pruned = total_pruned + cardinality(gone);
    RETURN QUERY SELECT (s).* FROM unnest(gone) AS s;
END
$$;

CREATE FUNCTION public.metrics_rebuild_summaries(only_user_ids uuid[] DEFAULT NULL::uuid[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF only_user_ids IS NULL THEN
        UPDATE metrics_fold SET folded_until = NULL;
    ELSE
        INSERT INTO metrics_changes (noun, sign, user_id) SELECT 'summary', 0, unnest(only_user_ids);
    END IF;
    RETURN metrics_write_summaries(only_user_ids);
END
$$;

CREATE FUNCTION public.metrics_recount(user_ids uuid[]) RETURNS TABLE(user_id uuid, total_sessions integer, total_orders integer, total_bookings integer, total_reviews integer, total_spent numeric, last_login_at timestamp with time zone, last_order_at timestamp with time zone, last_order_amount numeric, last_booking_at timestamp with time zone, last_booking_service text, primary_device_type text, primary_browser text, primary_os text)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
SELECT
    u.id,
    came.total_sessions::integer,
    bought.total_orders::integer,
    booked.total_bookings::integer,
    reviewed.total_reviews::integer,
    bought.total_spent,
    came.last_login_at,
    last_order.created_at,
    last_order.total_amount,
    last_booking.created_at,
    last_booking.service,
    device.value,
    browser.value,
    os.value
FROM users AS u
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(s.sessions), 0) AS total_sessions, max(s.last_started_at) AS last_login_at
    FROM metrics_lifetime_sessions AS s
    WHERE s.user_id = u.id
) AS came
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE metrics_is_counted_order(o.status::text, o.payment_status::text)) AS total_orders,
        COALESCE(sum(metrics_spent(o.status::text, o.payment_status::text, o.total_amount)), 0) AS total_spent
    FROM orders AS o
    WHERE o.user_id = u.id
) AS bought
CROSS JOIN LATERAL (
    SELECT count(*) AS total_bookings
    FROM service_bookings AS b
    WHERE b.user_id = u.id AND metrics_is_counted_booking(b.status::text)
) AS booked
CROSS JOIN LATERAL (
    SELECT count(*) AS total_reviews
    FROM reviews AS r
    WHERE r.user_id = u.id
) AS reviewed
LEFT JOIN LATERAL (
    SELECT o.created_at, o.total_amount
    FROM orders AS o
    WHERE o.user_id = u.id AND metrics_is_counted_order(o.status::text, o.payment_status::text)
    ORDER BY o.created_at DESC NULLS LAST, o.id DESC
    LIMIT 1
) AS last_order ON true
LEFT JOIN LATERAL (
    SELECT b.created_at, COALESCE(service.title, b.service_type) AS service
    FROM service_bookings AS b
    LEFT JOIN services AS service ON service.id = b.service_id
    WHERE b.user_id = u.id AND metrics_is_counted_booking(b.status::text)
    ORDER BY b.created_at DESC NULLS LAST, b.id DESC
    LIMIT 1
) AS last_booking ON true
LEFT JOIN LATERAL (
    SELECT s.device_type AS value
    FROM metrics_lifetime_sessions AS s
    WHERE s.user_id = u.id
    GROUP BY 1
    ORDER BY sum(s.sessions) DESC, max(s.last_started_at) DESC, 1
    LIMIT 1
) AS device ON true
LEFT JOIN LATERAL (
    SELECT s.browser_name AS value
    FROM metrics_lifetime_sessions AS s
    WHERE s.user_id = u.id
    GROUP BY 1
    ORDER BY sum(s.sessions) DESC, max(s.last_started_at) DESC, 1
    LIMIT 1
) AS browser ON true
LEFT JOIN LATERAL (
    SELECT s.os_name AS value
    FROM metrics_lifetime_sessions AS s
    WHERE s.user_id = u.id
    GROUP BY 1
    ORDER BY sum(s.sessions) DESC, max(s.last_started_at) DESC, 1
    LIMIT 1
) AS os ON true
WHERE u.id = ANY (user_ids)
    AND NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = u.id)
$$;

CREATE FUNCTION public.metrics_refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is only added to' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION public.metrics_reset_all_sessions(actor text) RETURNS TABLE(table_name text, total_rows bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
#variable_conflict use_column
DECLARE
    removed jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(7283764121);
    LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE;
    SELECT jsonb_build_object(
        'user_sessions', (SELECT count(*) FROM user_sessions),
        'metrics_pruned_sessions', (SELECT COALESCE(sum(sessions), 0) FROM metrics_pruned_sessions)
    ) INTO removed;
    TRUNCATE metrics_pruned_customers, metrics_pruned_sessions, metrics_pruned_durations, metrics_pruned_points,
        metrics_pruned_places;
    TRUNCATE user_sessions;
    UPDATE user_activity_summary SET last_login_at = NULL, updated_at = now() WHERE last_login_at IS NOT NULL;
    UPDATE metrics_retention SET kept_since = NULL, first_started_at = NULL, total_pruned = 0;
    UPDATE metrics_fold SET folded_until = NULL;
    PERFORM metrics_write_audit(
        actor, 'reset', 'all sessions', (SELECT sum(value::bigint) FROM jsonb_each_text(removed))::bigint, removed
    );
    RETURN QUERY SELECT key, value::bigint FROM jsonb_each_text(removed);
END
$$;

CREATE FUNCTION public.metrics_reset_customer(only_user_id uuid, actor text) RETURNS TABLE(table_name text, total_rows bigint)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    removed jsonb;
    found_rows bigint;
    pruned metrics_session_change[];
BEGIN
    PERFORM pg_advisory_xact_lock(7283764121);
    DELETE FROM user_sessions WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := jsonb_build_object('user_sessions', found_rows);
    pruned := ARRAY(
        SELECT (p.user_id, p.device_type, p.browser_name, p.os_name, 0, p.sessions, NULL)::metrics_session_change
        FROM metrics_pruned_customers AS p
        WHERE p.user_id = only_user_id AND NOT p.is_bot
    );
    DELETE FROM metrics_pruned_customers WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := removed || jsonb_build_object('metrics_pruned_customers', found_rows);
    PERFORM metrics_apply_session_changes(pruned);
    INSERT INTO metrics_changes (noun, sign, user_id)
    SELECT 'pruned', -sum(p.went), only_user_id FROM unnest(pruned) AS p HAVING count(*) > 0;
    INSERT INTO metrics_changes (noun, sign, user_id) VALUES ('summary', 0, only_user_id);
    -- Locked by now, or here: a sign-in that comes meanwhile is stored after this.
    PERFORM 1 FROM user_activity_summary WHERE user_id = only_user_id FOR NO KEY UPDATE;
    UPDATE user_activity_summary
    SET last_login_at = (
            SELECT max(s.started_at) FROM user_sessions AS s WHERE s.user_id = only_user_id AND NOT s.is_bot
        ),
        updated_at = now()
    WHERE user_id = only_user_id;
    PERFORM metrics_write_audit(
        actor, 'reset', only_user_id::text, (SELECT sum(value::bigint) FROM jsonb_each_text(removed))::bigint, removed
    );
    RETURN QUERY SELECT key, value::bigint FROM jsonb_each_text(removed);
END
$$;

CREATE FUNCTION public.metrics_rights() RETURNS TABLE(role_name text, object text, is_function boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
    SELECT r.role_name, o.object, r.is_function
    FROM (VALUES
        ('metrics_reader', false, ARRAY[
            'metrics_customers', 'metrics_sessions', 'metrics_orders', 'metrics_bookings', 'metrics_registrations',
            'metrics_kept_customers', 'metrics_changes', 'metrics_fold', 'metrics_periods', 'metrics_period_totals',
            'metrics_period_sessions', 'metrics_period_durations', 'metrics_period_customers', 'metrics_points',
            'metrics_pruned_customers', 'metrics_pruned_sessions', 'metrics_pruned_durations', 'metrics_pruned_points',
            'metrics_pruned_places', 'metrics_retention', 'metrics_erasures', 'metrics_migrations'
        ]),
        ('metrics_admin', false, ARRAY['metrics_audit', 'metrics_api_keys', 'metrics_sign_outs', 'metrics_migrations']),
        ('metrics_admin', true, ARRAY[
            'metrics_begin_erasure(uuid)', 'metrics_count_traces(uuid)', 'metrics_erase_customer(uuid, text)',
            'metrics_export_person(uuid, text)', 'metrics_fold_step(text, interval, interval)',
            'metrics_prune_sessions(timestamptz, text, integer)', 'metrics_reset_all_sessions(text)',
            'metrics_reset_customer(uuid, text)', 'metrics_sign_out(text)',
            'metrics_sweep_sessions(interval, interval, integer)',
            'metrics_write_audit(text, text, text, bigint, jsonb)'
        ]),
        ('metrics_beacon', true, ARRAY[
            'metrics_start_sessions(json, interval, interval)', 'metrics_heartbeat_sessions(json, interval, interval)',
            'metrics_end_sessions(json, interval, interval)', 'metrics_take_step(uuid, integer)'
        ]),
        -- The shop's own customers, by policies that show each the own rows.
        ('metrics_customer', false, ARRAY['user_sessions', 'user_activity_summary']),
        ('authenticated', false, ARRAY['user_sessions', 'user_activity_summary'])
    ) AS r (role_name, is_function, objects)
    CROSS JOIN LATERAL unnest(r.objects) AS o (object)
$$;

CREATE FUNCTION public.metrics_session_moves(periods text[], until timestamp with time zone) RETURNS TABLE(period text, sign integer, user_id uuid, started_at timestamp with time zone, is_bot boolean, device_type text, browser_name text, browser_version text, os_name text, os_version text, duration_us bigint, is_explicit boolean)
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

CREATE FUNCTION public.metrics_sessions_at(as_of timestamp with time zone, timeout interval, cap interval) RETURNS TABLE(id uuid, user_id uuid, started_at timestamp with time zone, last_activity_at timestamp with time zone, ended_at timestamp with time zone, end_reason text, duration_seconds double precision, is_active boolean, device_type text, browser_name text, browser_version text, os_name text, os_version text, ip_address text, country text, city text, landing_page text, referrer text, is_bot boolean)
    LANGUAGE sql STABLE
    AS $$
SELECT
    s.id,
    s.user_id,
    s.started_at,
    COALESCE(s.last_activity_at, s.started_at),
    metrics_ended_at(s.started_at, s.last_activity_at, s.ended_at, as_of, timeout),
    CASE
        WHEN s.ended_at IS NOT NULL THEN s.end_reason::text
        WHEN COALESCE(s.last_activity_at, s.started_at) <= as_of - timeout THEN 'timeout'
    END,
    metrics_duration_seconds(
        s.started_at, metrics_ended_at(s.started_at, s.last_activity_at, s.ended_at, as_of, timeout), cap
    ),
    s.ended_at IS NULL AND COALESCE(s.last_activity_at, s.started_at) > as_of - timeout,
    s.device_type::text,
    s.browser_name::text,
    s.browser_version::text,
    s.os_name::text,
    s.os_version::text,
    s.ip_address,
    s.country::text,
    s.city::text,
    s.landing_page::text,
    s.referrer::text,
    s.is_bot
FROM metrics_sessions AS s
$$;

CREATE FUNCTION public.metrics_shop_moves(periods text[], until timestamp with time zone) RETURNS TABLE(period text, user_id uuid, created_at timestamp with time zone, orders integer, bookings integer, spent numeric, registrations integer)
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

CREATE FUNCTION public.metrics_sign_out(email text) RETURNS timestamp with time zone
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
INSERT INTO metrics_sign_outs AS known (email, signed_out_at) VALUES (lower(left(email, 320)), clock_timestamp())
ON CONFLICT (email) DO UPDATE SET signed_out_at = GREATEST(known.signed_out_at, EXCLUDED.signed_out_at)
RETURNING signed_out_at
$$;

CREATE FUNCTION public.metrics_silent_sessions(as_of timestamp with time zone, timeout interval) RETURNS TABLE(started_at timestamp with time zone, ended_at timestamp with time zone, is_bot boolean)
    LANGUAGE sql STABLE
    AS $$
SELECT s.started_at, COALESCE(s.last_activity_at, s.started_at), s.is_bot
FROM metrics_sessions AS s
WHERE s.ended_at IS NULL AND COALESCE(s.last_activity_at, s.started_at) <= as_of - timeout
$$;

CREATE FUNCTION public.metrics_spent(status text, payment_status text, total_amount numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN ((payment_status = 'paid'::text) AND public.metrics_is_counted_order(status, payment_status)) THEN GREATEST(COALESCE(total_amount, (0)::numeric), (0)::numeric) ELSE (0)::numeric END;

CREATE FUNCTION public.metrics_start_sessions(beacons json, timeout interval, cap interval) RETURNS TABLE(n integer, outcome text, started_at timestamp with time zone)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    SET enable_seqscan TO 'off'
    SET enable_hashjoin TO 'off'
    SET enable_mergejoin TO 'off'
    AS $$
#variable_conflict use_column
DECLARE
    asked metrics_beacon[];
    known record;
    known_ids text[] := '{}';
BEGIN
    -- An identity that the shop does not have, any more or yet, is a guest's.
    SELECT array_agg((b.*)::metrics_beacon ORDER BY b.session_id) INTO asked
    FROM (
        SELECT
            b.n, b.id, b.session_id, b.t, b.age, b.up, b.received_at, u.user_id, b.states_identity,
            COALESCE(b.is_verified, false) AND u.user_id IS NOT NULL AS is_verified, COALESCE(b.is_end, false) AS is_end,
            b.reason, b.previous_session_id, b.device_type, b.browser_name, b.browser_version, b.os_name, b.os_version,
            COALESCE(b.is_bot, false) AS is_bot, b.ip_address, b.country, b.city, b.landing_page, b.referrer,
            b.user_agent
        FROM json_populate_recordset(NULL::metrics_beacon, beacons) AS b
        LEFT JOIN metrics_registrations AS u ON u.user_id = b.user_id
    ) AS b;

    -- Rows of sessions before rows of summaries, each in one order: two processes never wait for each other.
    FOR known IN
        SELECT
            b.session_id,
            b.t,
            b.user_id AS asked_user_id,
            s.id,
            s.user_id,
            s.started_at,
            s.ended_at,
            s.end_reason,
            COALESCE(s.last_activity_at, s.started_at) AS last_activity_at,
            metrics_happened_at(b.received_at, b.age, cap) AS happened_at
        FROM unnest(asked) AS b
        JOIN user_sessions AS s ON s.session_id = b.session_id
        ORDER BY b.session_id, s.started_at, s.id
        FOR UPDATE OF s
    LOOP
        IF known.t IS NOT NULL THEN
            known_ids := known_ids || known.session_id::text;
        ELSIF known.user_id IS NOT DISTINCT FROM known.asked_user_id THEN
            IF known.happened_at >= known.last_activity_at + timeout
                OR known.happened_at >= known.started_at + cap
                OR (known.user_id IS NOT NULL AND known.end_reason IN ('sign_out', 'user_switch'))
            THEN
                -- A visit that is over, and a tracker that never makes a new id: the finished row gives its id away.
                UPDATE user_sessions
                SET session_id = left(known.session_id, 200) || ' ' || known.id,
                    ended_at = COALESCE(ended_at, LEAST(known.last_activity_at, known.started_at + cap)),
                    end_reason = CASE WHEN ended_at IS NULL THEN 'timeout' ELSE end_reason END
                WHERE id = known.id;
            ELSE
                known_ids := known_ids || known.session_id::text;
            END IF;
        ELSIF known.asked_user_id IS NULL THEN
            -- The page does not know yet who it is: a guest beside a customer who is here is that customer.
            IF known.ended_at IS NULL AND known.happened_at < known.last_activity_at + timeout THEN
                known_ids := known_ids || known.session_id::text;
            END IF;
        ELSE
            UPDATE user_sessions
            SET ended_at = LEAST(
                    CASE
                        WHEN known.happened_at >= known.last_activity_at + timeout THEN known.last_activity_at
                        ELSE GREATEST(known.happened_at, known.last_activity_at)
                    END,
                    known.started_at + cap
                ),
                end_reason = 'user_switch'
            WHERE id = known.id AND ended_at IS NULL;
            UPDATE user_sessions
            SET end_reason = 'user_switch'
            WHERE id = known.id AND metrics_is_provisional(end_reason);
        END IF;
    END LOOP;

    RETURN QUERY
    WITH started AS (
        INSERT INTO user_sessions AS s (
            id, session_id, user_id, identity_verified, started_at, last_activity_at, life_key, previous_session_id,
            device_type, browser_name, browser_version, os_name, os_version, is_bot, ip_address, country, city,
            landing_page, referrer, user_agent
        )
        SELECT
            COALESCE(b.id, gen_random_uuid()),
            b.session_id,
            b.user_id,
            b.is_verified,
            LEAST(metrics_happened_at(b.received_at, b.age, cap), metrics_happened_at(b.received_at, COALESCE(b.up, b.age), cap)),
            CASE
                -- An end is no sign of life, unless it is all that is left of a long visit.
                WHEN b.is_end AND b.up - COALESCE(b.age, 0) < EXTRACT(epoch FROM timeout) * 1000 THEN NULL
                ELSE metrics_happened_at(b.received_at, b.age, cap)
            END,
            CASE WHEN NOT b.is_end THEN b.t END,
            b.previous_session_id,
            b.device_type,
            b.browser_name,
            b.browser_version,
            b.os_name,
            b.os_version,
            b.is_bot,
            b.ip_address,
            b.country,
            b.city,
            b.landing_page,
            b.referrer,
            b.user_agent
        FROM unnest(asked) AS b
        WHERE b.session_id <> ALL (known_ids)
        ON CONFLICT (session_id, user_id) DO NOTHING
        RETURNING s.session_id, s.started_at
    )
    SELECT b.n, CASE WHEN started.session_id IS NULL THEN 'known' ELSE 'started' END, started.started_at
    FROM unnest(asked) AS b
    LEFT JOIN started ON started.session_id = b.session_id;
END
$$;

CREATE FUNCTION public.metrics_sweep_sessions(timeout interval, cap interval, max_rows integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
DECLARE
    swept integer;
BEGIN
    WITH over AS MATERIALIZED (
        SELECT
            s.id,
            COALESCE(s.last_activity_at, s.started_at) AS last_activity_at,
            COALESCE(s.last_activity_at, s.started_at) <= now() - timeout AS is_silent
        FROM user_sessions AS s
        WHERE s.ended_at IS NULL
            AND (COALESCE(s.last_activity_at, s.started_at) <= now() - timeout OR s.started_at <= now() - cap)
        ORDER BY s.session_id
        LIMIT max_rows
        FOR UPDATE SKIP LOCKED
    )
    UPDATE user_sessions AS s
    SET ended_at = CASE WHEN over.is_silent THEN over.last_activity_at ELSE s.started_at + cap END,
        end_reason = CASE WHEN over.is_silent THEN 'timeout' ELSE 'cap' END
    FROM over
    WHERE s.id = over.id;
    GET DIAGNOSTICS swept = ROW_COUNT;
    RETURN swept;
END
$$;

CREATE FUNCTION public.metrics_take_step(asked_id uuid, asked_step integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    -- A batch of a month ago is on no disk any more.
    DELETE FROM metrics_replays
    WHERE batch_id IN (
        SELECT batch_id FROM metrics_replays
        WHERE replayed_at < now() - interval '30 days'
        ORDER BY replayed_at
        LIMIT 100
        FOR UPDATE SKIP LOCKED
    );
    INSERT INTO metrics_replays AS r (batch_id, step)
    VALUES (asked_id, asked_step)
    ON CONFLICT (batch_id) DO UPDATE SET step = excluded.step, replayed_at = now()
    WHERE r.step < excluded.step;
    RETURN FOUND;
END
$$;

CREATE FUNCTION public.metrics_total_moves(periods text[], until timestamp with time zone) RETURNS TABLE(period text, customers bigint, orders bigint, bookings bigint, spent numeric, registrations bigint)
    LANGUAGE plpgsql STABLE ROWS 500
    SET enable_seqscan TO 'off'
    SET enable_mergejoin TO 'off'
    SET plan_cache_mode TO 'force_generic_plan'
    SET jit TO 'off'
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
        SELECT m.user_id, sum(m.sessions) AS sessions
        FROM (
            SELECT s.user_id, s.sign::bigint AS sessions
            FROM metrics_session_moves(ARRAY(SELECT p FROM unnest(periods) AS p WHERE p = 'all'), until) AS s
            WHERE NOT s.is_bot AND s.user_id IS NOT NULL
            UNION ALL
            -- What retention took is still counted: whoever has nothing else came all the same.
            SELECT c.user_id, c.sign
            FROM metrics_fold AS f
            JOIN metrics_changes AS c ON c.noun = 'pruned'
            WHERE f.folded_until IS NOT NULL AND 'all' = ANY (periods)
            UNION ALL
            SELECT p.user_id, p.sessions
            FROM metrics_fold AS f
            CROSS JOIN metrics_pruned_customers AS p
            WHERE f.folded_until IS NULL AND NOT p.is_bot AND 'all' = ANY (periods)
        ) AS m
        GROUP BY m.user_id
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

CREATE FUNCTION public.metrics_whole_seconds(duration_us bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (((duration_us + 500000) / 1000000))::integer;

CREATE FUNCTION public.metrics_write_audit(actor text, action text, subject text, total_rows bigint, details jsonb DEFAULT '{}'::jsonb) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
INSERT INTO metrics_audit (actor, action, subject, total_rows, details)
VALUES (left(actor, 320), action, left(subject, 320), total_rows, details)
RETURNING id
$$;

CREATE FUNCTION public.metrics_write_summaries(only_user_ids uuid[] DEFAULT NULL::uuid[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET jit TO 'off'
    AS $$
DECLARE
    user_ids uuid[] := COALESCE(only_user_ids, (SELECT array_agg(id) FROM users));
    written integer;
BEGIN
    INSERT INTO user_activity_summary (user_id)
    SELECT id
    FROM users
    WHERE id = ANY (user_ids)
        AND NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = users.id)
    ORDER BY id
    ON CONFLICT (user_id) DO NOTHING;

    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (user_ids)
    ORDER BY user_id
    FOR NO KEY UPDATE;

    DELETE FROM user_device_counts WHERE user_id = ANY (user_ids);
    INSERT INTO user_device_counts
    SELECT s.user_id, s.device_type, s.browser_name, s.os_name, sum(s.sessions), max(s.last_started_at)
    FROM metrics_lifetime_sessions AS s
    WHERE s.user_id = ANY (user_ids)
        AND NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = s.user_id)
    GROUP BY 1, 2, 3, 4;

    UPDATE user_activity_summary AS summary
    SET total_sessions = recount.total_sessions,
        total_orders = recount.total_orders,
        total_bookings = recount.total_bookings,
        total_reviews = recount.total_reviews,
        total_spent = recount.total_spent,
        -- A sign-in that retention removed still happened.
        last_login_at = GREATEST(summary.last_login_at, recount.last_login_at),
        last_order_at = recount.last_order_at,
        last_order_amount = recount.last_order_amount,
        last_booking_at = recount.last_booking_at,
        last_booking_service = recount.last_booking_service,
        primary_device_type = recount.primary_device_type,
        primary_browser = recount.primary_browser,
        primary_os = recount.primary_os,
        updated_at = now()
    FROM metrics_recount(user_ids) AS recount
    WHERE recount.user_id = summary.user_id;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;

CREATE FUNCTION public.metrics_wrong_rights() RETURNS TABLE(role_name text, object text, is_function boolean)
    LANGUAGE sql STABLE
    SET search_path TO 'public', 'pg_temp'
    AS $$
    WITH wanted AS (
        SELECT r.role_name, r.object, r.is_function, roles.oid AS role_id
        FROM metrics_rights() AS r
        LEFT JOIN pg_roles AS roles ON roles.rolname = r.role_name
    )
    SELECT DISTINCT role_name, NULL::text, false
    FROM wanted
    WHERE role_id IS NULL AND role_name LIKE 'metrics%'
    UNION ALL
    SELECT role_name, object, is_function
    FROM wanted
    WHERE role_id IS NOT NULL AND (
        CASE
            WHEN is_function THEN NOT has_function_privilege(role_id, to_regprocedure(object), 'EXECUTE')
            ELSE NOT has_table_privilege(role_id, to_regclass(object), 'SELECT')
        END
        OR NOT has_schema_privilege(role_id, current_schema(), 'USAGE')
        OR (
            NOT is_function
            AND role_name IN ('metrics_reader', 'metrics_admin')
            AND (SELECT c.relrowsecurity FROM pg_class AS c WHERE c.oid = to_regclass(object))
            AND NOT EXISTS (
                SELECT 1 FROM pg_policy AS p WHERE p.polrelid = to_regclass(object) AND role_id = ANY (p.polroles)
            )
        )
    )
    UNION ALL
    SELECT 'PUBLIC', p.oid::regprocedure::text, true
    FROM pg_proc AS p
    CROSS JOIN LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
    WHERE p.pronamespace = current_schema()::regnamespace
        AND (p.proname LIKE 'metrics\_%' OR p.proname LIKE 'update\_user\_activity\_%')
        AND p.prosecdef
        AND a.privilege_type = 'EXECUTE'
        AND (a.grantee = 0 OR a.grantee::regrole::text IN ('anon', 'authenticated'))
$$;

CREATE FUNCTION public.update_user_activity_on_booking() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    changes metrics_booking_change[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg((c.user_id, c.bookings)::metrics_booking_change) INTO changes
        FROM (
            SELECT user_id, count(*) FILTER (WHERE metrics_is_counted_booking(status::text)) AS bookings
            FROM new_rows
            WHERE user_id IS NOT NULL
            GROUP BY user_id
        ) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg((c.user_id, -c.bookings)::metrics_booking_change) INTO changes
        FROM (
            SELECT user_id, count(*) FILTER (WHERE metrics_is_counted_booking(status::text)) AS bookings
            FROM old_rows
            WHERE user_id IS NOT NULL
            GROUP BY user_id
        ) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        WITH came AS (
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM new_rows
            EXCEPT
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM old_rows
        ),
        went AS (
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM old_rows
            EXCEPT
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM new_rows
        )
        SELECT array_agg((c.user_id, c.bookings)::metrics_booking_change) INTO changes
        FROM (
            SELECT
                b.user_id,
                COALESCE(sum(b.sign) FILTER (WHERE metrics_is_counted_booking(b.status)), 0) AS bookings
            FROM (SELECT *, 1 AS sign FROM came UNION ALL SELECT *, -1 FROM went) AS b
            WHERE b.user_id IS NOT NULL
            GROUP BY b.user_id
        ) AS c;
    ELSE
        UPDATE user_activity_summary
        SET total_bookings = 0, last_booking_at = NULL, last_booking_service = NULL, updated_at = now()
        WHERE total_bookings <> 0 OR last_booking_at IS NOT NULL OR last_booking_service IS NOT NULL;
    END IF;
    PERFORM metrics_apply_booking_changes(changes);
    RETURN NULL;
END
$$;

CREATE FUNCTION public.update_user_activity_on_order() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    changes metrics_order_change[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg((c.user_id, c.orders, c.spent)::metrics_order_change) INTO changes
        FROM (
            SELECT
                o.user_id,
                count(*) FILTER (WHERE metrics_is_counted_order(o.status::text, o.payment_status::text)) AS orders,
                sum(metrics_spent(o.status::text, o.payment_status::text, o.total_amount)) AS spent
            FROM new_rows AS o
            WHERE o.user_id IS NOT NULL
            GROUP BY o.user_id
        ) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg((c.user_id, -c.orders, -c.spent)::metrics_order_change) INTO changes
        FROM (
            SELECT
                o.user_id,
                count(*) FILTER (WHERE metrics_is_counted_order(o.status::text, o.payment_status::text)) AS orders,
                sum(metrics_spent(o.status::text, o.payment_status::text, o.total_amount)) AS spent
            FROM old_rows AS o
            WHERE o.user_id IS NOT NULL
            GROUP BY o.user_id
        ) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        -- Rows that changed in nothing that counts fall out on both sides.
        WITH came AS (
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM new_rows
            EXCEPT
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM old_rows
        ),
        went AS (
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM old_rows
            EXCEPT
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM new_rows
        )
        SELECT array_agg((c.user_id, c.orders, c.spent)::metrics_order_change) INTO changes
        FROM (
            SELECT
                o.user_id,
                COALESCE(sum(o.sign) FILTER (WHERE metrics_is_counted_order(o.status, o.payment_status)), 0) AS orders,
                sum(o.sign * metrics_spent(o.status, o.payment_status, o.total_amount)) AS spent
            FROM (SELECT *, 1 AS sign FROM came UNION ALL SELECT *, -1 FROM went) AS o
            WHERE o.user_id IS NOT NULL
            GROUP BY o.user_id
        ) AS c;
    ELSE
        UPDATE user_activity_summary
        SET total_orders = 0, total_spent = 0, last_order_at = NULL, last_order_amount = NULL, updated_at = now()
        WHERE total_orders <> 0 OR last_order_at IS NOT NULL OR total_spent <> 0;
    END IF;
    PERFORM metrics_apply_order_changes(changes);
    RETURN NULL;
END
$$;

CREATE FUNCTION public.update_user_activity_on_review() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    user_ids uuid[];
    counts integer[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(c.user_id), array_agg(c.reviews) INTO user_ids, counts
        FROM (SELECT user_id, count(*) AS reviews FROM new_rows GROUP BY user_id) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(c.user_id), array_agg(-c.reviews) INTO user_ids, counts
        FROM (SELECT user_id, count(*) AS reviews FROM old_rows GROUP BY user_id) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(c.user_id), array_agg(c.reviews) INTO user_ids, counts
        FROM (
            SELECT r.user_id, sum(r.sign) AS reviews
            FROM (SELECT user_id, 1 AS sign FROM new_rows UNION ALL SELECT user_id, -1 FROM old_rows) AS r
            GROUP BY r.user_id
            HAVING sum(r.sign) <> 0
        ) AS c;
    ELSE
        UPDATE user_activity_summary SET total_reviews = 0, updated_at = now() WHERE total_reviews <> 0;
        RETURN NULL;
    END IF;
    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (user_ids)
    ORDER BY user_id
    FOR NO KEY UPDATE;
    UPDATE user_activity_summary AS summary
    SET total_reviews = summary.total_reviews + change.reviews, updated_at = now()
    FROM unnest(user_ids, counts) AS change (user_id, reviews)
    WHERE summary.user_id = change.user_id;
    RETURN NULL;
END
$$;

CREATE FUNCTION public.update_user_activity_on_service() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    changed_ids text[];
    changes metrics_booking_change[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(id) INTO changed_ids
        FROM (SELECT id::text, title FROM old_rows EXCEPT SELECT id::text, title FROM new_rows) AS changed;
    ELSE
        SELECT array_agg(id::text) INTO changed_ids FROM old_rows;
    END IF;
    IF changed_ids IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT array_agg((touched.user_id, 0)::metrics_booking_change) INTO changes
    FROM (
        SELECT DISTINCT user_id
        FROM service_bookings
        WHERE service_id::text = ANY (changed_ids) AND user_id IS NOT NULL
    ) AS touched;
    PERFORM metrics_apply_booking_changes(changes);
    RETURN NULL;
END
$$;

CREATE FUNCTION public.update_user_activity_on_user() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    PERFORM metrics_rebuild_summaries(ARRAY(SELECT id FROM new_rows));
    RETURN NULL;
END
$$;

CREATE FUNCTION public.update_user_activity_summary() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
DECLARE
    changes metrics_session_change[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg((c.*)::metrics_session_change) INTO changes
        FROM (
            SELECT
                user_id,
                COALESCE(device_type, 'Unknown'),
                COALESCE(browser_name, 'Unknown'),
                COALESCE(os_name, 'Unknown'),
                count(*)::integer,
                0,
                max(started_at)
            FROM new_rows
            WHERE user_id IS NOT NULL AND NOT is_bot
            GROUP BY 1, 2, 3, 4
        ) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg((c.*)::metrics_session_change) INTO changes
        FROM (
            SELECT
                user_id,
                COALESCE(device_type, 'Unknown'),
                COALESCE(browser_name, 'Unknown'),
                COALESCE(os_name, 'Unknown'),
                0,
                count(*)::integer,
                NULL::timestamptz
            FROM old_rows
            WHERE user_id IS NOT NULL AND NOT is_bot
            GROUP BY 1, 2, 3, 4
        ) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        -- A heartbeat changes none of these columns: its rows fall out on both sides and no summary is touched.
        WITH came AS (
            SELECT id, user_id, is_bot, device_type, browser_name, os_name, started_at FROM new_rows
            EXCEPT
            SELECT id, user_id, is_bot, device_type, browser_name, os_name, started_at FROM old_rows
        ),
        went AS (
            SELECT id, user_id, is_bot, device_type, browser_name, os_name, started_at FROM old_rows
            EXCEPT
            SELECT id, user_id, is_bot, device_type, browser_name, os_name, started_at FROM new_rows
        )
        SELECT array_agg((c.*)::metrics_session_change) INTO changes
        FROM (
            SELECT
                s.user_id,
                COALESCE(s.device_type, 'Unknown'),
                COALESCE(s.browser_name, 'Unknown'),
                COALESCE(s.os_name, 'Unknown'),
                (count(*) FILTER (WHERE s.is_new))::integer,
                (count(*) FILTER (WHERE NOT s.is_new))::integer,
                max(s.started_at) FILTER (WHERE s.is_new)
            FROM (SELECT *, true AS is_new FROM came UNION ALL SELECT *, false FROM went) AS s
            WHERE s.user_id IS NOT NULL AND NOT s.is_bot
            GROUP BY 1, 2, 3, 4
        ) AS c;
    ELSE
        DELETE FROM user_device_counts;
        UPDATE user_activity_summary
        SET total_sessions = 0,
            primary_device_type = NULL,
            primary_browser = NULL,
            primary_os = NULL,
            updated_at = now()
        WHERE total_sessions <> 0 OR primary_device_type IS NOT NULL;
    END IF;
    PERFORM metrics_apply_session_changes(changes);
    RETURN NULL;
END
$$;

CREATE TABLE public.metrics_api_keys (
    name text NOT NULL,
    role text NOT NULL,
    key_hash bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    revoked_at timestamp with time zone,
    CONSTRAINT metrics_api_keys_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'analyst'::text])))
);

CREATE TABLE public.metrics_audit (
    id bigint NOT NULL,
    happened_at timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    total_rows bigint NOT NULL,
    details jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE public.metrics_audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.metrics_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.metrics_bookings AS
 SELECT b.id,
    b.user_id,
    b.service_id,
    COALESCE(service.title, b.service_type) AS service,
    b.status,
    b.total_amount,
    b.created_at,
    public.metrics_is_counted_booking(b.status) AS is_counted
   FROM (public.service_bookings b
     LEFT JOIN public.services service ON ((service.id = b.service_id)));

CREATE TABLE public.metrics_erasures (
    user_id uuid NOT NULL,
    erased_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.metrics_fold (
    id boolean DEFAULT true NOT NULL,
    folded_until timestamp with time zone,
    timezone text,
    customers bigint DEFAULT 0 NOT NULL,
    folded_at timestamp with time zone,
    CONSTRAINT metrics_fold_id_check CHECK (id)
);

CREATE TABLE public.metrics_period_customers (
    period text NOT NULL,
    user_id uuid NOT NULL,
    sessions integer NOT NULL,
    orders integer NOT NULL,
    bookings integer NOT NULL,
    spent numeric NOT NULL,
    previous_sessions integer NOT NULL,
    latest_activity_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70');

CREATE VIEW public.metrics_kept_customers AS
 SELECT kept.period,
    kept.user_id,
    kept.sessions AS sessions_in_period,
    kept.orders AS orders_in_period,
    kept.bookings AS bookings_in_period,
    kept.latest_activity_at,
    c.id,
    c.country,
    c.registered_at,
    c.primary_device,
    c.phone,
    c.search_text
   FROM (public.metrics_period_customers kept
     LEFT JOIN public.metrics_customers c ON ((c.user_id = kept.user_id)));

CREATE TABLE public.metrics_pruned_customers (
    user_id uuid NOT NULL,
    is_bot boolean NOT NULL,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    os_name text NOT NULL,
    sessions integer NOT NULL,
    last_started_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');

CREATE VIEW public.metrics_lifetime_sessions AS
 SELECT user_sessions.user_id,
    COALESCE(user_sessions.device_type, 'Unknown'::text) AS device_type,
    COALESCE(user_sessions.browser_name, 'Unknown'::text) AS browser_name,
    COALESCE(user_sessions.os_name, 'Unknown'::text) AS os_name,
    1 AS sessions,
    user_sessions.started_at AS last_started_at
   FROM public.user_sessions
  WHERE (NOT user_sessions.is_bot)
UNION ALL
 SELECT metrics_pruned_customers.user_id,
    metrics_pruned_customers.device_type,
    metrics_pruned_customers.browser_name,
    metrics_pruned_customers.os_name,
    metrics_pruned_customers.sessions,
    metrics_pruned_customers.last_started_at
   FROM public.metrics_pruned_customers
  WHERE (NOT metrics_pruned_customers.is_bot);

CREATE TABLE public.metrics_migrations (
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE VIEW public.metrics_orders AS
 SELECT id,
    user_id,
    total_amount,
    status,
    payment_status,
    created_at,
    public.metrics_is_counted_order(status, payment_status) AS is_counted,
    public.metrics_spent(status, payment_status, total_amount) AS spent
   FROM public.orders;

CREATE TABLE public.metrics_period_durations (
    period text NOT NULL,
    is_bot boolean NOT NULL,
    seconds integer NOT NULL,
    sessions bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.metrics_period_sessions (
    period text NOT NULL,
    is_bot boolean NOT NULL,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    browser_version text,
    os_name text NOT NULL,
    os_version text,
    sessions bigint NOT NULL,
    guests bigint NOT NULL,
    closed bigint NOT NULL,
    explicitly_ended bigint NOT NULL,
    duration_us numeric NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.metrics_period_totals (
    period text NOT NULL,
    customers bigint NOT NULL,
    orders bigint NOT NULL,
    bookings bigint NOT NULL,
    spent numeric NOT NULL,
    registrations bigint NOT NULL
)
WITH (fillfactor='50');

CREATE TABLE public.metrics_periods (
    period text NOT NULL,
    from_age interval,
    to_age interval NOT NULL
);

CREATE TABLE public.metrics_points (
    unit text NOT NULL,
    bucket_at timestamp with time zone NOT NULL,
    is_bot boolean NOT NULL,
    sessions bigint NOT NULL,
    closed bigint NOT NULL,
    duration_us numeric NOT NULL,
    customers bigint NOT NULL,
    orders bigint NOT NULL,
    bookings bigint NOT NULL,
    spent numeric NOT NULL,
    registrations bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.metrics_pruned_durations (
    is_bot boolean NOT NULL,
    seconds integer NOT NULL,
    sessions bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.metrics_pruned_places (
    is_bot boolean NOT NULL,
    country text,
    city text,
    sessions bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.metrics_pruned_points (
    unit text NOT NULL,
    bucket_at timestamp with time zone NOT NULL,
    is_bot boolean NOT NULL,
    sessions bigint NOT NULL,
    duration_us numeric NOT NULL,
    customers bigint NOT NULL
)
WITH (fillfactor='70');

CREATE TABLE public.metrics_pruned_sessions (
    is_bot boolean NOT NULL,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    browser_version text,
    os_name text NOT NULL,
    os_version text,
    sessions bigint NOT NULL,
    guests bigint NOT NULL,
    explicitly_ended bigint NOT NULL,
    duration_us numeric NOT NULL
)
WITH (fillfactor='70');

CREATE VIEW public.metrics_registrations AS
 SELECT id AS user_id,
    created_at AS registered_at
   FROM public.users
  WHERE (NOT (EXISTS ( SELECT 1
           FROM public.metrics_erasures e
          WHERE (e.user_id = users.id))));

CREATE TABLE public.metrics_replays (
    batch_id uuid NOT NULL,
    step integer NOT NULL,
    replayed_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.metrics_retention (
    id boolean DEFAULT true NOT NULL,
    kept_since timestamp with time zone,
    first_started_at timestamp with time zone,
    ran_at timestamp with time zone,
    total_pruned bigint DEFAULT 0 NOT NULL,
    CONSTRAINT metrics_retention_id_check CHECK (id)
);

CREATE VIEW public.metrics_sessions AS
 SELECT id,
    user_id,
    started_at,
    last_activity_at,
    ended_at,
    end_reason,
    COALESCE(device_type, 'Unknown'::text) AS device_type,
    COALESCE(browser_name, 'Unknown'::text) AS browser_name,
    browser_version,
    COALESCE(os_name, 'Unknown'::text) AS os_name,
    os_version,
    public.metrics_mask_ip(ip_address) AS ip_address,
    country,
    city,
    landing_page,
    referrer,
    is_bot,
    identity_verified
   FROM public.user_sessions;

CREATE TABLE public.metrics_sign_outs (
    email text NOT NULL,
    signed_out_at timestamp with time zone NOT NULL
);

CREATE TABLE public.user_device_counts (
    user_id uuid NOT NULL,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    os_name text NOT NULL,
    total_sessions integer NOT NULL,
    last_started_at timestamp with time zone NOT NULL
)
WITH (fillfactor='80');

ALTER TABLE ONLY public.metrics_api_keys
    ADD CONSTRAINT metrics_api_keys_key_hash_key UNIQUE (key_hash);

ALTER TABLE ONLY public.metrics_api_keys
    ADD CONSTRAINT metrics_api_keys_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.metrics_audit
    ADD CONSTRAINT metrics_audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.metrics_erasures
    ADD CONSTRAINT metrics_erasures_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.metrics_fold
    ADD CONSTRAINT metrics_fold_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.metrics_migrations
    ADD CONSTRAINT metrics_migrations_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.metrics_period_customers
    ADD CONSTRAINT metrics_period_customers_pkey PRIMARY KEY (period, user_id);

ALTER TABLE ONLY public.metrics_period_durations
    ADD CONSTRAINT metrics_period_durations_pkey PRIMARY KEY (period, is_bot, seconds);

ALTER TABLE ONLY public.metrics_period_sessions
    ADD CONSTRAINT metrics_period_sessions_period_is_bot_device_type_browser_n_key UNIQUE NULLS NOT DISTINCT (period, is_bot, device_type, browser_name, browser_version, os_name, os_version);

ALTER TABLE ONLY public.metrics_period_totals
    ADD CONSTRAINT metrics_period_totals_pkey PRIMARY KEY (period);

ALTER TABLE ONLY public.metrics_periods
    ADD CONSTRAINT metrics_periods_pkey PRIMARY KEY (period);

ALTER TABLE ONLY public.metrics_points
    ADD CONSTRAINT metrics_points_pkey PRIMARY KEY (unit, bucket_at, is_bot);

ALTER TABLE ONLY public.metrics_pruned_customers
    ADD CONSTRAINT metrics_pruned_customers_pkey PRIMARY KEY (user_id, is_bot, device_type, browser_name, os_name);

ALTER TABLE ONLY public.metrics_pruned_durations
    ADD CONSTRAINT metrics_pruned_durations_pkey PRIMARY KEY (is_bot, seconds);

ALTER TABLE ONLY public.metrics_pruned_places
    ADD CONSTRAINT metrics_pruned_places_is_bot_country_city_key UNIQUE NULLS NOT DISTINCT (is_bot, country, city);

ALTER TABLE ONLY public.metrics_pruned_points
    ADD CONSTRAINT metrics_pruned_points_pkey PRIMARY KEY (unit, bucket_at, is_bot);

ALTER TABLE ONLY public.metrics_pruned_sessions
    ADD CONSTRAINT metrics_pruned_sessions_is_bot_device_type_browser_name_bro_key UNIQUE NULLS NOT DISTINCT (is_bot, device_type, browser_name, browser_version, os_name, os_version);

ALTER TABLE ONLY public.metrics_replays
    ADD CONSTRAINT metrics_replays_pkey PRIMARY KEY (batch_id);

ALTER TABLE ONLY public.metrics_retention
    ADD CONSTRAINT metrics_retention_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.metrics_sign_outs
    ADD CONSTRAINT metrics_sign_outs_pkey PRIMARY KEY (email);

ALTER TABLE ONLY public.user_activity_summary
    ADD CONSTRAINT user_activity_summary_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.user_device_counts
    ADD CONSTRAINT user_device_counts_pkey PRIMARY KEY (user_id, device_type, browser_name, os_name);

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_pkey PRIMARY KEY (id);

CREATE INDEX idx_metrics_audit_happened_at ON public.metrics_audit USING btree (happened_at DESC, id DESC);

CREATE INDEX idx_metrics_period_customers_bookings ON public.metrics_period_customers USING btree (period, bookings DESC, latest_activity_at DESC, user_id);

CREATE INDEX idx_metrics_period_customers_orders ON public.metrics_period_customers USING btree (period, orders DESC, latest_activity_at DESC, user_id);

CREATE INDEX idx_metrics_period_customers_sessions ON public.metrics_period_customers USING btree (period, sessions DESC, latest_activity_at DESC, user_id);

CREATE INDEX idx_metrics_replays_replayed_at ON public.metrics_replays USING btree (replayed_at);

CREATE INDEX idx_orders_created_at ON public.orders USING btree (created_at) INCLUDE (user_id, total_amount, status, payment_status);

CREATE INDEX idx_orders_user_id_created_at ON public.orders USING btree (user_id, created_at DESC NULLS LAST, id DESC);

CREATE INDEX idx_reviews_user_id ON public.reviews USING btree (user_id);

CREATE INDEX idx_service_bookings_created_at ON public.service_bookings USING btree (created_at) INCLUDE (user_id, status);

CREATE INDEX idx_service_bookings_service_id ON public.service_bookings USING btree (service_id);

CREATE INDEX idx_service_bookings_user_id_created_at ON public.service_bookings USING btree (user_id, created_at DESC NULLS LAST, id DESC);

CREATE INDEX idx_user_activity_last_booking ON public.user_activity_summary USING btree (last_booking_at DESC NULLS LAST, user_id);

CREATE INDEX idx_user_activity_last_login ON public.user_activity_summary USING btree (last_login_at DESC NULLS LAST, latest_activity_at DESC, user_id);

CREATE INDEX idx_user_activity_last_order ON public.user_activity_summary USING btree (last_order_at DESC NULLS LAST, user_id);

CREATE INDEX idx_user_activity_total_bookings ON public.user_activity_summary USING btree (total_bookings DESC, latest_activity_at DESC, user_id);

CREATE INDEX idx_user_activity_total_orders ON public.user_activity_summary USING btree (total_orders DESC, latest_activity_at DESC, user_id);

CREATE INDEX idx_user_activity_total_sessions ON public.user_activity_summary USING btree (total_sessions DESC, latest_activity_at DESC, user_id);

CREATE INDEX idx_user_sessions_bots ON public.user_sessions USING btree (started_at) WHERE (is_bot AND (user_id IS NOT NULL));

CREATE INDEX idx_user_sessions_open ON public.user_sessions USING btree (user_id) WHERE (ended_at IS NULL);

CREATE INDEX idx_user_sessions_started_at ON public.user_sessions USING btree (started_at) INCLUDE (user_id, is_bot);

CREATE INDEX idx_user_sessions_user_id_started_at ON public.user_sessions USING btree (user_id, started_at DESC);

CREATE INDEX idx_users_created_at ON public.users USING btree (created_at DESC NULLS LAST, id);

CREATE INDEX idx_users_search ON public.users USING gin (public.metrics_search_text(first_name, last_name, email, phone) public.gin_trgm_ops);

CREATE UNIQUE INDEX user_sessions_session_id_user_id_key ON public.user_sessions USING btree (session_id, user_id) NULLS NOT DISTINCT;

CREATE TRIGGER trigger_forget_erased_insert BEFORE INSERT ON public.user_sessions FOR EACH ROW WHEN ((new.user_id IS NOT NULL)) EXECUTE FUNCTION public.metrics_forget_erased();

CREATE TRIGGER trigger_forget_erased_update BEFORE UPDATE OF user_id ON public.user_sessions FOR EACH ROW WHEN (((new.user_id IS NOT NULL) AND (new.user_id IS DISTINCT FROM old.user_id))) EXECUTE FUNCTION public.metrics_forget_erased();

CREATE TRIGGER trigger_keep_audit BEFORE DELETE OR UPDATE OR TRUNCATE ON public.metrics_audit FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_refuse_change();

CREATE TRIGGER trigger_log_booking_delete AFTER DELETE ON public.service_bookings REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_booking_changes();

CREATE TRIGGER trigger_log_booking_insert AFTER INSERT ON public.service_bookings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_booking_changes();

CREATE TRIGGER trigger_log_booking_truncate AFTER TRUNCATE ON public.service_bookings FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_booking_changes();

CREATE TRIGGER trigger_log_booking_update AFTER UPDATE ON public.service_bookings REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_booking_changes();

CREATE TRIGGER trigger_log_customer_delete AFTER DELETE ON public.users REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_customer_changes();

CREATE TRIGGER trigger_log_customer_insert AFTER INSERT ON public.users REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_customer_changes();

CREATE TRIGGER trigger_log_customer_truncate AFTER TRUNCATE ON public.users FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_customer_changes();

CREATE TRIGGER trigger_log_customer_update AFTER UPDATE OF id, created_at ON public.users FOR EACH ROW WHEN (((old.id IS DISTINCT FROM new.id) OR (old.created_at IS DISTINCT FROM new.created_at))) EXECUTE FUNCTION public.metrics_log_customer_changes();

CREATE TRIGGER trigger_log_order_delete AFTER DELETE ON public.orders REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_order_changes();

CREATE TRIGGER trigger_log_order_insert AFTER INSERT ON public.orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_order_changes();

CREATE TRIGGER trigger_log_order_truncate AFTER TRUNCATE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_order_changes();

CREATE TRIGGER trigger_log_order_update AFTER UPDATE ON public.orders REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_order_changes();

CREATE TRIGGER trigger_log_session_delete AFTER DELETE ON public.user_sessions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_session_changes();

CREATE TRIGGER trigger_log_session_insert AFTER INSERT ON public.user_sessions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_session_changes();

CREATE TRIGGER trigger_log_session_truncate AFTER TRUNCATE ON public.user_sessions FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_session_changes();

CREATE TRIGGER trigger_log_session_update AFTER UPDATE ON public.user_sessions REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.metrics_log_session_changes();

CREATE TRIGGER trigger_update_activity_on_booking AFTER INSERT ON public.service_bookings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_booking();

CREATE TRIGGER trigger_update_activity_on_booking_delete AFTER DELETE ON public.service_bookings REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_booking();

CREATE TRIGGER trigger_update_activity_on_booking_truncate AFTER TRUNCATE ON public.service_bookings FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_booking();

CREATE TRIGGER trigger_update_activity_on_booking_update AFTER UPDATE ON public.service_bookings REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_booking();

CREATE TRIGGER trigger_update_activity_on_order AFTER INSERT ON public.orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_order();

CREATE TRIGGER trigger_update_activity_on_order_delete AFTER DELETE ON public.orders REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_order();

CREATE TRIGGER trigger_update_activity_on_order_truncate AFTER TRUNCATE ON public.orders FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_order();

CREATE TRIGGER trigger_update_activity_on_order_update AFTER UPDATE ON public.orders REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_order();

CREATE TRIGGER trigger_update_activity_on_review AFTER INSERT ON public.reviews REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_review();

CREATE TRIGGER trigger_update_activity_on_review_delete AFTER DELETE ON public.reviews REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_review();

CREATE TRIGGER trigger_update_activity_on_review_truncate AFTER TRUNCATE ON public.reviews FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_review();

CREATE TRIGGER trigger_update_activity_on_review_update AFTER UPDATE ON public.reviews REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_review();

CREATE TRIGGER trigger_update_activity_on_service_delete AFTER DELETE ON public.services REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_service();

CREATE TRIGGER trigger_update_activity_on_service_update AFTER UPDATE ON public.services REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_service();

CREATE TRIGGER trigger_update_activity_on_user AFTER INSERT ON public.users REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_on_user();

CREATE TRIGGER trigger_update_user_activity_summary AFTER INSERT ON public.user_sessions REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_summary();

CREATE TRIGGER trigger_update_user_activity_summary_delete AFTER DELETE ON public.user_sessions REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_summary();

CREATE TRIGGER trigger_update_user_activity_summary_truncate AFTER TRUNCATE ON public.user_sessions FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_summary();

CREATE TRIGGER trigger_update_user_activity_summary_update AFTER UPDATE ON public.user_sessions REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.update_user_activity_summary();

ALTER TABLE ONLY public.metrics_pruned_customers
    ADD CONSTRAINT metrics_pruned_customers_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.user_activity_summary
    ADD CONSTRAINT user_activity_summary_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.user_device_counts
    ADD CONSTRAINT user_device_counts_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

ALTER TABLE ONLY public.user_sessions
    ADD CONSTRAINT user_sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON UPDATE CASCADE ON DELETE CASCADE;

CREATE POLICY metrics_admin_audit ON public.metrics_audit FOR SELECT TO metrics_admin USING (true);

CREATE POLICY metrics_admin_keys ON public.metrics_api_keys FOR SELECT TO metrics_admin USING (true);

CREATE POLICY metrics_admin_sign_outs ON public.metrics_sign_outs FOR SELECT TO metrics_admin USING (true);

ALTER TABLE public.metrics_api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_audit ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_changes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_erasures ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_fold ENABLE ROW LEVEL SECURITY;

CREATE POLICY metrics_own_sessions ON public.user_sessions FOR SELECT USING ((user_id = ( SELECT public.metrics_current_user_id() AS metrics_current_user_id)));

CREATE POLICY metrics_own_summary ON public.user_activity_summary FOR SELECT USING ((user_id = ( SELECT public.metrics_current_user_id() AS metrics_current_user_id)));

ALTER TABLE public.metrics_period_customers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_period_durations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_period_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_period_totals ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_periods ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_points ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_pruned_customers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_pruned_durations ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_pruned_places ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_pruned_points ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_pruned_sessions ENABLE ROW LEVEL SECURITY;

CREATE POLICY metrics_read_metrics_changes ON public.metrics_changes FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_erasures ON public.metrics_erasures FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_fold ON public.metrics_fold FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_period_customers ON public.metrics_period_customers FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_period_durations ON public.metrics_period_durations FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_period_sessions ON public.metrics_period_sessions FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_period_totals ON public.metrics_period_totals FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_periods ON public.metrics_periods FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_points ON public.metrics_points FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_pruned_customers ON public.metrics_pruned_customers FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_pruned_durations ON public.metrics_pruned_durations FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_pruned_places ON public.metrics_pruned_places FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_pruned_points ON public.metrics_pruned_points FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_pruned_sessions ON public.metrics_pruned_sessions FOR SELECT TO metrics_reader USING (true);

CREATE POLICY metrics_read_metrics_retention ON public.metrics_retention FOR SELECT TO metrics_reader USING (true);

ALTER TABLE public.metrics_replays ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_retention ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.metrics_sign_outs ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.user_activity_summary ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.user_device_counts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.user_sessions ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA public TO metrics_reader;
GRANT USAGE ON SCHEMA public TO metrics_customer;
GRANT USAGE ON SCHEMA public TO metrics_beacon;
GRANT USAGE ON SCHEMA public TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_apply_booking_changes(changes public.metrics_booking_change[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_apply_order_changes(changes public.metrics_order_change[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_apply_session_changes(changes public.metrics_session_change[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_begin_erasure(only_user_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_begin_erasure(only_user_id uuid) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_count_traces(only_user_id uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_count_traces(only_user_id uuid) TO metrics_admin;

GRANT SELECT ON TABLE public.user_activity_summary TO metrics_customer;

GRANT SELECT ON TABLE public.metrics_customers TO metrics_reader;

REVOKE ALL ON FUNCTION public.metrics_end_sessions(beacons json, timeout interval, cap interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_end_sessions(beacons json, timeout interval, cap interval) TO metrics_beacon;

REVOKE ALL ON FUNCTION public.metrics_erase_customer(only_user_id uuid, actor text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_erase_customer(only_user_id uuid, actor text) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_export_person(only_user_id uuid, actor text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_export_person(only_user_id uuid, actor text) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_fold_customers(until timestamp with time zone) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_fold_step(zone text, max_step interval, too_far interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_fold_step(zone text, max_step interval, too_far interval) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_forget_erased() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_grant_rights() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_heartbeat_sessions(beacons json, timeout interval, cap interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_heartbeat_sessions(beacons json, timeout interval, cap interval) TO metrics_beacon;

GRANT SELECT ON TABLE public.metrics_changes TO metrics_reader;

REVOKE ALL ON FUNCTION public.metrics_log_booking_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_log_customer_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_log_order_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_log_session_changes() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_make_search_index() FROM PUBLIC;

GRANT SELECT ON TABLE public.user_sessions TO metrics_customer;

REVOKE ALL ON FUNCTION public.metrics_prune_sessions(until timestamp with time zone, zone text, max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_prune_sessions(until timestamp with time zone, zone text, max_rows integer) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_rebuild_summaries(only_user_ids uuid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_recount(user_ids uuid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.metrics_reset_all_sessions(actor text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_reset_all_sessions(actor text) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_reset_customer(only_user_id uuid, actor text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_reset_customer(only_user_id uuid, actor text) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_sign_out(email text) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_sign_out(email text) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_start_sessions(beacons json, timeout interval, cap interval) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_start_sessions(beacons json, timeout interval, cap interval) TO metrics_beacon;

REVOKE ALL ON FUNCTION public.metrics_sweep_sessions(timeout interval, cap interval, max_rows integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_sweep_sessions(timeout interval, cap interval, max_rows integer) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_take_step(asked_id uuid, asked_step integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_take_step(asked_id uuid, asked_step integer) TO metrics_beacon;

REVOKE ALL ON FUNCTION public.metrics_write_audit(actor text, action text, subject text, total_rows bigint, details jsonb) FROM PUBLIC;
GRANT ALL ON FUNCTION public.metrics_write_audit(actor text, action text, subject text, total_rows bigint, details jsonb) TO metrics_admin;

REVOKE ALL ON FUNCTION public.metrics_write_summaries(only_user_ids uuid[]) FROM PUBLIC;

REVOKE ALL ON FUNCTION public.update_user_activity_on_booking() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.update_user_activity_on_order() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.update_user_activity_on_review() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.update_user_activity_on_service() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.update_user_activity_on_user() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.update_user_activity_summary() FROM PUBLIC;

GRANT SELECT ON TABLE public.metrics_api_keys TO metrics_admin;

GRANT SELECT ON TABLE public.metrics_audit TO metrics_admin;

GRANT SELECT ON TABLE public.metrics_bookings TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_erasures TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_fold TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_period_customers TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_kept_customers TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_pruned_customers TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_migrations TO metrics_reader;
GRANT SELECT ON TABLE public.metrics_migrations TO metrics_admin;

GRANT SELECT ON TABLE public.metrics_orders TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_period_durations TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_period_sessions TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_period_totals TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_periods TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_points TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_pruned_durations TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_pruned_places TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_pruned_points TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_pruned_sessions TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_registrations TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_retention TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_sessions TO metrics_reader;

GRANT SELECT ON TABLE public.metrics_sign_outs TO metrics_admin;
