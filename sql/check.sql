-- Is this installation sound? What each question finds is a finding.

-- name: list_lost_triggers
-- Our triggers that are not there, or do not fire.
SELECT wanted.table_name, wanted.trigger_name, t.oid IS NOT NULL AS is_there
FROM (VALUES
    ('orders', 'trigger_update_activity_on_order'),
    ('orders', 'trigger_update_activity_on_order_update'),
    ('orders', 'trigger_update_activity_on_order_delete'),
    ('orders', 'trigger_update_activity_on_order_truncate'),
    ('orders', 'trigger_log_order_insert'),
    ('orders', 'trigger_log_order_update'),
    ('orders', 'trigger_log_order_delete'),
    ('orders', 'trigger_log_order_truncate'),
    ('service_bookings', 'trigger_update_activity_on_booking'),
    ('service_bookings', 'trigger_update_activity_on_booking_update'),
    ('service_bookings', 'trigger_update_activity_on_booking_delete'),
    ('service_bookings', 'trigger_update_activity_on_booking_truncate'),
    ('service_bookings', 'trigger_log_booking_insert'),
    ('service_bookings', 'trigger_log_booking_update'),
    ('service_bookings', 'trigger_log_booking_delete'),
    ('service_bookings', 'trigger_log_booking_truncate'),
    ('services', 'trigger_update_activity_on_service_update'),
    ('services', 'trigger_update_activity_on_service_delete'),
    ('reviews', 'trigger_update_activity_on_review'),
    ('reviews', 'trigger_update_activity_on_review_update'),
    ('reviews', 'trigger_update_activity_on_review_delete'),
    ('reviews', 'trigger_update_activity_on_review_truncate'),
    ('users', 'trigger_update_activity_on_user'),
    ('users', 'trigger_log_customer_insert'),
    ('users', 'trigger_log_customer_update'),
    ('users', 'trigger_log_customer_delete'),
    ('users', 'trigger_log_customer_truncate'),
    ('user_sessions', 'trigger_update_user_activity_summary'),
    ('user_sessions', 'trigger_update_user_activity_summary_update'),
    ('user_sessions', 'trigger_update_user_activity_summary_delete'),
    ('user_sessions', 'trigger_update_user_activity_summary_truncate'),
    ('user_sessions', 'trigger_log_session_insert'),
    ('user_sessions', 'trigger_log_session_update'),
    ('user_sessions', 'trigger_log_session_delete'),
    ('user_sessions', 'trigger_log_session_truncate'),
    ('user_sessions', 'trigger_forget_erased_insert'),
    ('user_sessions', 'trigger_forget_erased_update'),
    ('metrics_audit', 'trigger_keep_audit')
) AS wanted (table_name, trigger_name)
LEFT JOIN pg_trigger AS t ON t.tgrelid = to_regclass(wanted.table_name) AND t.tgname = wanted.trigger_name
WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
ORDER BY 1, 2;

-- name: list_drifted_columns
-- Which columns of how many summaries are not what a recount gives; of a random sample, or of all. Lifetimes hold what
-- retention took; a last sign-in is lowered by nothing but erasure.
WITH wanted AS MATERIALIZED (
    SELECT *
    FROM user_activity_summary
    ORDER BY CASE WHEN :'most'::bigint IS NULL THEN 0 ELSE random() END
    LIMIT :'most'::bigint
)
SELECT drifted.column_name, count(*) AS customers
FROM metrics_recount(ARRAY(SELECT user_id FROM wanted)) AS counted
JOIN wanted AS kept ON kept.user_id = counted.user_id
CROSS JOIN LATERAL (VALUES
    ('total_sessions', kept.total_sessions IS DISTINCT FROM counted.total_sessions),
    ('total_orders', kept.total_orders IS DISTINCT FROM counted.total_orders),
    ('total_bookings', kept.total_bookings IS DISTINCT FROM counted.total_bookings),
    ('total_reviews', kept.total_reviews IS DISTINCT FROM counted.total_reviews),
    ('total_spent', kept.total_spent IS DISTINCT FROM counted.total_spent),
    ('last_login_at', kept.last_login_at < counted.last_login_at
        OR (kept.last_login_at IS NULL AND counted.last_login_at IS NOT NULL)),
    ('last_order_at', kept.last_order_at IS DISTINCT FROM counted.last_order_at),
    ('last_order_amount', kept.last_order_amount IS DISTINCT FROM counted.last_order_amount),
    ('last_booking_at', kept.last_booking_at IS DISTINCT FROM counted.last_booking_at),
    ('last_booking_service', kept.last_booking_service IS DISTINCT FROM counted.last_booking_service),
    ('primary_device_type', kept.primary_device_type IS DISTINCT FROM counted.primary_device_type),
    ('primary_browser', kept.primary_browser IS DISTINCT FROM counted.primary_browser),
    ('primary_os', kept.primary_os IS DISTINCT FROM counted.primary_os)
) AS drifted (column_name, is_drifted)
WHERE drifted.is_drifted
GROUP BY 1
ORDER BY 2 DESC, 1;

