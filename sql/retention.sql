-- Retention: sessions older than the shop keeps them.

-- name: get_retention
-- How far retention is.
SELECT kept_since, ran_at, total_pruned
FROM metrics_retention;

-- name: count_prunable
-- How many sessions a run would remove.
SELECT count(*)
FROM metrics_sessions AS s
WHERE s.started_at < :'until'::timestamptz
    AND COALESCE(s.ended_at, s.last_activity_at, s.started_at) < :'until'::timestamptz;

-- name: prune_sessions
-- A batch, counted.
SELECT count(*)
FROM metrics_prune_sessions(:'until'::timestamptz, :'timezone'::text, :'max_rows'::integer);

-- name: prune_sessions_to_archive
-- A batch, with what an archive may keep: never the tracker's own session id, and addresses as people may see them.
SELECT
    id,
    user_id,
    started_at,
    last_activity_at,
    ended_at,
    end_reason,
    device_type,
    browser_name,
    browser_version,
    os_name,
    os_version,
    metrics_mask_ip(ip_address) AS ip_address,
    country,
    city,
    landing_page,
    referrer,
    user_agent,
    is_bot,
    identity_verified
FROM metrics_prune_sessions(:'until'::timestamptz, :'timezone'::text, :'max_rows'::integer);

-- name: get_prune_until
-- What was over before that moment is older than the shop keeps it; an age in hours, as days differ where clocks change.
SELECT now() - :'age'::interval;
