-- Rhythm: at which hours of which weekdays sessions begin, in the local time zone.

-- fragment: week_cells
-- Every hour of every weekday, Monday first, with what `counted` has there.
SELECT w.weekday, h.hour, COALESCE(sum(counted.sessions), 0)::bigint AS sessions
FROM generate_series(1, 7) AS w (weekday)
CROSS JOIN generate_series(0, 23) AS h (hour)
LEFT JOIN counted
    ON EXTRACT(isodow FROM counted.local_at) = w.weekday AND EXTRACT(hour FROM counted.local_at) = h.hour
GROUP BY w.weekday, h.hour
ORDER BY w.weekday, h.hour

-- fragment: pruned_hours
-- What retention took, where there is no lower bound.
SELECT p.bucket_at AT TIME ZONE :'timezone'::text AS local_at, p.sessions
FROM metrics_pruned_points AS p
WHERE :'since'::timestamptz IS NULL
    AND p.unit = 'hour'
    AND (:'include_bots'::boolean OR NOT p.is_bot)

-- name: list_hours
-- Sessions of the window by weekday and hour, counted one by one.
WITH counted AS (
    SELECT date_trunc('hour', s.started_at AT TIME ZONE :'timezone'::text) AS local_at, count(*) AS sessions
    FROM metrics_sessions AS s
    WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
        AND s.started_at < :'as_of'::timestamptz
        AND (:'include_bots'::boolean OR NOT s.is_bot)
    GROUP BY 1
    UNION ALL
    :pruned_hours
)
:week_cells;

-- name: list_kept_hours
-- The same from the hours that are kept, with what moved since then; the hour that since cuts, up to whole_from, is counted.
WITH counted AS (
    SELECT p.bucket_at AT TIME ZONE :'timezone'::text AS local_at, p.sessions
    FROM (
        SELECT bucket_at, is_bot, sessions
        FROM metrics_points
        WHERE unit = 'hour'
        UNION ALL
        -- By the hour it began in: what the fold counted after as_of is taken back from the hour it was counted in.
        SELECT date_trunc('hour', started_at, :'timezone'::text), is_bot, sign
        FROM metrics_session_moves(ARRAY['all'], :'as_of'::timestamptz)
    ) AS p
    WHERE (:'since'::timestamptz IS NULL OR p.bucket_at >= :'whole_from'::timestamptz)
        AND p.bucket_at < :'as_of'::timestamptz
        AND (:'include_bots'::boolean OR NOT p.is_bot)
    UNION ALL
    SELECT s.started_at AT TIME ZONE :'timezone'::text, 1
    FROM metrics_sessions AS s
    WHERE s.started_at >= :'since'::timestamptz
        AND s.started_at < LEAST(:'whole_from'::timestamptz, :'as_of'::timestamptz)
        AND (:'include_bots'::boolean OR NOT s.is_bot)
    UNION ALL
    :pruned_hours
)
:week_cells;
