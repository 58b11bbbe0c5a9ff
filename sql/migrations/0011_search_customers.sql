-- Names, e-mails and phones in one text per customer, so that one index of trigrams answers a search for any of them.

-- The parts stand apart by a character that no search holds, so that no match reaches from one into the next. The last
-- part is the phone's digits, however it was typed.
CREATE FUNCTION metrics_search_text(first_name text, last_name text, email text, phone text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN COALESCE(
        NULLIF(btrim(COALESCE(btrim(first_name), '') || ' ' || COALESCE(btrim(last_name), '')), ''),
        NULLIF(btrim(email), ''),
        'Unnamed customer'
    )
    || E'\x1f' || COALESCE(email, '')
    || E'\x1f' || COALESCE(phone, '')
    || E'\x1f' || regexp_replace(COALESCE(phone, ''), '\D', '', 'g');

CREATE OR REPLACE VIEW metrics_customers AS
SELECT
    u.id,
    u.email::text AS email,
    u.first_name::text AS first_name,
    u.last_name::text AS last_name,
    COALESCE(
        NULLIF(btrim(concat_ws(' ', NULLIF(btrim(u.first_name), ''), NULLIF(btrim(u.last_name), ''))), ''),
        NULLIF(btrim(u.email), ''),
        'Unnamed customer'
    ) AS full_name,
    u.phone::text AS phone,
    NULLIF(btrim(u.city), '')::text AS city,
    NULLIF(btrim(u.country), '')::text AS country,
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
    COALESCE(summary.primary_device_type, 'Unknown') AS primary_device,
    COALESCE(summary.primary_browser, 'Unknown') AS primary_browser,
    COALESCE(summary.primary_os, 'Unknown') AS primary_os,
    -- Without an interval the period is the lifetime.
    -- Bare columns: a cast would hide them from their indexes.
    summary.total_sessions AS sessions_in_period,
    summary.total_orders AS orders_in_period,
    summary.total_bookings AS bookings_in_period,
    summary.total_spent::numeric AS spent_in_period,
    metrics_search_text(u.first_name::text, u.last_name::text, u.email::text, u.phone::text) AS search_text
FROM user_activity_summary AS summary
-- A left join to a unique key is dropped by the planner where no column of users is asked for: pages jump by index alone.
LEFT JOIN users AS u ON u.id = summary.user_id;

-- Customers with what they did in [since, as_of) in place of their lifetime counts.
CREATE OR REPLACE FUNCTION metrics_customers_between(since timestamptz, as_of timestamptz) RETURNS SETOF metrics_customers
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

-- Makes the index where it is missing and the extension may be had; without it a search reads every customer and finds
-- the same. Returns whether it is there. Each migration calls it: an administrator may have made the extension meanwhile.
CREATE FUNCTION metrics_make_search_index() RETURNS boolean
LANGUAGE plpgsql
SET search_path FROM CURRENT
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

REVOKE ALL ON FUNCTION metrics_make_search_index() FROM PUBLIC;
