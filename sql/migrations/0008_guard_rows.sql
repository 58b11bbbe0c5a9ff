-- Least privilege: readers see masked views, customers their own rows, and nobody writes but the owner's functions.

CREATE VIEW metrics_customers AS
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
    summary.total_spent::numeric AS spent_in_period
FROM user_activity_summary AS summary
-- A left join to a unique key is dropped by the planner where no column of users is asked for: pages jump by index alone.
LEFT JOIN users AS u ON u.id = summary.user_id;

-- Without session_id: knowing it is enough to touch and end the session.
CREATE VIEW metrics_sessions AS
SELECT
    id,
    user_id,
    started_at,
    last_activity_at,
    ended_at,
    end_reason,
    COALESCE(device_type, 'Unknown') AS device_type,
    COALESCE(browser_name, 'Unknown') AS browser_name,
    browser_version,
    COALESCE(os_name, 'Unknown') AS os_name,
    os_version,
    metrics_mask_ip(ip_address) AS ip_address,
    country,
    city,
    landing_page,
    referrer,
    is_bot,
    identity_verified
FROM user_sessions;

CREATE VIEW metrics_orders AS
SELECT
    id,
    user_id,
    total_amount,
    status::text AS status,
    payment_status::text AS payment_status,
    created_at,
    metrics_is_counted_order(status::text, payment_status::text) AS is_counted,
    metrics_spent(status::text, payment_status::text, total_amount) AS spent
FROM orders;

CREATE VIEW metrics_bookings AS
SELECT
    b.id,
    b.user_id,
    b.service_id,
    COALESCE(service.title, b.service_type) AS service,
    b.status::text AS status,
    b.total_amount,
    b.created_at,
    metrics_is_counted_booking(b.status::text) AS is_counted
FROM service_bookings AS b
LEFT JOIN services AS service ON service.id = b.service_id;

-- Sessions as they stand at a moment: ended_at and duration derived for those that timed out, is_active for the rest.
CREATE FUNCTION metrics_sessions_at(as_of timestamptz, timeout interval, cap interval) RETURNS TABLE (
    id uuid,
    user_id uuid,
    started_at timestamptz,
    last_activity_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    duration_seconds double precision,
    is_active boolean,
    device_type text,
    browser_name text,
    browser_version text,
    os_name text,
    os_version text,
    ip_address text,
    country text,
    city text,
    landing_page text,
    referrer text,
    is_bot boolean
)
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

-- Customers with what they did in [since, as_of) in place of their lifetime counts.
CREATE FUNCTION metrics_customers_between(since timestamptz, as_of timestamptz) RETURNS SETOF metrics_customers
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
    COALESCE(bought.spent, 0)
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

-- Who is asking: the shop sets app.user_id for its own roles, Supabase knows auth.uid().
DO $$
BEGIN
    IF to_regprocedure('auth.uid()') IS NULL THEN
        CREATE FUNCTION metrics_current_user_id() RETURNS uuid
        LANGUAGE sql STABLE
        RETURN NULLIF(current_setting('app.user_id', true), '')::uuid;
    ELSE
        EXECUTE 'CREATE FUNCTION metrics_current_user_id() RETURNS uuid LANGUAGE sql STABLE RETURN
            COALESCE(NULLIF(current_setting(''app.user_id'', true), '''')::uuid, auth.uid())';
    END IF;
END
$$;

ALTER TABLE user_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_activity_summary ENABLE ROW LEVEL SECURITY;
ALTER TABLE user_device_counts ENABLE ROW LEVEL SECURITY;

CREATE POLICY metrics_own_sessions ON user_sessions
    FOR SELECT USING (user_id = (SELECT metrics_current_user_id()));
CREATE POLICY metrics_own_summary ON user_activity_summary
    FOR SELECT USING (user_id = (SELECT metrics_current_user_id()));

REVOKE ALL ON FUNCTION metrics_apply_order_changes(metrics_order_change[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_apply_booking_changes(metrics_booking_change[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_apply_session_changes(metrics_session_change[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_recount(uuid[]) FROM PUBLIC;

-- Roles belong to the whole server: another database of it may have made them already, and this user may not be
-- allowed to. Then the statements for the administrator are printed instead.
DO $$
DECLARE
    wanted text;
    schema text := quote_ident(current_schema());
    shop_role text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['metrics_reader', 'metrics_beacon', 'metrics_admin', 'metrics_customer'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            END IF;
            IF NOT pg_has_role(current_user, wanted, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO %I', wanted, current_user);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- another migration made it in this very moment
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'Role % is missing. Ask the administrator to run: CREATE ROLE % NOLOGIN; GRANT % TO %;',
                    wanted, wanted, wanted, current_user;
        END;
    END LOOP;

    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_reader') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %s TO metrics_reader', schema);
        GRANT SELECT ON metrics_customers, metrics_sessions, metrics_orders, metrics_bookings TO metrics_reader;
        GRANT SELECT ON metrics_migrations TO metrics_reader;
    END IF;
    FOREACH shop_role IN ARRAY ARRAY['metrics_customer', 'authenticated'] LOOP
        IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = shop_role) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', schema, shop_role);
            EXECUTE format('GRANT SELECT ON user_sessions, user_activity_summary TO %I', shop_role);
        END IF;
    END LOOP;
END
$$;
