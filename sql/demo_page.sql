-- The demo shop's own deeds: who may be signed in as, an order, a booking.

-- name: list_demo_customers
-- The customers that the demo shop offers to sign in as: the newest with a name.
SELECT id, full_name
FROM metrics_customers
WHERE first_name IS NOT NULL
ORDER BY registered_at DESC, id
LIMIT 5;

-- name: get_demo_customer
-- One customer's name.
SELECT id, full_name
FROM metrics_customers
WHERE id = :'user_id'::uuid;

-- name: add_demo_order
-- A paid order of right now.
INSERT INTO orders (user_id, total_amount, status, payment_status)
VALUES (:'user_id'::uuid, :'amount'::numeric, 'completed', 'paid');

-- name: add_demo_booking
-- A booking of right now, and the service with it where the shop does not offer it yet.
WITH offered AS (
    SELECT id FROM services WHERE title = :'service' ORDER BY id LIMIT 1
),
added AS (
    INSERT INTO services (title)
    SELECT :'service' WHERE NOT EXISTS (SELECT 1 FROM offered)
    RETURNING id
)
INSERT INTO service_bookings (service_id, user_id, service_type, status, total_amount)
SELECT id, :'user_id'::uuid, :'service', 'confirmed', :'amount'::numeric
FROM (SELECT id FROM offered UNION ALL SELECT id FROM added) AS service;
