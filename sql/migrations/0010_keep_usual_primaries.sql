-- A session with the customer's usual device, browser and system changes no primary: nothing is counted for it.

CREATE OR REPLACE FUNCTION metrics_apply_session_changes(changes metrics_session_change[]) RETURNS void
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
