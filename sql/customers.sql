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
c.email,
c.first_name,
c.last_name,
c.full_name,
c.phone,
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

-- fragment: follows
-- What comes after the customer that the page before ended with; without one, everybody.
CASE
    WHEN :'after_id'::uuid IS NULL THEN true
    WHEN :'after_value'::text IS NULL THEN :sort_column IS NULL
        AND (c.latest_activity_at < :'after_latest'::timestamptz
            OR (c.latest_activity_at = :'after_latest'::timestamptz AND c.user_id > :'after_id'::uuid))
    ELSE :sort_column IS NULL
        OR :sort_column :comparison CAST(:'after_value'::text AS :sort_type)
        OR (:sort_column = CAST(:'after_value'::text AS :sort_type)
            AND (c.latest_activity_at < :'after_latest'::timestamptz
                OR (c.latest_activity_at = :'after_latest'::timestamptz AND c.user_id > :'after_id'::uuid)))
END

-- fragment: page_of
-- The customers of a page, each as `counted` knows them.
SELECT
    :lifetime,
    c.sessions_in_period,
    c.orders_in_period,
    c.bookings_in_period,
    c.spent_in_period,
    :latest,
    page.sort_value::text AS sort_value
FROM page
JOIN :counted AS c ON c.user_id = page.user_id
ORDER BY page.sort_value :direction :nulls, page.latest_activity_at DESC, page.user_id

-- name: list_customers
-- One page: sorted over the whole base before the limit, NULLs last, ties by latest activity, then by id.
WITH page AS (
    SELECT
        c.user_id,
        :sort_column AS sort_value,
        c.latest_activity_at,
        c.sessions_in_period,
        c.orders_in_period,
        c.bookings_in_period,
        c.spent_in_period
    FROM :source AS c
    WHERE :matching AND :follows
    ORDER BY :sort_column :direction :nulls, c.latest_activity_at DESC, c.user_id
    LIMIT :'limit'::bigint
    OFFSET :'offset'::bigint
)
SELECT
    :lifetime,
    page.sessions_in_period,
    page.orders_in_period,
    page.bookings_in_period,
    page.spent_in_period,
    :latest,
    page.sort_value::text AS sort_value
FROM page
JOIN metrics_customers AS c ON c.user_id = page.user_id
ORDER BY page.sort_value :direction :nulls, page.latest_activity_at DESC, page.user_id;

-- name: list_customers_by_moment
-- The same where an index has the order: NULLs are read apart, as they are last whichever way the index is read.
WITH page AS (
    SELECT *
    FROM (
        (
            SELECT c.user_id, :sort_column AS sort_value, c.latest_activity_at
            FROM :source AS c
            WHERE :matching
                AND :follows
                AND :sort_column IS NOT NULL
                -- Where the index may begin.
                AND CASE
                    WHEN :'after_id'::uuid IS NULL THEN true
                    WHEN :'after_value'::text IS NULL THEN false
                    ELSE :sort_column :comparison= CAST(:'after_value'::text AS :sort_type)
                END
            -- None is NULL here, but the index is found only where it would have them.
            ORDER BY :sort_column :direction :index_nulls, c.latest_activity_at DESC, c.user_id
            LIMIT :'limit'::bigint + :'offset'::bigint
        )
        UNION ALL
        (
            SELECT c.user_id, :sort_column, c.latest_activity_at
            FROM :source AS c
            WHERE :matching AND :follows AND :sort_column IS NULL
            ORDER BY :sort_column DESC NULLS LAST, c.latest_activity_at DESC, c.user_id
            LIMIT :'limit'::bigint + :'offset'::bigint
        )
    ) AS c
    ORDER BY sort_value :direction :nulls, latest_activity_at DESC, user_id
    LIMIT :'limit'::bigint
    OFFSET :'offset'::bigint
)
:page_of;

-- fragment: moved
-- Whose counts or moments are no longer what is kept; nobody where lifetimes are asked for, which are never late.
SELECT m.user_id
FROM metrics_customer_moves(ARRAY[:'interval'::text], :'as_of'::timestamptz) AS m
WHERE :'since'::timestamptz IS NOT NULL

-- fragment: settled
-- Of those that did not move, who matches.
:is_kept AND c.user_id NOT IN (SELECT user_id FROM moved) AND :matching AND :follows

-- fragment: changed
-- Those that moved, with their counts as they are.
SELECT c.user_id, :sort_column AS sort_value, c.latest_activity_at
FROM :counted AS c
WHERE c.user_id = ANY (ARRAY(SELECT user_id FROM moved)) AND :matching AND :follows

-- name: list_customers_by_count
-- The same by a count, the highest first: in the order of an index, and those that moved beside them.
WITH moved AS MATERIALIZED (:moved),
page AS (
    SELECT *
    FROM (
        (
            SELECT c.user_id, :sort_column AS sort_value, c.latest_activity_at
            FROM :kept AS c
            WHERE :settled
                AND (
                    :'after_id'::uuid IS NULL
                    OR (:sort_column, c.latest_activity_at)
                        <= (:'after_value'::bigint, :'after_latest'::timestamptz)
                )
            ORDER BY :sort_column DESC, c.latest_activity_at DESC, c.user_id
            LIMIT :'limit'::bigint + :'offset'::bigint
        )
        UNION ALL
        (:changed)
    ) AS c
    ORDER BY sort_value DESC, latest_activity_at DESC, user_id
    LIMIT :'limit'::bigint
    OFFSET :'offset'::bigint
)
:page_of;

-- name: list_customers_by_lowest_count
-- The same, the lowest first. Most customers tie there: each count is read by itself, in the order of its ties, until
-- there are enough.
WITH RECURSIVE moved AS MATERIALIZED (:moved),
counts (value, found) AS (
    SELECT
        (
            SELECT :sort_column
            FROM :kept AS c
            WHERE :is_kept AND :sort_column >= COALESCE(:'after_value'::bigint, 0)
            ORDER BY :sort_column
            LIMIT 1
        ),
        0::bigint
    UNION ALL
    SELECT
        (
            SELECT :sort_column
            FROM :kept AS c
            WHERE :is_kept AND :sort_column > counts.value
            ORDER BY :sort_column
            LIMIT 1
        ),
        counts.found + (
            SELECT count(*)
            FROM (
                SELECT 1
                FROM :kept AS c
                WHERE :sort_column = counts.value AND :settled
                LIMIT :'limit'::bigint + :'offset'::bigint
            ) AS enough
        )
    FROM counts
    WHERE counts.value IS NOT NULL AND counts.found < :'limit'::bigint + :'offset'::bigint
),
page AS (
    SELECT *
    FROM (
        SELECT tied.*
        FROM counts
        CROSS JOIN LATERAL (
            SELECT c.user_id, :sort_column AS sort_value, c.latest_activity_at
            FROM :kept AS c
            WHERE :sort_column = counts.value AND :settled
            ORDER BY c.latest_activity_at DESC, c.user_id
            LIMIT :'limit'::bigint + :'offset'::bigint
        ) AS tied
        UNION ALL
        (:changed)
    ) AS c
    ORDER BY sort_value, latest_activity_at DESC, user_id
    LIMIT :'limit'::bigint
    OFFSET :'offset'::bigint
)
:page_of;

-- name: count_customers
-- How many customers the same filters leave.
SELECT count(*)
FROM :source AS c
WHERE :matching;

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
        :cell(c.email) AS email,
        :cell(c.first_name) AS first_name,
        :cell(c.last_name) AS last_name,
        :cell(c.full_name) AS full_name,
        :cell(c.phone) AS phone,
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