-- name: count_lost_summaries
-- Customers of the shop without a summary, though nobody erased them.
SELECT count(*)
FROM users AS u
WHERE NOT EXISTS (SELECT 1 FROM user_activity_summary AS s WHERE s.user_id = u.id)
    AND NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = u.id);

-- name: count_unpruned
-- Sessions that retention would have removed long ago.
SELECT count(*)
FROM (
    SELECT 1
    FROM user_sessions
    WHERE started_at < now() - :'age'::interval
        AND COALESCE(ended_at, last_activity_at, started_at) < now() - :'age'::interval
    LIMIT 100000
) AS old;

-- name: list_open_tables
-- Tables of ours without row-level security; what stands in the ledger of migrations is no secret.
SELECT c.relname
FROM pg_class AS c
WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('user_sessions'))
    AND c.relkind = 'r'
    AND (c.relname LIKE 'metrics\_%' OR c.relname IN ('user_sessions', 'user_activity_summary', 'user_device_counts'))
    AND c.relname <> 'metrics_migrations'
    AND NOT c.relrowsecurity
ORDER BY c.relname;

-- name: list_lost_policies
-- Policies by which a customer sees the own rows and no other, that are not there.
SELECT wanted.table_name, wanted.policy_name
FROM (VALUES
    ('user_sessions', 'metrics_own_sessions'),
    ('user_activity_summary', 'metrics_own_summary')
) AS wanted (table_name, policy_name)
LEFT JOIN pg_policy AS p ON p.polrelid = to_regclass(wanted.table_name) AND p.polname = wanted.policy_name
WHERE p.oid IS NULL
ORDER BY 1, 2;

-- name: count_unswept
-- Sessions that timed out so long ago that a sweeper would have stored it.
SELECT count(*)
FROM user_sessions
WHERE ended_at IS NULL AND COALESCE(last_activity_at, started_at) <= now() - :'timeout'::interval - :'late'::interval;

-- name: get_fold_lag
-- How long ago what is kept was true, and how many changes wait; NULL where nothing is kept.
SELECT now() - f.folded_until, (SELECT count(*) FROM metrics_changes)
FROM metrics_fold AS f;

-- name: list_bypassing_roles
-- Our roles that policies would not hold.
SELECT rolname
FROM pg_roles
WHERE rolname IN ('metrics_reader', 'metrics_beacon', 'metrics_customer') AND (rolsuper OR rolbypassrls)
ORDER BY rolname;

-- name: list_wrong_rights
-- Roles that are missing (no example) or lack something, and what everybody may do that nobody should.
SELECT role_name, count(*), min(object)
FROM metrics_wrong_rights()
GROUP BY role_name
ORDER BY role_name;

-- name: is_reader_wrong
-- Whether the role of the pages lacks something that it reads.
SELECT EXISTS (SELECT 1 FROM metrics_wrong_rights() WHERE role_name = 'metrics_reader' AND object IS NOT NULL);
