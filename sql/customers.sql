-- Customers: lists, counts and exports. `:source` is where the order and the filters come from, `:counted` has the counts
-- of the interval, `:kept` those that are kept in order; `:required` names a column of users where the order comes from
-- there, so that its index is used.

-- fragment: matching
-- Which customers the filters leave; a filter that is NULL is folded away when the statement is planned.
:required IS NOT NULL
    AND (:'search'::text IS NULL
        -- The id is the shop's and never NULL: it says so, and the join may begin with what the search finds.
        OR (c.id IS NOT NULL
            AND (c.search_text ILIKE :'search'::text
                OR (c.search_text LIKE :'digits'::text
                    AND regexp_replace(c.phone, '\D', '', 'g') LIKE :'digits'::text))))
    -- Whoever may not read contacts may not guess them either, letter by letter.
    AND (NOT :names_only
        OR :'search'::text IS NULL
        OR metrics_mask_name(split_part(c.search_text, E'\x1f', 1)) ILIKE :'search'::text)
    AND (:'device'::text IS NULL OR c.primary_device = :'device'::text)
    AND (:'country'::text IS NULL OR c.country = :'country'::text)
    AND CASE :'activity'::text
        WHEN 'active' THEN CASE
            WHEN :'since'::timestamptz IS NULL THEN c.latest_activity_at > '-infinity'
            ELSE c.sessions_in_period + c.orders_in_period + c.bookings_in_period > 0
        END
        WHEN 'inactive' THEN c.registered_at <= :'inactive_since'::timestamptz
            AND c.latest_activity_at < :'inactive_since'::timestamptz
        WHEN 'never' THEN c.latest_activity_at = '-infinity'
        ELSE true
    END

-- fragment: lifetime
-- Who a customer is, and what they did in all time.
c.id,
:mask_email(c.email) AS email,
:mask_name(c.first_name) AS first_name,
:mask_name(c.last_name) AS last_name,
:mask_name(c.full_name) AS full_name,
:mask_phone(c.phone) AS phone,
c.city,
c.country,
c.registered_at,
c.total_sessions,
c.total_orders,
c.total_bookings,
c.total_reviews,
c.total_spent

-- fragment: latest
-- What a customer did last, with what they usually come, and whether they are here now.
c.last_login_at AS last_login,
c.last_order_at,
c.last_order_amount,
c.last_booking_at,
c.last_booking_service,
NULLIF(c.latest_activity_at, '-infinity') AS latest_activity_at,
c.primary_device,
c.primary_browser,
c.primary_os,
EXISTS (
    SELECT 1
    FROM metrics_sessions AS s
    WHERE s.user_id = c.user_id
        AND s.ended_at IS NULL
        AND NOT s.is_bot
        AND COALESCE(s.last_activity_at, s.started_at) > :'as_of'::timestamptz - :'timeout'::interval
) AS is_active

-- name: count_customers
-- How many customers the same filters leave.
SELECT count(*)
FROM :source AS c
WHERE :matching;

-- name: count_kept_customers
-- How many customers there are, as kept and as moved since.
SELECT f.customers + (SELECT COALESCE(sum(c.sign), 0) FROM metrics_changes AS c WHERE c.noun = 'customer')::bigint
FROM metrics_fold AS f;

-- name: get_customer
-- One customer by id, with the counts of the interval.
SELECT
    :lifetime,
    c.sessions_in_period,
    c.orders_in_period,
    c.bookings_in_period,
    c.spent_in_period,
    :latest,
    NULL AS sort_value
FROM :counted AS c
WHERE c.user_id = :'user_id'::uuid;

-- name: list_countries
-- The countries that customers gave, for the filter.
SELECT DISTINCT country
FROM metrics_customers
WHERE country IS NOT NULL
ORDER BY country;

-- name: list_devices
-- The primary devices that customers have, for the filter.
SELECT DISTINCT primary_device
FROM metrics_customers
ORDER BY primary_device;

-- name: export_customers
-- Every filtered customer in the list's order, with text cells as the file wants them.
COPY (
    SELECT
        c.user_id AS id,
        :cell(:mask_email(c.email)) AS email,
        :cell(:mask_name(c.first_name)) AS first_name,
        :cell(:mask_name(c.last_name)) AS last_name,
        :cell(:mask_name(c.full_name)) AS full_name,
        :cell(:mask_phone(c.phone)) AS phone,
        :cell(c.city) AS city,
        :cell(c.country) AS country,
        metrics_csv_time(c.registered_at) AS registered_at,
        c.total_sessions,
        c.total_orders,
        c.total_bookings,
        c.total_reviews,
        c.total_spent::numeric(16, 2) AS total_spent,
        c.sessions_in_period,
        c.orders_in_period,
        c.bookings_in_period,
        c.spent_in_period::numeric(16, 2) AS spent_in_period,
        :cell(:'currency'::text) AS currency,
        metrics_csv_time(c.last_login_at) AS last_login,
        metrics_csv_time(c.last_order_at) AS last_order_at,
        c.last_order_amount::numeric(14, 2) AS last_order_amount,
        metrics_csv_time(c.last_booking_at) AS last_booking_at,
        :cell(c.last_booking_service) AS last_booking_service,
        :cell(c.primary_device) AS primary_device,
        :cell(c.primary_browser) AS primary_browser,
        :cell(c.primary_os) AS primary_os
    FROM :counted AS c
    WHERE :matching
    ORDER BY :sort_column :direction :nulls, c.latest_activity_at DESC, c.user_id
) TO STDOUT (FORMAT csv, HEADER true, ENCODING 'UTF8');
