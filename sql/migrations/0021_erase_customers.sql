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
SELECT 'metrics_changes', count(*) FROM metrics_changes WHERE user_id = only_user_id
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
    UPDATE metrics_retention SET kept_since = NULL, total_pruned = 0;
    UPDATE metrics_fold SET folded_until = NULL;
    PERFORM metrics_write_audit(
        actor, 'reset', 'all sessions', (SELECT sum(value::bigint) FROM jsonb_each_text(removed))::bigint, removed
    );
    RETURN QUERY SELECT key, value::bigint FROM jsonb_each_text(removed);
END
$$;

REVOKE ALL ON FUNCTION metrics_count_traces(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_begin_erasure(uuid) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_erase_customer(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_reset_customer(uuid, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_reset_all_sessions(text) FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_admin') THEN
        GRANT EXECUTE ON FUNCTION metrics_count_traces(uuid), metrics_begin_erasure(uuid),
            metrics_erase_customer(uuid, text), metrics_reset_customer(uuid, text), metrics_reset_all_sessions(text)
            TO metrics_admin;
        -- Supabase grants what is new to the roles of its public API: REVOKE from PUBLIC leaves those.
    END IF;
    DECLARE
        stranger text;
        deed text;
    BEGIN
        FOREACH stranger IN ARRAY ARRAY['anon', 'authenticated'] LOOP
            CONTINUE WHEN NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = stranger);
            FOREACH deed IN ARRAY ARRAY[
                'metrics_count_traces(uuid)', 'metrics_begin_erasure(uuid)', 'metrics_erase_customer(uuid, text)',
                'metrics_reset_customer(uuid, text)', 'metrics_reset_all_sessions(text)',
                'metrics_prune_sessions(timestamptz, text, integer)'
            ] LOOP
                EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', deed, stranger);
            END LOOP;
        END LOOP;
    END;
END
$$;
