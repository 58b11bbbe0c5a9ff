-- The three questions of the reference's monitoring, each by counting the rows and nothing kept: run by hand, they say
-- what the screens say. In psql: \set as_of now() and so on, then the statement.

-- name: get_end_rate
-- How many sessions of the window ended, and how many said so themselves; bots left out.
SELECT
    count(*) AS sessions,
    count(*) FILTER (WHERE NOT s.is_active) AS ended,
    round(100.0 * count(*) FILTER (WHERE NOT s.is_active) / NULLIF(count(*), 0), 2) AS end_rate_percent,
    round(
        100.0 * count(*) FILTER (WHERE NOT s.is_active AND metrics_is_explicit(s.end_reason))
            / NULLIF(count(*) FILTER (WHERE NOT s.is_active), 0),
        2
    ) AS explicit_end_rate_percent
FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
WHERE s.started_at >= :'since'::timestamptz
    AND s.started_at < :'as_of'::timestamptz
    AND NOT s.is_bot;

-- name: get_average_duration
-- How long sessions of the window lasted that ended, in seconds, and how many they were; bots left out.
SELECT
    count(*) AS sessions,
    avg(s.duration_seconds) AS avg_duration_seconds
FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
WHERE s.started_at >= :'since'::timestamptz
    AND s.started_at < :'as_of'::timestamptz
    AND NOT s.is_active
    AND NOT s.is_bot;

-- name: list_most_active
-- Who came most often in the window, by id and number of sessions; ties by latest activity, then by id.
SELECT c.user_id, :mask_name(c.full_name) AS full_name, came.sessions
FROM (
    SELECT s.user_id, count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE s.started_at >= :'since'::timestamptz
        AND s.started_at < :'as_of'::timestamptz
        AND s.user_id IS NOT NULL
        AND NOT s.is_bot
    GROUP BY s.user_id
) AS came
JOIN metrics_customers AS c ON c.user_id = came.user_id
ORDER BY came.sessions DESC, c.latest_activity_at DESC, c.user_id
LIMIT :'limit'::bigint;
