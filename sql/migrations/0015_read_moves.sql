-- What readers make of it: customers with the counts of a window, and sessions that only time has ended.

-- Sessions that nobody ended and whose silence did by `as_of`, with the end that follows: the sweeper stores it later.
CREATE FUNCTION metrics_silent_sessions(as_of timestamptz, timeout interval)
RETURNS TABLE (started_at timestamptz, ended_at timestamptz, is_bot boolean)
LANGUAGE sql STABLE
AS $$
SELECT s.started_at, COALESCE(s.last_activity_at, s.started_at), s.is_bot
FROM metrics_sessions AS s
WHERE s.ended_at IS NULL AND COALESCE(s.last_activity_at, s.started_at) <= as_of - timeout
$$;

-- Customers as in metrics_customers_between, for a window that is kept: kept counts with what moved since.
CREATE FUNCTION metrics_customers_kept("interval" text, as_of timestamptz) RETURNS SETOF metrics_customers
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

-- What is kept of customers in the order of its indexes, with what they may be filtered by.
CREATE VIEW metrics_kept_customers AS
SELECT
    kept.period,
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
FROM metrics_period_customers AS kept
LEFT JOIN metrics_customers AS c ON c.user_id = kept.user_id;
