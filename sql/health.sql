-- Health: what the server itself knows of our tables and indexes, and how many beacons come.

-- name: list_tables
-- Our tables and the shop's that we read, with rows as the server estimates them and bytes with indexes, largest first.
SELECT
    c.relname AS name,
    GREATEST(c.reltuples, COALESCE(stats.n_live_tup, 0))::bigint AS estimated_rows,
    pg_total_relation_size(c.oid) AS bytes,
    COALESCE(stats.n_dead_tup, 0) AS dead_rows,
    GREATEST(stats.last_vacuum, stats.last_autovacuum) AS vacuumed_at
FROM pg_class AS c
LEFT JOIN pg_stat_user_tables AS stats ON stats.relid = c.oid
WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('user_sessions'))
    AND c.relkind = 'r'
    AND (
        c.relname LIKE 'metrics\_%'
        OR c.relname IN (
            'user_sessions', 'user_activity_summary', 'user_device_counts', 'users', 'orders', 'services',
            'service_bookings', 'reviews'
        )
    )
ORDER BY bytes DESC, name;

-- name: list_indexes
-- Indexes of those tables, with how often each was read since the server counts, largest first.
SELECT i.relname AS table_name, i.indexrelname AS name, i.idx_scan AS scans, pg_relation_size(i.indexrelid) AS bytes
FROM pg_stat_user_indexes AS i
WHERE i.relid IN (
        SELECT c.oid
        FROM pg_class AS c
        WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('user_sessions'))
            AND (
                c.relname LIKE 'metrics\_%'
                OR c.relname IN (
                    'user_sessions', 'user_activity_summary', 'user_device_counts', 'users', 'orders',
                    'service_bookings', 'reviews'
                )
            )
    )
ORDER BY bytes DESC, name;

-- name: get_beacon_rate
-- Sessions that began in the last hour, and sessions with a sign of life in the last minute; bots among them.
SELECT
    (
        SELECT count(*)
        FROM metrics_sessions
        WHERE started_at >= :'as_of'::timestamptz - interval '1 hour' AND started_at < :'as_of'::timestamptz
    ) AS started_in_hour,
    (
        SELECT count(*)
        FROM metrics_sessions
        WHERE ended_at IS NULL
            AND COALESCE(last_activity_at, started_at) >= :'as_of'::timestamptz - interval '1 minute'
    ) AS seen_in_minute;

-- name: get_chore_state
-- How far the background is: sessions whose end nobody stored yet, the fold's moment, and what waits for it.
SELECT
    (
        SELECT count(*)
        FROM metrics_sessions
        WHERE ended_at IS NULL AND COALESCE(last_activity_at, started_at) <= :'as_of'::timestamptz - :'timeout'::interval
    ) AS unswept,
    f.folded_until,
    (SELECT count(*) FROM metrics_changes) AS waiting_changes
FROM metrics_fold AS f;
