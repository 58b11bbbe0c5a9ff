-- What changed since the last fold: signed rows, appended by statement-level triggers, in the order of nothing. No index
-- and no lock, so that writers never wait here; late rows, corrections, deletions and restores are caught alike.

CREATE TABLE metrics_changes (
    noun text NOT NULL,
    sign smallint NOT NULL,
    user_id uuid,
    happened_at timestamptz,
    is_bot boolean,
    device_type text,
    browser_name text,
    browser_version text,
    os_name text,
    os_version text,
    -- NULL while open.
    duration_us bigint,
    is_explicit boolean,
    spent numeric
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- How far the counts of periods are folded: everything that started before folded_until and was committed when the fold
-- looked; NULL where nothing is folded. One row.
CREATE TABLE metrics_fold (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    folded_until timestamptz,
    timezone text,
    customers bigint NOT NULL DEFAULT 0,
    folded_at timestamptz
);
INSERT INTO metrics_fold DEFAULT VALUES;

-- Whether somebody said that the session was over; silence is no such word.
CREATE FUNCTION metrics_is_explicit(end_reason text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN COALESCE(end_reason IN ('sign_out', 'user_switch', 'page_hide', 'reported'), false);

-- Microseconds from start to end, within zero and a day; NULL while active. A day is the longest session there is.
CREATE FUNCTION metrics_duration_us(started_at timestamptz, ended_at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (metrics_duration_seconds(started_at, ended_at, interval '24 hours') * 1000000)::bigint;

-- The second that a duration counts as in medians and percentiles, rounded half up.
CREATE FUNCTION metrics_whole_seconds(duration_us bigint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((duration_us + 500000) / 1000000)::integer;

CREATE FUNCTION metrics_log_session_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes
        SELECT
            'session', 1, s.user_id, s.started_at, s.is_bot, COALESCE(s.device_type, 'Unknown'),
            COALESCE(s.browser_name, 'Unknown'), s.browser_version, COALESCE(s.os_name, 'Unknown'), s.os_version,
            metrics_duration_us(s.started_at, s.ended_at), metrics_is_explicit(s.end_reason), NULL
        FROM new_rows AS s;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes
        SELECT
            'session', -1, s.user_id, s.started_at, s.is_bot, COALESCE(s.device_type, 'Unknown'),
            COALESCE(s.browser_name, 'Unknown'), s.browser_version, COALESCE(s.os_name, 'Unknown'), s.os_version,
            metrics_duration_us(s.started_at, s.ended_at), metrics_is_explicit(s.end_reason), NULL
        FROM old_rows AS s;
    ELSIF TG_OP = 'UPDATE' THEN
        -- A sign of life changes nothing that counts, and falls out on both sides.
        WITH new_facts AS (
            SELECT
                id, user_id, started_at, is_bot, device_type, browser_name, browser_version, os_name, os_version,
                ended_at, end_reason
            FROM new_rows
        ),
        old_facts AS (
            SELECT
                id, user_id, started_at, is_bot, device_type, browser_name, browser_version, os_name, os_version,
                ended_at, end_reason
            FROM old_rows
        )
        INSERT INTO metrics_changes
        SELECT
            'session', s.sign, s.user_id, s.started_at, s.is_bot, COALESCE(s.device_type, 'Unknown'),
            COALESCE(s.browser_name, 'Unknown'), s.browser_version, COALESCE(s.os_name, 'Unknown'), s.os_version,
            metrics_duration_us(s.started_at, s.ended_at), metrics_is_explicit(s.end_reason), NULL
        FROM (
            SELECT 1 AS sign, came.* FROM (SELECT * FROM new_facts EXCEPT SELECT * FROM old_facts) AS came
            UNION ALL
            SELECT -1, went.* FROM (SELECT * FROM old_facts EXCEPT SELECT * FROM new_facts) AS went
        ) AS s;
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION metrics_log_order_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at, spent)
        SELECT 'order', 1, user_id, created_at, metrics_spent(status::text, payment_status::text, total_amount)
        FROM new_rows
        WHERE metrics_is_counted_order(status::text, payment_status::text);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at, spent)
        SELECT 'order', -1, user_id, created_at, metrics_spent(status::text, payment_status::text, total_amount)
        FROM old_rows
        WHERE metrics_is_counted_order(status::text, payment_status::text);
    ELSIF TG_OP = 'UPDATE' THEN
        WITH new_facts AS (
            SELECT id, user_id, created_at, status::text, payment_status::text, total_amount FROM new_rows
        ),
        old_facts AS (
            SELECT id, user_id, created_at, status::text, payment_status::text, total_amount FROM old_rows
        )
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at, spent)
        SELECT 'order', o.sign, o.user_id, o.created_at, metrics_spent(o.status, o.payment_status, o.total_amount)
        FROM (
            SELECT 1 AS sign, came.* FROM (SELECT * FROM new_facts EXCEPT SELECT * FROM old_facts) AS came
            UNION ALL
            SELECT -1, went.* FROM (SELECT * FROM old_facts EXCEPT SELECT * FROM new_facts) AS went
        ) AS o
        WHERE metrics_is_counted_order(o.status, o.payment_status);
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION metrics_log_booking_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'booking', 1, user_id, created_at FROM new_rows WHERE metrics_is_counted_booking(status::text);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'booking', -1, user_id, created_at FROM old_rows WHERE metrics_is_counted_booking(status::text);
    ELSIF TG_OP = 'UPDATE' THEN
        WITH new_facts AS (SELECT id, user_id, created_at, status::text FROM new_rows),
        old_facts AS (SELECT id, user_id, created_at, status::text FROM old_rows)
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'booking', b.sign, b.user_id, b.created_at
        FROM (
            SELECT 1 AS sign, came.* FROM (SELECT * FROM new_facts EXCEPT SELECT * FROM old_facts) AS came
            UNION ALL
            SELECT -1, went.* FROM (SELECT * FROM old_facts EXCEPT SELECT * FROM new_facts) AS went
        ) AS b
        WHERE metrics_is_counted_booking(b.status);
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

-- Whoever registers or leaves; their other rows come and go with triggers of their own.
CREATE FUNCTION metrics_log_customer_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        VALUES ('customer', -1, OLD.id, OLD.created_at), ('customer', 1, NEW.id, NEW.created_at);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', 1, id, created_at FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', -1, id, created_at FROM old_rows;
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

DO $$
DECLARE
    target record;
BEGIN
    FOR target IN
        SELECT *
        FROM (VALUES
            ('user_sessions', 'session', true),
            ('orders', 'order', true),
            ('service_bookings', 'booking', true),
            ('users', 'customer', false)
        ) AS t (table_name, noun, logs_updates)
    LOOP
        EXECUTE format(
            'CREATE TRIGGER trigger_log_%1$s_insert AFTER INSERT ON %2$I
                REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION metrics_log_%1$s_changes()',
            target.noun, target.table_name);
        EXECUTE format(
            'CREATE TRIGGER trigger_log_%1$s_delete AFTER DELETE ON %2$I
                REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION metrics_log_%1$s_changes()',
            target.noun, target.table_name);
        EXECUTE format(
            'CREATE TRIGGER trigger_log_%1$s_truncate AFTER TRUNCATE ON %2$I
                FOR EACH STATEMENT EXECUTE FUNCTION metrics_log_%1$s_changes()',
            target.noun, target.table_name);
        IF target.logs_updates THEN
            EXECUTE format(
                'CREATE TRIGGER trigger_log_%1$s_update AFTER UPDATE ON %2$I
                    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
                    FOR EACH STATEMENT EXECUTE FUNCTION metrics_log_%1$s_changes()',
                target.noun, target.table_name);
        END IF;
    END LOOP;
END
$$;

-- Of a customer's own row, what counts hardly ever changes.
CREATE TRIGGER trigger_log_customer_update
    AFTER UPDATE OF id, created_at ON users
    FOR EACH ROW WHEN ((OLD.id, OLD.created_at) IS DISTINCT FROM (NEW.id, NEW.created_at))
    EXECUTE FUNCTION metrics_log_customer_changes();
