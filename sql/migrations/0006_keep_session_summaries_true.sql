-- The same for sessions, with the counts by device, browser and system from which the primary ones follow.

CREATE TYPE metrics_session_change AS (
    user_id uuid,
    device_type text,
    browser_name text,
    os_name text,
    came integer,
    went integer,
    latest_start timestamptz
);

CREATE FUNCTION metrics_apply_session_changes(changes metrics_session_change[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
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
            last_started_at = latest.started_at
        FROM unnest(changes) AS change
        CROSS JOIN LATERAL (
            SELECT s.started_at
            FROM user_sessions AS s
            WHERE s.user_id = change.user_id
                AND NOT s.is_bot
                AND COALESCE(s.device_type, 'Unknown') = change.device_type
                AND COALESCE(s.browser_name, 'Unknown') = change.browser_name
                AND COALESCE(s.os_name, 'Unknown') = change.os_name
            ORDER BY s.started_at DESC
            LIMIT 1
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
        primary_device_type = (
            SELECT c.device_type FROM user_device_counts AS c WHERE c.user_id = summary.user_id
            GROUP BY 1 ORDER BY sum(c.total_sessions) DESC, max(c.last_started_at) DESC, 1 LIMIT 1
        ),
        primary_browser = (
            SELECT c.browser_name FROM user_device_counts AS c WHERE c.user_id = summary.user_id
            GROUP BY 1 ORDER BY sum(c.total_sessions) DESC, max(c.last_started_at) DESC, 1 LIMIT 1
        ),
        primary_os = (
            SELECT c.os_name FROM user_device_counts AS c WHERE c.user_id = summary.user_id
            GROUP BY 1 ORDER BY sum(c.total_sessions) DESC, max(c.last_started_at) DESC, 1 LIMIT 1
        ),
        updated_at = now()
    FROM (
        SELECT c.user_id, sum(c.came - c.went) AS sessions, max(c.latest_start) AS latest_start
        FROM unnest(changes) AS c
        GROUP BY c.user_id
    ) AS change
    WHERE summary.user_id = change.user_id;
END
$$;

CREATE FUNCTION update_user_activity_summary() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
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
