-- The three questions of the reference's monitoring, each by counting the rows themselves, with what retention took from
-- them: run by hand, they say what the screens say. Without since there is no lower bound.

-- name: get_end_rate
-- How many sessions of the window ended, and how many said so themselves; bots left out.
SELECT
    COALESCE(sum(s.sessions), 0)::bigint AS sessions,
    COALESCE(sum(s.ended), 0)::bigint AS ended,
    round(100.0 * sum(s.ended) / NULLIF(sum(s.sessions), 0), 2) AS end_rate_percent,
    round(100.0 * sum(s.explicitly_ended) / NULLIF(sum(s.ended), 0), 2) AS explicit_end_rate_percent
FROM (
    SELECT
        count(*) AS sessions,
        count(*) FILTER (WHERE NOT is_active) AS ended,
        count(*) FILTER (WHERE NOT is_active AND metrics_is_explicit(end_reason)) AS explicitly_ended
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval)
    WHERE (:'since'::timestamptz IS NULL OR started_at >= :'since'::timestamptz)
        AND started_at < :'as_of'::timestamptz
        AND NOT is_bot
    UNION ALL
    SELECT sum(sessions), sum(sessions), sum(explicitly_ended)
    FROM metrics_pruned_sessions
    WHERE :'since'::timestamptz IS NULL AND NOT is_bot
) AS s;

-- name: get_average_duration
-- How long sessions of the window lasted that ended, in seconds, and how many they were; bots left out.
SELECT
    COALESCE(sum(s.sessions), 0)::bigint AS sessions,
    (sum(s.seconds) / NULLIF(sum(s.sessions), 0))::double precision AS avg_duration_seconds
FROM (
    SELECT count(*) AS sessions, sum(duration_seconds)::numeric AS seconds
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval)
    WHERE (:'since'::timestamptz IS NULL OR started_at >= :'since'::timestamptz)
        AND started_at < :'as_of'::timestamptz
        AND NOT is_active
        AND NOT is_bot
    UNION ALL
    SELECT sum(sessions), sum(duration_us) / 1000000
    FROM metrics_pruned_sessions
    WHERE :'since'::timestamptz IS NULL AND NOT is_bot
) AS s;

-- name: list_most_active
-- Who came most often in the window, by id and number of sessions; ties by latest activity, then by id.
SELECT c.user_id, :mask_name(c.full_name) AS full_name, came.sessions
FROM (
    SELECT s.user_id, sum(s.sessions)::bigint AS sessions
    FROM (
        SELECT user_id, 1 AS sessions
        FROM metrics_sessions
        WHERE (:'since'::timestamptz IS NULL OR started_at >= :'since'::timestamptz)
            AND started_at < :'as_of'::timestamptz
            AND user_id IS NOT NULL
            AND NOT is_bot
        UNION ALL
        SELECT user_id, sessions
        FROM metrics_pruned_customers
        WHERE :'since'::timestamptz IS NULL AND NOT is_bot
    ) AS s
    GROUP BY s.user_id
) AS came
JOIN metrics_customers AS c ON c.user_id = came.user_id
ORDER BY came.sessions DESC, c.latest_activity_at DESC, c.user_id
LIMIT :'limit'::bigint;
