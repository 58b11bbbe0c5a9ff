-- Statement-level triggers: a bulk load or a batch of beacons costs one pass. Each locks the summary rows of the
-- customers it touches in id order, so that no two writers wait for each other, and only then reads what is last:
-- by then it sees everything that was committed before it.

CREATE TYPE metrics_order_change AS (user_id uuid, orders integer, spent numeric);

CREATE FUNCTION metrics_apply_order_changes(changes metrics_order_change[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
AS $$
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (ARRAY(SELECT user_id FROM unnest(changes)))
    ORDER BY user_id
    FOR NO KEY UPDATE;

    UPDATE user_activity_summary AS summary
    SET total_orders = summary.total_orders + change.orders,
        total_spent = summary.total_spent + change.spent,
        last_order_at = last_order.created_at,
        last_order_amount = last_order.total_amount,
        updated_at = now()
    FROM unnest(changes) AS change
    LEFT JOIN LATERAL (
        SELECT o.created_at, o.total_amount
        FROM orders AS o
        WHERE o.user_id = change.user_id AND metrics_is_counted_order(o.status::text, o.payment_status::text)
        ORDER BY o.created_at DESC NULLS LAST, o.id DESC
        LIMIT 1
    ) AS last_order ON true
    WHERE summary.user_id = change.user_id;
END
$$;

CREATE FUNCTION update_user_activity_on_order() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    changes metrics_order_change[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg((c.user_id, c.orders, c.spent)::metrics_order_change) INTO changes
        FROM (
            SELECT
                o.user_id,
                count(*) FILTER (WHERE metrics_is_counted_order(o.status::text, o.payment_status::text)) AS orders,
                sum(metrics_spent(o.status::text, o.payment_status::text, o.total_amount)) AS spent
            FROM new_rows AS o
            WHERE o.user_id IS NOT NULL
            GROUP BY o.user_id
        ) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg((c.user_id, -c.orders, -c.spent)::metrics_order_change) INTO changes
        FROM (
            SELECT
                o.user_id,
                count(*) FILTER (WHERE metrics_is_counted_order(o.status::text, o.payment_status::text)) AS orders,
                sum(metrics_spent(o.status::text, o.payment_status::text, o.total_amount)) AS spent
            FROM old_rows AS o
            WHERE o.user_id IS NOT NULL
            GROUP BY o.user_id
        ) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        -- Rows that changed in nothing that counts fall out on both sides.
        WITH came AS (
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM new_rows
            EXCEPT
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM old_rows
        ),
        went AS (
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM old_rows
            EXCEPT
            SELECT id, user_id, status::text, payment_status::text, total_amount, created_at FROM new_rows
        )
        SELECT array_agg((c.user_id, c.orders, c.spent)::metrics_order_change) INTO changes
        FROM (
            SELECT
                o.user_id,
                COALESCE(sum(o.sign) FILTER (WHERE metrics_is_counted_order(o.status, o.payment_status)), 0) AS orders,
                sum(o.sign * metrics_spent(o.status, o.payment_status, o.total_amount)) AS spent
            FROM (SELECT *, 1 AS sign FROM came UNION ALL SELECT *, -1 FROM went) AS o
            WHERE o.user_id IS NOT NULL
            GROUP BY o.user_id
        ) AS c;
    ELSE
        UPDATE user_activity_summary
        SET total_orders = 0, total_spent = 0, last_order_at = NULL, last_order_amount = NULL, updated_at = now()
        WHERE total_orders <> 0 OR last_order_at IS NOT NULL OR total_spent <> 0;
    END IF;
    PERFORM metrics_apply_order_changes(changes);
    RETURN NULL;
END
$$;

CREATE TYPE metrics_booking_change AS (user_id uuid, bookings integer);

CREATE FUNCTION metrics_apply_booking_changes(changes metrics_booking_change[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
AS $$
BEGIN
    IF changes IS NULL THEN
        RETURN;
    END IF;
    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (ARRAY(SELECT user_id FROM unnest(changes)))
    ORDER BY user_id
    FOR NO KEY UPDATE;

    UPDATE user_activity_summary AS summary
    SET total_bookings = summary.total_bookings + change.bookings,
        last_booking_at = last_booking.created_at,
        last_booking_service = last_booking.service,
        updated_at = now()
    FROM unnest(changes) AS change
    LEFT JOIN LATERAL (
        SELECT b.created_at, COALESCE(service.title, b.service_type) AS service
        FROM service_bookings AS b
        LEFT JOIN services AS service ON service.id = b.service_id
        WHERE b.user_id = change.user_id AND metrics_is_counted_booking(b.status::text)
        ORDER BY b.created_at DESC NULLS LAST, b.id DESC
        LIMIT 1
    ) AS last_booking ON true
    WHERE summary.user_id = change.user_id;
END
$$;

CREATE FUNCTION update_user_activity_on_booking() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    changes metrics_booking_change[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg((c.user_id, c.bookings)::metrics_booking_change) INTO changes
        FROM (
            SELECT user_id, count(*) FILTER (WHERE metrics_is_counted_booking(status::text)) AS bookings
            FROM new_rows
            WHERE user_id IS NOT NULL
            GROUP BY user_id
        ) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg((c.user_id, -c.bookings)::metrics_booking_change) INTO changes
        FROM (
            SELECT user_id, count(*) FILTER (WHERE metrics_is_counted_booking(status::text)) AS bookings
            FROM old_rows
            WHERE user_id IS NOT NULL
            GROUP BY user_id
        ) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        WITH came AS (
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM new_rows
            EXCEPT
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM old_rows
        ),
        went AS (
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM old_rows
            EXCEPT
            SELECT id, user_id, status::text, service_id, service_type, created_at FROM new_rows
        )
        SELECT array_agg((c.user_id, c.bookings)::metrics_booking_change) INTO changes
        FROM (
            SELECT
                b.user_id,
                COALESCE(sum(b.sign) FILTER (WHERE metrics_is_counted_booking(b.status)), 0) AS bookings
            FROM (SELECT *, 1 AS sign FROM came UNION ALL SELECT *, -1 FROM went) AS b
            WHERE b.user_id IS NOT NULL
            GROUP BY b.user_id
        ) AS c;
    ELSE
        UPDATE user_activity_summary
        SET total_bookings = 0, last_booking_at = NULL, last_booking_service = NULL, updated_at = now()
        WHERE total_bookings <> 0 OR last_booking_at IS NOT NULL OR last_booking_service IS NOT NULL;
    END IF;
    PERFORM metrics_apply_booking_changes(changes);
    RETURN NULL;
END
$$;

-- A service that is renamed or removed changes the name of the last booking, not its number.
CREATE FUNCTION update_user_activity_on_service() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    changed_ids text[];
    changes metrics_booking_change[];
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT array_agg(id) INTO changed_ids
        FROM (SELECT id::text, title FROM old_rows EXCEPT SELECT id::text, title FROM new_rows) AS changed;
    ELSE
        SELECT array_agg(id::text) INTO changed_ids FROM old_rows;
    END IF;
    IF changed_ids IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT array_agg((touched.user_id, 0)::metrics_booking_change) INTO changes
    FROM (
        SELECT DISTINCT user_id
        FROM service_bookings
        WHERE service_id::text = ANY (changed_ids) AND user_id IS NOT NULL
    ) AS touched;
    PERFORM metrics_apply_booking_changes(changes);
    RETURN NULL;
END
$$;

CREATE FUNCTION update_user_activity_on_review() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    user_ids uuid[];
    counts integer[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(c.user_id), array_agg(c.reviews) INTO user_ids, counts
        FROM (SELECT user_id, count(*) AS reviews FROM new_rows GROUP BY user_id) AS c;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(c.user_id), array_agg(-c.reviews) INTO user_ids, counts
        FROM (SELECT user_id, count(*) AS reviews FROM old_rows GROUP BY user_id) AS c;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(c.user_id), array_agg(c.reviews) INTO user_ids, counts
        FROM (
            SELECT r.user_id, sum(r.sign) AS reviews
            FROM (SELECT user_id, 1 AS sign FROM new_rows UNION ALL SELECT user_id, -1 FROM old_rows) AS r
            GROUP BY r.user_id
            HAVING sum(r.sign) <> 0
        ) AS c;
    ELSE
        UPDATE user_activity_summary SET total_reviews = 0, updated_at = now() WHERE total_reviews <> 0;
        RETURN NULL;
    END IF;
    PERFORM 1 FROM user_activity_summary
    WHERE user_id = ANY (user_ids)
    ORDER BY user_id
    FOR NO KEY UPDATE;
    UPDATE user_activity_summary AS summary
    SET total_reviews = summary.total_reviews + change.reviews, updated_at = now()
    FROM unnest(user_ids, counts) AS change (user_id, reviews)
    WHERE summary.user_id = change.user_id;
    RETURN NULL;
END
$$;

-- Every customer has a summary row from the first moment. A restore may bring orders before their customer.
CREATE FUNCTION update_user_activity_on_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM metrics_rebuild_summaries(ARRAY(SELECT id FROM new_rows));
    RETURN NULL;
END
$$;
