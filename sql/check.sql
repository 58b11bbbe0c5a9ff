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
    ('user_sessions', 'trigger_log_session_truncate')
) AS wanted (table_name, trigger_name)
LEFT JOIN pg_trigger AS t ON t.tgrelid = to_regclass(wanted.table_name) AND t.tgname = wanted.trigger_name
WHERE t.oid IS NULL OR t.tgenabled NOT IN ('O', 'A')
ORDER BY 1, 2;

-- name: count_drifted_summaries
-- Customers whose counters are not what a recount gives; of a random sample, or of all.
SELECT count(*)
FROM (
    SELECT user_id, total_sessions, total_orders, total_bookings, total_reviews, total_spent
    FROM user_activity_summary
    ORDER BY CASE WHEN :'most'::bigint IS NULL THEN 0 ELSE random() END
    LIMIT :'most'::bigint
) AS kept
CROSS JOIN LATERAL (
    SELECT
        (SELECT count(*) FROM user_sessions AS s WHERE s.user_id = kept.user_id AND NOT s.is_bot) AS sessions,
        (SELECT count(*) FROM metrics_orders AS o WHERE o.user_id = kept.user_id AND o.is_counted) AS orders,
        (SELECT COALESCE(sum(o.spent), 0) FROM metrics_orders AS o WHERE o.user_id = kept.user_id) AS spent,
        (SELECT count(*) FROM metrics_bookings AS b WHERE b.user_id = kept.user_id AND b.is_counted) AS bookings,
        (SELECT count(*) FROM reviews AS r WHERE r.user_id = kept.user_id) AS reviews
) AS counted
WHERE (kept.total_sessions, kept.total_orders, kept.total_bookings, kept.total_reviews, kept.total_spent)
    IS DISTINCT FROM (counted.sessions, counted.orders, counted.bookings, counted.reviews, counted.spent);

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
