-- What sessions are made of: device, browser and operating system.

-- fragment: kept_sessions
-- How many of each make, kept and moved.
SELECT k.device_type, k.browser_name, k.browser_version, k.os_name, k.os_version, k.sessions
FROM (
    SELECT is_bot, device_type, browser_name, browser_version, os_name, os_version, sessions
    FROM metrics_period_sessions
    WHERE period = :'interval'::text
    UNION ALL
    SELECT is_bot, device_type, browser_name, browser_version, os_name, os_version, sign
    FROM metrics_session_moves(ARRAY[:'interval'::text], :'as_of'::timestamptz)
) AS k
WHERE :'include_bots'::boolean OR NOT k.is_bot

-- name: list_shares
-- Sessions of the window by one dimension, the most common first.
SELECT s.:column AS value, count(*) AS sessions
FROM metrics_sessions AS s
WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
    AND s.started_at < :'as_of'::timestamptz
    AND (:'include_bots'::boolean OR NOT s.is_bot)
GROUP BY 1
ORDER BY sessions DESC, value;

-- name: list_versions
-- Sessions of the window within one family, by its version, the most common first.
SELECT COALESCE(s.:version_column, 'Unknown') AS value, count(*) AS sessions
FROM metrics_sessions AS s
WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
    AND s.started_at < :'as_of'::timestamptz
    AND (:'include_bots'::boolean OR NOT s.is_bot)
    AND s.:column = :'family'::text
GROUP BY 1
ORDER BY sessions DESC, value;

-- name: list_kept_shares
-- The same from what is kept of the period, with what moved since then.
SELECT v.:column AS value, sum(v.sessions)::bigint AS sessions
FROM (:kept_sessions) AS v
GROUP BY 1
HAVING sum(v.sessions) <> 0
ORDER BY sessions DESC, value;

-- name: list_kept_versions
-- The same within one family, by its version.
SELECT COALESCE(v.:version_column, 'Unknown') AS value, sum(v.sessions)::bigint AS sessions
FROM (:kept_sessions) AS v
WHERE v.:column = :'family'::text
GROUP BY 1
HAVING sum(v.sessions) <> 0
ORDER BY sessions DESC, value;
