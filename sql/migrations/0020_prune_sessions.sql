-- Retention: old sessions leave in batches, and every count of all time stays as it was.

-- Removes up to `max_rows` sessions that were over before `until`, the oldest first, and returns them as they were, for
-- an archive. Those that a beacon holds at this moment stay for the next run. Call it until a batch is not full.
CREATE FUNCTION metrics_prune_sessions(until timestamptz, zone text, max_rows integer) RETURNS SETOF user_sessions
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
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

REVOKE ALL ON FUNCTION metrics_prune_sessions(timestamptz, text, integer) FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_admin') THEN
        GRANT EXECUTE ON FUNCTION metrics_prune_sessions(timestamptz, text, integer) TO metrics_admin;
    END IF;
END
$$;
