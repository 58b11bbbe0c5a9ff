-- Erasure and reset: what we know of a customer goes, what the shop knows (orders, bookings, reviews) is never touched.

-- A session of whom we forgot is a guest's. The shop's row is locked as the foreign key would lock it a moment later:
-- whoever waits here for an erasure sees it afterwards.
CREATE FUNCTION metrics_forget_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM 1 FROM users WHERE id = NEW.user_id FOR KEY SHARE;
    IF EXISTS (SELECT 1 FROM metrics_erasures WHERE user_id = NEW.user_id) THEN
        NEW.user_id := NULL;
        NEW.identity_verified := false;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_forget_erased_insert
    BEFORE INSERT ON user_sessions
    FOR EACH ROW WHEN (NEW.user_id IS NOT NULL)
    EXECUTE FUNCTION metrics_forget_erased();
CREATE TRIGGER trigger_forget_erased_update
    BEFORE UPDATE OF user_id ON user_sessions
    FOR EACH ROW WHEN (NEW.user_id IS NOT NULL AND NEW.user_id IS DISTINCT FROM OLD.user_id)
    EXECUTE FUNCTION metrics_forget_erased();

-- The rows of ours that name a customer, by table: what an erasure would remove, and what must be zero after it.
CREATE FUNCTION metrics_count_traces(only_user_id uuid) RETURNS TABLE (table_name text, total_rows bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
SELECT 'user_sessions', count(*) FROM user_sessions WHERE user_id = only_user_id
UNION ALL
SELECT 'user_activity_summary', count(*) FROM user_activity_summary WHERE user_id = only_user_id
UNION ALL
SELECT 'user_device_counts', count(*) FROM user_device_counts WHERE user_id = only_user_id
UNION ALL
SELECT 'metrics_pruned_customers', count(*) FROM metrics_pruned_customers WHERE user_id = only_user_id
UNION ALL
SELECT 'metrics_period_customers', count(*)
FROM metrics_period_customers
WHERE user_id = only_user_id AND period IN ('daily', 'weekly', 'monthly')
UNION ALL
-- An order or booking that passes through is the shop's, as its row is.
SELECT 'metrics_changes', count(*)
FROM metrics_changes
WHERE user_id = only_user_id AND noun NOT IN ('order', 'booking')
$$;

-- The first half: from its commit on, nothing new of this customer is stored. It waits for whoever is storing something.
CREATE FUNCTION metrics_begin_erasure(only_user_id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    PERFORM 1 FROM users WHERE id = only_user_id FOR UPDATE;
    INSERT INTO metrics_erasures (user_id) VALUES (only_user_id) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;

-- The second half: what is there goes, and every count with it; returns how many rows of each table. What is kept of
-- periods follows with the next fold.
CREATE FUNCTION metrics_erase_customer(only_user_id uuid, actor text)
RETURNS TABLE (table_name text, total_rows bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    removed jsonb;
    found_rows bigint;
    was_customer boolean;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM metrics_erasures WHERE user_id = only_user_id) THEN
        RAISE EXCEPTION 'An erasure has two halves: call metrics_begin_erasure first, and commit';
    END IF;
    PERFORM pg_advisory_xact_lock(7283764121);
    -- Sessions before summaries, as beacons lock them.
    DELETE FROM user_sessions WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := jsonb_build_object('user_sessions', found_rows);
    INSERT INTO metrics_changes (noun, sign, user_id)
    SELECT 'pruned', -sum(sessions), user_id
    FROM metrics_pruned_customers
    WHERE user_id = only_user_id AND NOT is_bot
    GROUP BY user_id;
    DELETE FROM metrics_pruned_customers WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := removed || jsonb_build_object('metrics_pruned_customers', found_rows);
    DELETE FROM user_device_counts WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := removed || jsonb_build_object('user_device_counts', found_rows);
    DELETE FROM user_activity_summary WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    was_customer := found_rows > 0;
    removed := removed || jsonb_build_object('user_activity_summary', found_rows);
    INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
    SELECT 'customer', -1, id, created_at FROM users WHERE id = only_user_id AND was_customer;
    -- Where nothing is kept, nobody will ask the log.
    DELETE FROM metrics_changes
    WHERE user_id = only_user_id AND (SELECT folded_until IS NULL FROM metrics_fold);
    PERFORM metrics_write_audit(
        actor, 'erase', only_user_id::text, (SELECT sum(value::bigint) FROM jsonb_each_text(removed))::bigint, removed
    );
    RETURN QUERY SELECT key, value::bigint FROM jsonb_each_text(removed);
END
$$;

-- A customer's visits are forgotten, and counted from one again; the customer stays, with orders, bookings and reviews.
CREATE FUNCTION metrics_reset_customer(only_user_id uuid, actor text)
RETURNS TABLE (table_name text, total_rows bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    removed jsonb;
    found_rows bigint;
    pruned metrics_session_change[];
BEGIN
    PERFORM pg_advisory_xact_lock(7283764121);
    DELETE FROM user_sessions WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := jsonb_build_object('user_sessions', found_rows);
    pruned := ARRAY(
        SELECT (p.user_id, p.device_type, p.browser_name, p.os_name, 0, p.sessions, NULL)::metrics_session_change
        FROM metrics_pruned_customers AS p
        WHERE p.user_id = only_user_id AND NOT p.is_bot
    );
    DELETE FROM metrics_pruned_customers WHERE user_id = only_user_id;
    GET DIAGNOSTICS found_rows = ROW_COUNT;
    removed := removed || jsonb_build_object('metrics_pruned_customers', found_rows);
    PERFORM metrics_apply_session_changes(pruned);
    INSERT INTO metrics_changes (noun, sign, user_id)
    SELECT 'pruned', -sum(p.went), only_user_id FROM unnest(pruned) AS p HAVING count(*) > 0;
    INSERT INTO metrics_changes (noun, sign, user_id) VALUES ('summary', 0, only_user_id);
    -- Locked by now, or here: a sign-in that comes meanwhile is stored after this.
    PERFORM 1 FROM user_activity_summary WHERE user_id = only_user_id FOR NO KEY UPDATE;
    UPDATE user_activity_summary
    SET last_login_at = (
            SELECT max(s.started_at) FROM user_sessions AS s WHERE s.user_id = only_user_id AND NOT s.is_bot
        ),
        updated_at = now()
    WHERE user_id = only_user_id;
    PERFORM metrics_write_audit(
        actor, 'reset', only_user_id::text, (SELECT sum(value::bigint) FROM jsonb_each_text(removed))::bigint, removed
    );
    RETURN QUERY SELECT key, value::bigint FROM jsonb_each_text(removed);
END
$$;

-- Every session of everybody is forgotten, and what retention kept of them; customers, orders, bookings and reviews stay.
CREATE FUNCTION metrics_reset_all_sessions(actor text) RETURNS TABLE (table_name text, total_rows bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
DECLARE
    removed jsonb;
BEGIN
    PERFORM pg_advisory_xact_lock(7283764121);
    LOCK TABLE user_sessions IN ACCESS EXCLUSIVE MODE;
    SELECT jsonb_build_object(
        'user_sessions', (SELECT count(*) FROM user_sessions),
        'metrics_pruned_sessions', (SELECT COALESCE(sum(sessions), 0) FROM metrics_pruned_sessions)
    ) INTO removed;
    TRUNCATE metrics_pruned_customers, metrics_pruned_sessions, metrics_pruned_durations, metrics_pruned_points,
        metrics_pruned_places;
    TRUNCATE user_sessions;
    UPDATE user_activity_summary SET last_login_at = NULL, updated_at = now() WHERE last_login_at IS NOT NULL;
    UPDATE metrics_retention SET kept_since = NULL, first_started_at = NULL, total_pruned = 0;
    UPDATE metrics_fold SET folded_until = NULL;
    PERFORM metrics_write_audit(
        actor, 'reset', 'all sessions', (SELECT sum(value::bigint) FROM jsonb_each_text(removed))::bigint, removed
    );
    RETURN QUERY SELECT key, value::bigint FROM jsonb_each_text(removed);
END
$$;

-- All that we and the shop's tables we read know of a person, for the person; NULL for nobody we know. Never the
-- tracker's own session id, and addresses as people may see them.
CREATE FUNCTION metrics_export_person(only_user_id uuid, actor text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
DECLARE
    person jsonb;
    found_sessions bigint;
BEGIN
    SELECT count(*) INTO found_sessions FROM user_sessions WHERE user_id = only_user_id;
    SELECT jsonb_build_object(
        'id', u.id,
        'exported_at', now(),
        'customer', jsonb_build_object(
            'email', u.email, 'first_name', u.first_name, 'last_name', u.last_name, 'phone', u.phone, 'city', u.city,
            'country', u.country, 'registered_at', u.created_at
        ),
        'summary', (
            SELECT to_jsonb(summary) - ARRAY['id', 'user_id']
            FROM user_activity_summary AS summary WHERE summary.user_id = u.id
        ),
        'sessions', (
            SELECT COALESCE(jsonb_agg(to_jsonb(s) - ARRAY['user_id'] ORDER BY s.started_at DESC, s.id DESC), '[]')
            FROM (
                SELECT
                    id, user_id, started_at, last_activity_at, ended_at, end_reason, device_type, browser_name,
                    browser_version, os_name, os_version, metrics_mask_ip(ip_address) AS ip_address, country, city,
                    landing_page, referrer, user_agent, is_bot, identity_verified
                FROM user_sessions
            ) AS s
            WHERE s.user_id = u.id
        ),
        'earlier_sessions', (
            SELECT COALESCE(jsonb_agg(to_jsonb(p) - ARRAY['user_id'] ORDER BY p.last_started_at DESC), '[]')
            FROM metrics_pruned_customers AS p WHERE p.user_id = u.id
        ),
        'orders', (
            SELECT COALESCE(jsonb_agg(to_jsonb(o) ORDER BY o.created_at DESC, o.id), '[]')
            FROM (
                SELECT id, total_amount, status, payment_status, created_at FROM orders WHERE user_id = only_user_id
            ) AS o
        ),
        'bookings', (
            SELECT COALESCE(jsonb_agg(to_jsonb(b) ORDER BY b.created_at DESC, b.id), '[]')
            FROM (
                SELECT b.id, COALESCE(service.title, b.service_type) AS service, b.status, b.total_amount, b.created_at
                FROM service_bookings AS b
                LEFT JOIN services AS service ON service.id = b.service_id
                WHERE b.user_id = only_user_id
            ) AS b
        ),
        'reviews', (
            SELECT COALESCE(jsonb_agg(to_jsonb(r) ORDER BY r.created_at DESC, r.id), '[]')
            FROM (SELECT id, product_id, rating, created_at FROM reviews WHERE user_id = only_user_id) AS r
        ),
        'erased_at', (SELECT e.erased_at FROM metrics_erasures AS e WHERE e.user_id = u.id)
    ) INTO person
    FROM users AS u
    WHERE u.id = only_user_id;
    IF person IS NOT NULL THEN
        PERFORM metrics_write_audit(actor, 'export person', only_user_id::text, found_sessions);
    END IF;
    RETURN person;
END
$$;

REVOKE ALL ON FUNCTION metrics_export_person(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_count_traces(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_begin_erasure(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_erase_customer(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_reset_customer(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_reset_all_sessions(text) FROM PUBLIC;
DO $$
DECLARE
    stranger text;
    deed text;
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_admin') THEN
        GRANT EXECUTE ON FUNCTION metrics_count_traces(uuid), metrics_begin_erasure(uuid),
            metrics_erase_customer(uuid, text), metrics_reset_customer(uuid, text), metrics_reset_all_sessions(text),
            metrics_export_person(uuid, text)
            TO metrics_admin;
    END IF;
    -- Supabase grants what is new to the roles of its public API too.
    FOREACH stranger IN ARRAY ARRAY['anon', 'authenticated'] LOOP
        CONTINUE WHEN NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = stranger);
        FOREACH deed IN ARRAY ARRAY[
            'metrics_count_traces(uuid)', 'metrics_begin_erasure(uuid)', 'metrics_erase_customer(uuid, text)',
            'metrics_reset_customer(uuid, text)', 'metrics_reset_all_sessions(text)',
            'metrics_export_person(uuid, text)', 'metrics_prune_sessions(timestamptz, text, integer)'
        ] LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', deed, stranger);
        END LOOP;
    END LOOP;
END
$$;
