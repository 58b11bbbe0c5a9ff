-- What sessions are made of: device, browser and operating system.

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
