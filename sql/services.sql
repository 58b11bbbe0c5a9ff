-- Services: how often each was booked and for how much, over time too, and who books it.

-- fragment: bookings_inside
-- The bookings of the window, cancelled ones too, each with the present name of its service.
SELECT
    b.user_id,
    COALESCE(NULLIF(btrim(b.service), ''), 'Unknown service') AS service,
    b.total_amount,
    b.created_at,
    b.is_counted
FROM metrics_bookings AS b
WHERE (:'since'::timestamptz IS NULL OR b.created_at >= :'since'::timestamptz)
    AND b.created_at < :'as_of'::timestamptz

-- name: list_services
-- Each service booked in the window, the most booked first, before them all together: NULL is their name.
SELECT
    CASE WHEN GROUPING(b.service) = 0 THEN b.service END AS service,
    count(*) FILTER (WHERE b.is_counted) AS bookings,
    count(*) FILTER (WHERE NOT b.is_counted) AS cancelled,
    count(DISTINCT b.user_id) FILTER (WHERE b.is_counted) AS customers,
    count(*) FILTER (WHERE b.is_counted AND b.user_id IS NULL) AS guest_bookings,
    COALESCE(sum(b.total_amount) FILTER (WHERE b.is_counted), 0) AS booked_value
FROM (:bookings_inside) AS b
GROUP BY GROUPING SETS ((b.service), ())
ORDER BY GROUPING(b.service) DESC, bookings DESC, b.service;

-- name: list_service_series
-- Counted bookings by service in every hour, day or month: the most booked, all others in one, zeros included.
WITH counts AS MATERIALIZED (
    SELECT
        date_trunc(:'bucket'::text, b.created_at, :'timezone'::text) AS bucket_at,
        b.service,
        count(*) AS bookings,
        COALESCE(sum(b.total_amount), 0) AS booked_value
    FROM (:bookings_inside) AS b
    WHERE b.is_counted
    GROUP BY 1, 2
),
ranked AS (
    SELECT
        c.service,
        -- A service of the very name of the rest is part of the rest.
        row_number() OVER (ORDER BY c.service = 'Other', sum(c.bookings) DESC, c.service) AS place,
        count(*) OVER () AS services
    FROM counts AS c
    GROUP BY c.service
),
named AS (
    SELECT
        c.bucket_at,
        -- A rest of one service would hide its name for nothing.
        CASE
            WHEN r.place < :'most'::bigint OR r.services <= :'most'::bigint THEN c.service
            ELSE 'Other'
        END AS service,
        min(r.place) AS place,
        sum(c.bookings) AS bookings,
        sum(c.booked_value) AS booked_value
    FROM counts AS c
    JOIN ranked AS r ON r.service = c.service
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
    v.service,
    COALESCE(n.bookings, 0)::bigint AS bookings,
    COALESCE(n.booked_value, 0) AS booked_value
FROM buckets AS b
CROSS JOIN (SELECT service, min(place) AS place FROM named GROUP BY service) AS v
LEFT JOIN named AS n ON n.bucket_at = b.bucket_at AND n.service = v.service
ORDER BY b.bucket_at, v.place, v.service;

-- name: list_service_customers
-- Who booked a service, or any, in the window: the most bookings first, then the highest value, then the latest.
WITH booked AS (
    SELECT
        b.user_id,
        count(*) AS bookings,
        COALESCE(sum(b.total_amount), 0) AS booked_value,
        max(b.created_at) AS last_booked_at
    FROM (:bookings_inside) AS b
    WHERE b.is_counted
        AND b.user_id IS NOT NULL
        AND (:'service'::text IS NULL OR b.service = :'service'::text)
    GROUP BY b.user_id
    ORDER BY bookings DESC, booked_value DESC, last_booked_at DESC, b.user_id
    LIMIT :'limit'::bigint
    OFFSET :'offset'::bigint
)
SELECT
    booked.user_id AS id,
    -- A shop may keep bookings of a customer who is gone.
    COALESCE(:mask_name(c.full_name), 'Unnamed customer') AS full_name,
    :mask_email(c.email) AS email,
    :mask_phone(c.phone) AS phone,
    booked.bookings,
    booked.booked_value,
    booked.last_booked_at
FROM booked
LEFT JOIN metrics_customers AS c ON c.user_id = booked.user_id
ORDER BY booked.bookings DESC, booked.booked_value DESC, booked.last_booked_at DESC, booked.user_id;
