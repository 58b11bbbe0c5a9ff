-- Filling the demo shop: COPY in, and for large sizes the indexes put aside meanwhile.

-- name: has_customers
-- Whether the shop has customers.
SELECT EXISTS (SELECT 1 FROM users);

-- name: lock_users
-- Nobody else adds a customer until the shop is filled.
LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE;

-- name: copy_users
-- Customers, in the order of their registration.
COPY users (id, email, first_name, last_name, phone, city, country, created_at) FROM STDIN;

-- name: copy_services
-- What can be booked.
COPY services (id, title) FROM STDIN;

-- name: copy_orders
-- Orders, in the order of time.
COPY orders (id, user_id, total_amount, status, payment_status, created_at) FROM STDIN;

-- name: copy_bookings
-- Bookings, in the order of time.
COPY service_bookings (id, service_id, user_id, service_type, status, total_amount, created_at) FROM STDIN;

-- name: copy_reviews
-- Reviews, in the order of time.
COPY reviews (id, user_id, product_id, rating, created_at) FROM STDIN;

-- name: copy_sessions
-- Sessions, in the order of their start.
COPY user_sessions (
    id, user_id, session_id, started_at, last_activity_at, ended_at, end_reason, device_type, browser_name,
    browser_version, os_name, os_version, user_agent, ip_address, country, city, landing_page, referrer, is_bot
) FROM STDIN;

-- name: silence_triggers
-- Neither triggers nor foreign keys are asked for the rows of this transaction: a superuser's right.
SET LOCAL session_replication_role = replica;

-- name: list_index_definitions
-- The indexes of the large tables that are no constraint, with the statement that makes each again.
SELECT pg_index.indexrelid::regclass::text AS name, pg_get_indexdef(pg_index.indexrelid) AS definition
FROM pg_index
WHERE pg_index.indrelid IN ('user_sessions'::regclass, 'orders'::regclass)
    AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE pg_constraint.conindid = pg_index.indexrelid)
ORDER BY name;

-- name: drop_index
-- Puts one of them aside.
DROP INDEX :index_name;

-- name: give_memory_for_indexes
-- Sorting in memory makes an index several times faster.
SET LOCAL maintenance_work_mem = '1GB';

-- name: rebuild_summaries
-- Every summary from the rows that were loaded without triggers.
SELECT metrics_rebuild_summaries();

-- name: analyze
-- Fresh statistics for the planner, and pages that an index alone may answer for.
VACUUM (ANALYZE) users, orders, services, service_bookings, reviews, user_sessions, user_activity_summary, user_device_counts;

-- name: lock_preparation
-- One process at a time fills the demo shop.
SELECT pg_advisory_xact_lock(5127904);

-- name: count_shop_tables
-- How many of the shop's tables are there.
SELECT count(*) FROM unnest(:'tables'::text[]) AS name WHERE to_regclass(name) IS NOT NULL;

-- name: mark_demo
-- Says of this shop that its customers were made up.
COMMENT ON TABLE users IS 'Filled by python -m metrics demo';

-- name: is_demo
-- Whether it was said.
SELECT COALESCE(obj_description(to_regclass('users'), 'pg_class') = 'Filled by python -m metrics demo', false);
