-- Pages of customers, by every way to find them: sorted over the whole base before the limit, NULLs last, ties by latest
-- activity, then by id. Filters and columns are those of customers.sql.

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
                AND (:'edge'::text IS NULL OR :sort_column :comparison= CAST(:'edge'::text AS :sort_type))
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

-- name: find_registration
-- Where a page far from the first begins among unfiltered customers, by an index of users alone: the moment, and how
-- many come before it. No row where only those without a moment are left.
SELECT edge.registered_at AS edge, passed.customers AS passed
FROM (
    SELECT registered_at
    FROM metrics_registrations
    WHERE registered_at IS NOT NULL
    ORDER BY registered_at :direction :index_nulls
    LIMIT 1
    OFFSET :'offset'::bigint
) AS edge
CROSS JOIN LATERAL (
    SELECT count(*) AS customers
    FROM metrics_registrations AS r
    WHERE r.registered_at :opposite edge.registered_at
) AS passed;

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
