-- Triggers and recounts know what retention took, and whom erasure took.

-- A customer's counts by make may hold more than the rows that are left.
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

-- The summary from nothing but what is there: rows, and what retention took.
CREATE OR REPLACE FUNCTION metrics_recount(user_ids uuid[]) RETURNS TABLE (
    user_id uuid,
    total_sessions integer,
    total_orders integer,
    total_bookings integer,
    total_reviews integer,
    total_spent numeric(16, 2),
    last_login_at timestamptz,
    last_order_at timestamptz,
    last_order_amount numeric(14, 2),
    last_booking_at timestamptz,
    last_booking_service text,
    primary_device_type text,
    primary_browser text,
    primary_os text
)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
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

CREATE OR REPLACE FUNCTION metrics_write_summaries(only_user_ids uuid[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
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
