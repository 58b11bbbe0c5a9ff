-- Sessions as they stand at `as_of`, never with the tracker's own session id.

-- name: list_sessions
-- One customer's sessions without bots, latest start first, a page at a time.
SELECT *
FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
WHERE s.user_id = :'user_id'::uuid AND NOT s.is_bot
ORDER BY s.started_at DESC, s.id DESC
LIMIT :'limit'::bigint
OFFSET :'offset'::bigint;

-- name: list_recent_sessions
-- The latest few sessions of each of these customers, without bots, latest start first.
SELECT recent.*
FROM unnest(:'user_ids'::uuid[]) AS customer (id)
CROSS JOIN LATERAL (
    SELECT *
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE s.user_id = customer.id AND NOT s.is_bot
    ORDER BY s.started_at DESC, s.id DESC
    LIMIT :'limit'::bigint
) AS recent
ORDER BY recent.user_id, recent.started_at DESC, recent.id DESC;

-- name: count_sessions
-- How many sessions of one customer are kept, without bots.
SELECT count(*)
FROM metrics_sessions
WHERE user_id = :'user_id'::uuid AND NOT is_bot;

-- name: count_online
-- Who is here now: distinct customers, and guest sessions apart, seen within the last minutes and not ended.
SELECT
    count(DISTINCT s.user_id) AS customers,
    count(*) FILTER (WHERE s.user_id IS NULL) AS guests
FROM metrics_sessions AS s
WHERE s.ended_at IS NULL
    AND NOT s.is_bot
    AND COALESCE(s.last_activity_at, s.started_at) >= :'as_of'::timestamptz - :'online'::interval;
