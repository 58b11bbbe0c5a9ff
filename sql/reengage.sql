-- Re-engagement: whom to write to again. Every audience and every segment is one condition, in one place.

-- fragment: judged
-- Every customer with what decides: paid counted orders up to as_of, and the segment that follows from them.
bought AS MATERIALIZED (
    SELECT
        o.user_id,
        count(*) AS frequency,
        -- An order without a date was long ago, as far as anybody knows.
        max(COALESCE(o.created_at, '-infinity')) AS latest_at,
        sum(o.spent) AS money
    FROM metrics_orders AS o
    WHERE o.is_counted
        AND o.payment_status = 'paid'
        AND o.user_id IS NOT NULL
        AND COALESCE(o.created_at, '-infinity') < :'as_of'::timestamptz
    GROUP BY o.user_id
),
edge AS (
    SELECT percentile_disc(0.8) WITHIN GROUP (ORDER BY money) AS money
    FROM bought
),
judged AS (
    SELECT
        c.*,
        CASE
            WHEN b.user_id IS NULL THEN 'prospects'
            WHEN b.latest_at >= :'month_ago'::timestamptz AND b.frequency >= 4 THEN 'champions'
            WHEN b.latest_at >= :'quarter_ago'::timestamptz AND b.frequency >= 2 THEN 'loyal'
            WHEN b.latest_at >= :'month_ago'::timestamptz THEN 'new'
            WHEN b.latest_at >= :'quarter_ago'::timestamptz THEN 'promising'
            -- Whoever never paid anything loses us nothing, however many there are of them.
            WHEN b.money >= edge.money AND b.money > 0 THEN 'cant_lose'
            WHEN b.latest_at < :'half_ago'::timestamptz THEN 'lost'
            WHEN b.frequency >= 2 THEN 'at_risk'
            ELSE 'hibernating'
        END AS segment
    FROM metrics_customers AS c
    LEFT JOIN bought AS b ON b.user_id = c.user_id
    CROSS JOIN edge
)

-- fragment: is_lapsed
-- Bought, and not for thirty days; may still visit.
(j.total_orders > 0 AND j.last_order_at < :'month_ago'::timestamptz)

-- fragment: is_inactive
-- Registered thirty days ago or earlier, and neither session, order nor booking since.
(j.registered_at <= :'month_ago'::timestamptz AND j.latest_activity_at < :'month_ago'::timestamptz)

-- fragment: is_booked
-- Booked, and never ordered.
(j.total_bookings > 0 AND j.total_orders = 0)

-- fragment: is_once
-- One order, thirty days ago or earlier, and no booking after it.
(
    j.total_orders = 1
    AND j.last_order_at < :'month_ago'::timestamptz
    AND (j.last_booking_at IS NULL OR j.last_booking_at <= j.last_order_at)
)

-- fragment: wanted_audience
-- Who is in the audience that was asked for.
CASE :'audience'::text
    WHEN 'lapsed' THEN :is_lapsed
    WHEN 'inactive' THEN :is_inactive
    WHEN 'booked' THEN :is_booked
    WHEN 'once' THEN :is_once
    ELSE j.segment = :'audience'::text
END

-- name: list_audiences
-- How many are in each audience, and what they spent in their lifetime.
WITH :judged
SELECT a.audience, count(*) AS customers, sum(j.total_spent) AS value
FROM judged AS j
CROSS JOIN LATERAL (VALUES
    ('lapsed', :is_lapsed),
    ('inactive', :is_inactive),
    ('booked', :is_booked),
    ('once', :is_once),
    (j.segment, true)
) AS a (audience, is_in)
WHERE a.is_in
GROUP BY a.audience
ORDER BY a.audience;

-- name: count_audience
-- How many are in one audience.
WITH :judged
SELECT count(*)
FROM judged AS j
WHERE :wanted_audience;

-- name: list_audience
-- One page of an audience, those that spent most first.
WITH :judged
SELECT
    j.user_id AS id,
    :mask_name(j.full_name) AS full_name,
    :mask_email(j.email) AS email,
    :mask_phone(j.phone) AS phone,
    j.total_orders,
    j.total_bookings,
    j.total_spent,
    j.last_order_at,
    j.last_order_amount,
    j.last_login_at AS last_login,
    j.segment
FROM judged AS j
WHERE :wanted_audience
ORDER BY j.total_spent DESC, j.latest_activity_at DESC, j.user_id
LIMIT :'limit'::bigint
OFFSET :'offset'::bigint;

-- name: export_audience
-- Everybody in an audience, in the list's order, as a campaign wants it.
COPY (
    WITH :judged
    SELECT
        j.user_id AS id,
        :cell(:mask_email(j.email)) AS email,
        :cell(:mask_name(j.first_name)) AS first_name,
        :cell(:mask_name(j.last_name)) AS last_name,
        :cell(:mask_name(j.full_name)) AS full_name,
        :cell(:mask_phone(j.phone)) AS phone,
        :cell(j.city) AS city,
        :cell(j.country) AS country,
        :'audience'::text AS audience,
        j.segment,
        metrics_csv_time(j.last_order_at) AS last_order_at,
        j.total_orders,
        j.total_spent::numeric(16, 2) AS total_spent,
        :cell(:'currency'::text) AS currency,
        metrics_csv_time(j.last_login_at) AS last_login
    FROM judged AS j
    WHERE :wanted_audience
    ORDER BY j.total_spent DESC, j.latest_activity_at DESC, j.user_id
) TO STDOUT (FORMAT csv, HEADER true, ENCODING 'UTF8');
