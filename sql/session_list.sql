-- Sessions of everybody as they stand at `as_of`: the list with its filters, how many there are, why they ended, the file.

-- fragment: wanted_sessions
-- Which sessions the filters leave; a filter that is not set is folded away when the statement is planned. CASE instead of
-- a bare comparison: of one with an expression the planner thinks that next to nothing passes, and for a page of twenty it
-- would read and sort the whole table instead of walking down its index.
(:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
    AND s.started_at < :'as_of'::timestamptz
    AND (:'include_bots'::boolean OR NOT s.is_bot)
    AND (:'user_id'::uuid IS NULL OR s.user_id = :'user_id'::uuid)
    AND (:'state'::text = 'all' OR s.is_active = (:'state'::text = 'active'))
    AND CASE :'reason'::text
        WHEN 'all' THEN true
        WHEN 'unknown' THEN NOT s.is_active AND s.end_reason IS NULL
        ELSE CASE s.end_reason WHEN :'reason'::text THEN true ELSE false END
    END
    AND CASE lower(s.device_type) WHEN :'device'::text THEN true ELSE :'device'::text IS NULL END
    AND CASE s.browser_name WHEN :'browser'::text THEN true ELSE :'browser'::text IS NULL END
    AND CASE COALESCE(NULLIF(btrim(s.country), ''), 'Unknown')
        WHEN :'country'::text THEN true
        ELSE :'country'::text IS NULL
    END
    AND (:'who'::text = 'all' OR (s.user_id IS NOT NULL) = (:'who'::text = 'customers'))

-- name: list_all_sessions
-- One page of the sessions that the filters leave, latest start first, each with its customer's name; a guest has none.
WITH shown AS MATERIALIZED (
    -- Ids alone: the sessions of the pages before are passed by without working anything out for them.
    SELECT s.id
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE :wanted_sessions
    ORDER BY s.started_at DESC, s.id DESC
    LIMIT :'limit'::bigint
    OFFSET :'offset'::bigint
)
SELECT s.*, :mask_name(c.full_name) AS full_name
FROM shown
JOIN metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s ON s.id = shown.id
LEFT JOIN metrics_customers AS c ON c.user_id = s.user_id
ORDER BY s.started_at DESC, s.id DESC;

-- name: count_all_sessions
-- How many sessions the filters leave, counted up to a limit.
SELECT count(*)
FROM (
    SELECT 1
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE :wanted_sessions
    LIMIT :'limit'::bigint
) AS counted;

-- name: list_end_reasons
-- Why the sessions of the window ended, silence included; what nobody gave a reason for is unknown.
SELECT COALESCE(s.end_reason, 'unknown') AS reason, count(*) AS sessions
FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
WHERE (:'since'::timestamptz IS NULL OR s.started_at >= :'since'::timestamptz)
    AND s.started_at < :'as_of'::timestamptz
    AND (:'include_bots'::boolean OR NOT s.is_bot)
    AND NOT s.is_active
GROUP BY 1
ORDER BY sessions DESC, reason;

-- name: list_session_options
-- The devices, browsers and countries of the latest sessions, for the filters.
WITH latest AS MATERIALIZED (
    SELECT
        lower(s.device_type) AS device,
        s.browser_name AS browser,
        COALESCE(NULLIF(btrim(s.country), ''), 'Unknown') AS country
    FROM metrics_sessions AS s
    ORDER BY s.started_at DESC, s.id DESC
    LIMIT :'limit'::bigint
)
SELECT 'devices' AS name, device AS value
FROM latest
UNION
SELECT 'browsers', browser
FROM latest
UNION
SELECT 'countries', country
FROM latest
ORDER BY name, value;

-- name: export_sessions
-- Every session that the filters leave, latest start first, with text cells as the file wants them; addresses masked.
COPY (
    SELECT
        s.id AS session_id,
        s.user_id,
        metrics_csv_time(s.started_at) AS started_at,
        metrics_csv_time(s.ended_at) AS ended_at,
        round((s.duration_seconds / 60)::numeric, 2) AS duration_minutes,
        s.is_active::text AS active,
        s.end_reason,
        :cell(s.device_type) AS device_type,
        :cell(s.browser_name) AS browser_name,
        :cell(s.browser_version) AS browser_version,
        :cell(s.os_name) AS os_name,
        :cell(s.os_version) AS os_version,
        s.ip_address,
        :cell(s.country) AS country,
        :cell(s.city) AS city,
        :cell(s.landing_page) AS landing_page,
        :cell(s.referrer) AS referrer
    FROM metrics_sessions_at(:'as_of'::timestamptz, :'timeout'::interval, :'cap'::interval) AS s
    WHERE :wanted_sessions
    ORDER BY s.started_at DESC, s.id DESC
) TO STDOUT (FORMAT csv, HEADER true, ENCODING 'UTF8');
