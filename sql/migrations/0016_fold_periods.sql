-- The fold: brings what is kept up to a moment and forgets the changes it has seen, in one transaction that looks at one
-- moment of the database. It may be stopped anywhere: then nothing has happened.

-- One step, at most max_step further; returns where it stands and how many changes it took, no row where another fold
-- runs. Where nothing is kept, where the time zone is another or the fold lies too far back, it counts from nothing.
CREATE FUNCTION metrics_fold_step(zone text, max_step interval, too_far interval)
RETURNS TABLE (folded_until timestamptz, changes bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
SET work_mem = '64MB'
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

CREATE FUNCTION metrics_fold_customers(until timestamptz) RETURNS void
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

-- Whoever counts summaries anew may move the moments by which ties break, and has a reason to doubt what is kept.
ALTER FUNCTION metrics_rebuild_summaries(uuid[]) RENAME TO metrics_write_summaries;
CREATE FUNCTION metrics_rebuild_summaries(only_user_ids uuid[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
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

REVOKE ALL ON FUNCTION metrics_rebuild_summaries(uuid[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_fold_step(text, interval, interval) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_fold_customers(timestamptz) FROM PUBLIC;

-- Nobody sees these but the owner and who reads for the dashboard.
DO $$
DECLARE
    kept text;
BEGIN
    FOREACH kept IN ARRAY ARRAY[
        'metrics_changes', 'metrics_fold', 'metrics_periods', 'metrics_period_totals', 'metrics_period_sessions',
        'metrics_period_durations', 'metrics_period_customers', 'metrics_points'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', kept);
        IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_reader') THEN
            EXECUTE format('CREATE POLICY metrics_read_%s ON %I FOR SELECT TO metrics_reader USING (true)', kept, kept);
        END IF;
    END LOOP;
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_reader') THEN
        GRANT SELECT ON metrics_changes, metrics_fold, metrics_periods, metrics_period_totals, metrics_period_sessions,
            metrics_period_durations, metrics_period_customers, metrics_points, metrics_registrations,
            metrics_kept_customers TO metrics_reader;
    END IF;
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_admin') THEN
        GRANT EXECUTE ON FUNCTION metrics_fold_step(text, interval, interval) TO metrics_admin;
    END IF;
END
$$;
