-- What sessions are made of: device, browser and operating system; how that changes; and where they come from. Over all
-- time, where there is no `since`, what retention took is added to the rows that are left.

-- fragment: kept_sessions
-- How many of each make, kept, moved and pruned.
SELECT k.device_type, k.browser_name, k.browser_version, k.os_name, k.os_version, k.sessions
FROM (
    SELECT is_bot, device_type, browser_name, browser_version, os_name, os_version, sessions
    FROM metrics_period_sessions
    WHERE period = :'interval'::text
    UNION ALL
    SELECT is_bot, device_type, browser_name, browser_version, os_name, os_version, sign
    FROM metrics_session_moves(ARRAY[:'interval'::text], :'as_of'::timestamptz)
    UNION ALL
    SELECT is_bot, device_type, browser_name, browser_version, os_name, os_version, sessions
    FROM metrics_pruned_sessions
    WHERE :'since'::timestamptz IS NULL
) AS k
WHERE :'include_bots'::boolean OR NOT k.is_bot

-- fragment: sessions_inside
-- Which sessions the window holds.
(:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
    AND s.started_at < :'as_of'::timestamptz
    AND (:'include_bots'::boolean OR NOT s.is_bot)

-- fragment: pruned_inside
-- Which pruned ones belong to it: all or none, for they have no moment.
:'since'::timestamptz IS NULL AND (:'include_bots'::boolean OR NOT p.is_bot)

-- name: list_shares
-- Sessions of the window by one dimension, the most common first.
SELECT v.value, sum(v.sessions)::bigint AS sessions
FROM (
    SELECT s.:column AS value, count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE :sessions_inside
    GROUP BY 1
    UNION ALL
    SELECT p.:column, p.sessions
    FROM metrics_pruned_sessions AS p
    WHERE :pruned_inside
) AS v
GROUP BY 1
ORDER BY sessions DESC, value;

-- name: list_versions
-- Sessions of the window within one family, by its version, the most common first.
SELECT COALESCE(v.version, 'Unknown') AS value, sum(v.sessions)::bigint AS sessions
FROM (
    SELECT s.:version_column AS version, count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE :sessions_inside AND s.:column = :'family'::text
    GROUP BY 1
    UNION ALL
    SELECT p.:version_column, p.sessions
    FROM metrics_pruned_sessions AS p
    WHERE :pruned_inside AND p.:column = :'family'::text
) AS v
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

-- name: list_share_series
-- Sessions by one dimension in every hour, day or month: the largest few families, all others in one, zeros included.
WITH counts AS MATERIALIZED (
    SELECT
        date_trunc(:'bucket'::text, s.started_at, :'timezone'::text) AS bucket_at,
        s.:column AS value,
        count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE :sessions_inside
    GROUP BY 1, 2
),
families AS (
    SELECT
        c.value,
        -- A family of the very name of the rest is part of the rest.
        row_number() OVER (ORDER BY c.value = 'Other', sum(c.sessions) DESC, c.value) AS place
    FROM counts AS c
    GROUP BY c.value
),
named AS (
    SELECT
        c.bucket_at,
        CASE WHEN f.place <= :'most'::bigint AND f.value <> 'Other' THEN f.value ELSE 'Other' END AS value,
        min(f.place) AS place,
        sum(c.sessions) AS sessions
    FROM counts AS c
    JOIN families AS f ON f.value = c.value
    GROUP BY 1, 2
),
buckets AS (
    SELECT local_at AT TIME ZONE :'timezone'::text AS bucket_at
    FROM generate_series(
        date_trunc(
            :'bucket'::text,
            COALESCE(:'since'::timestamptz, (SELECT min(c.bucket_at) FROM counts AS c)) AT TIME ZONE :'timezone'::text
        ),
        :'as_of'::timestamptz AT TIME ZONE :'timezone'::text - interval '1 microsecond',
        ('1 ' || :'bucket'::text)::interval
    ) AS local_at
    -- Where the clocks go back, an hour comes twice, and a series of local hours has it once.
    UNION
    SELECT c.bucket_at FROM counts AS c
)
SELECT
    b.bucket_at,
    v.value,
    COALESCE(n.sessions, 0)::bigint AS sessions,
    (COALESCE(n.sessions, 0) / sum(n.sessions) OVER (PARTITION BY b.bucket_at))::double precision AS share
FROM buckets AS b
CROSS JOIN (SELECT value, min(place) AS place FROM named GROUP BY value) AS v
LEFT JOIN named AS n ON n.bucket_at = b.bucket_at AND n.value = v.value
ORDER BY b.bucket_at, v.place, v.value;

-- name: list_places
-- Sessions of the window by country, or by city and country, the most common first; Unknown is a place too.
SELECT
    COALESCE(NULLIF(btrim(v.country), ''), 'Unknown') AS country,
    CASE WHEN :'level'::text = 'city' THEN COALESCE(NULLIF(btrim(v.city), ''), 'Unknown') END AS city,
    sum(v.sessions)::bigint AS sessions
FROM (
    SELECT s.country, CASE WHEN :'level'::text = 'city' THEN s.city END AS city, count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE :sessions_inside
    GROUP BY 1, 2
    UNION ALL
    SELECT p.country, p.city, p.sessions
    FROM metrics_pruned_places AS p
    WHERE :pruned_inside
) AS v
GROUP BY 1, 2
ORDER BY sessions DESC, country, city;
