-- The summary from nothing but the base tables: what triggers must equal, `check` compares and `rebuild` writes.

CREATE FUNCTION metrics_recount(user_ids uuid[]) RETURNS TABLE (
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
    SELECT count(*) AS total_sessions, max(s.started_at) AS last_login_at
    FROM user_sessions AS s
    WHERE s.user_id = u.id AND NOT s.is_bot
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
    SELECT COALESCE(s.device_type, 'Unknown') AS value
    FROM user_sessions AS s
    WHERE s.user_id = u.id AND NOT s.is_bot
    GROUP BY 1
    ORDER BY count(*) DESC, max(s.started_at) DESC, 1
    LIMIT 1
) AS device ON true
LEFT JOIN LATERAL (
    SELECT COALESCE(s.browser_name, 'Unknown') AS value
    FROM user_sessions AS s
    WHERE s.user_id = u.id AND NOT s.is_bot
    GROUP BY 1
    ORDER BY count(*) DESC, max(s.started_at) DESC, 1
    LIMIT 1
) AS browser ON true
LEFT JOIN LATERAL (
    SELECT COALESCE(s.os_name, 'Unknown') AS value
    FROM user_sessions AS s
    WHERE s.user_id = u.id AND NOT s.is_bot
    GROUP BY 1
    ORDER BY count(*) DESC, max(s.started_at) DESC, 1
    LIMIT 1
) AS os ON true
WHERE u.id = ANY (user_ids)
$$;

-- Writes the recount of these customers (of all, when none are named) and returns how many rows it wrote.
-- The rows are locked first: what a writer committed before the lock is counted, what comes after waits.
CREATE FUNCTION metrics_rebuild_summaries(only_user_ids uuid[] DEFAULT NULL) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
AS $$
DECLARE
    user_ids uuid[] := COALESCE(only_user_ids, (SELECT array_agg(id) FROM users));
    written integer;
BEGIN
    INSERT INTO user_activity_summary (user_id)
    SELECT id FROM users WHERE id = ANY (user_ids) ORDER BY id
    ON CONFLICT (user_id) DO NOTHING;

    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (user_ids)
    ORDER BY user_id
    FOR NO KEY UPDATE;

    DELETE FROM user_device_counts WHERE user_id = ANY (user_ids);
    INSERT INTO user_device_counts
    SELECT
        s.user_id,
        COALESCE(s.device_type, 'Unknown'),
        COALESCE(s.browser_name, 'Unknown'),
        COALESCE(s.os_name, 'Unknown'),
        count(*),
        max(s.started_at)
    FROM user_sessions AS s
    WHERE s.user_id = ANY (user_ids) AND NOT s.is_bot
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
REVOKE ALL ON FUNCTION metrics_rebuild_summaries(uuid[]) FROM PUBLIC;
