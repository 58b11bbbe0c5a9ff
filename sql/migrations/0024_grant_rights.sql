-- Who may do what, in one list: `migrate` gives it again each time and `check` compares, because a restore may have lost
-- it, or the roles were made later.
CREATE FUNCTION metrics_rights() RETURNS TABLE (role_name text, object text, is_function boolean)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    SELECT r.role_name, o.object, r.is_function
    FROM (VALUES
        ('metrics_reader', false, ARRAY[
            'metrics_customers', 'metrics_sessions', 'metrics_orders', 'metrics_bookings', 'metrics_registrations',
            'metrics_kept_customers', 'metrics_changes', 'metrics_fold', 'metrics_periods', 'metrics_period_totals',
            'metrics_period_sessions', 'metrics_period_durations', 'metrics_period_customers', 'metrics_points',
            'metrics_pruned_customers', 'metrics_pruned_sessions', 'metrics_pruned_durations', 'metrics_pruned_points',
            'metrics_pruned_places', 'metrics_retention', 'metrics_erasures', 'metrics_migrations'
        ]),
        ('metrics_admin', false, ARRAY['metrics_audit', 'metrics_api_keys', 'metrics_sign_outs', 'metrics_migrations']),
        ('metrics_admin', true, ARRAY[
            'metrics_begin_erasure(uuid)', 'metrics_count_traces(uuid)', 'metrics_erase_customer(uuid, text)',
            'metrics_export_person(uuid, text)', 'metrics_fold_step(text, interval, interval)',
            'metrics_prune_sessions(timestamptz, text, integer)', 'metrics_reset_all_sessions(text)',
            'metrics_reset_customer(uuid, text)', 'metrics_sign_out(text)',
            'metrics_sweep_sessions(interval, interval, integer)',
            'metrics_write_audit(text, text, text, bigint, jsonb)'
        ]),
        ('metrics_beacon', true, ARRAY[
            'metrics_start_sessions(json, interval, interval)', 'metrics_heartbeat_sessions(json, interval, interval)',
            'metrics_end_sessions(json, interval, interval)', 'metrics_take_step(uuid, integer)'
        ]),
        -- The shop's own customers, by policies that show each the own rows.
        ('metrics_customer', false, ARRAY['user_sessions', 'user_activity_summary']),
        ('authenticated', false, ARRAY['user_sessions', 'user_activity_summary'])
    ) AS r (role_name, is_function, objects)
    CROSS JOIN LATERAL unnest(r.objects) AS o (object)
$$;

-- What is missing of that: a role (no object), a right, or a policy without which a right shows nothing; and what is too
-- much: functions with the owner's rights that everybody may call, or put on a table of their own as a trigger, to feed
-- them rows of their own types. A trigger fires without that right.
CREATE FUNCTION metrics_wrong_rights() RETURNS TABLE (role_name text, object text, is_function boolean)
LANGUAGE sql STABLE
SET search_path FROM CURRENT
AS $$
    WITH wanted AS (
        SELECT r.role_name, r.object, r.is_function, roles.oid AS role_id
        FROM metrics_rights() AS r
        LEFT JOIN pg_roles AS roles ON roles.rolname = r.role_name
    )
    SELECT DISTINCT role_name, NULL::text, false
    FROM wanted
    WHERE role_id IS NULL AND role_name LIKE 'metrics%'
    UNION ALL
    SELECT role_name, object, is_function
    FROM wanted
    WHERE role_id IS NOT NULL AND (
        CASE
            WHEN is_function THEN NOT has_function_privilege(role_id, to_regprocedure(object), 'EXECUTE')
            ELSE NOT has_table_privilege(role_id, to_regclass(object), 'SELECT')
        END
        OR NOT has_schema_privilege(role_id, current_schema(), 'USAGE')
        OR (
            NOT is_function
            AND role_name IN ('metrics_reader', 'metrics_admin')
            AND (SELECT c.relrowsecurity FROM pg_class AS c WHERE c.oid = to_regclass(object))
            AND NOT EXISTS (
                SELECT 1 FROM pg_policy AS p WHERE p.polrelid = to_regclass(object) AND role_id = ANY (p.polroles)
            )
        )
    )
    UNION ALL
    SELECT 'PUBLIC', p.oid::regprocedure::text, true
    FROM pg_proc AS p
    CROSS JOIN LATERAL aclexplode(COALESCE(p.proacl, acldefault('f', p.proowner))) AS a
    WHERE p.pronamespace = current_schema()::regnamespace
        AND (p.proname LIKE 'metrics\_%' OR p.proname LIKE 'update\_user\_activity\_%')
        AND p.prosecdef
        AND a.privilege_type = 'EXECUTE'
        AND (a.grantee = 0 OR a.grantee::regrole::text IN ('anon', 'authenticated'))
$$;

-- Makes it right, as far as who calls it may; says what an administrator has to do else.
CREATE FUNCTION metrics_grant_rights() RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    wrong record;
    stranger text;
BEGIN
    FOR wrong IN SELECT role_name FROM metrics_wrong_rights() WHERE object IS NULL LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wrong.role_name);
            IF NOT pg_has_role(current_user, wrong.role_name, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO %I', wrong.role_name, current_user);
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL; -- another migration made it in this very moment
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'Role % is missing. Ask the administrator to run: CREATE ROLE % NOLOGIN; GRANT % TO %;',
                    wrong.role_name, wrong.role_name, wrong.role_name, current_user;
        END;
    END LOOP;
    -- First, because it hides that somebody lacks a right of their own.
    FOR wrong IN SELECT object FROM metrics_wrong_rights() AS w WHERE w.role_name = 'PUBLIC' LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', wrong.object);
        FOREACH stranger IN ARRAY ARRAY['anon', 'authenticated'] LOOP
            IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = stranger) THEN
                EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', wrong.object, stranger);
            END IF;
        END LOOP;
    END LOOP;
    FOR wrong IN SELECT * FROM metrics_wrong_rights() AS w WHERE w.object IS NOT NULL AND w.role_name <> 'PUBLIC' LOOP
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), wrong.role_name);
        IF wrong.is_function THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', wrong.object, wrong.role_name);
            CONTINUE;
        END IF;
        EXECUTE format('GRANT SELECT ON %s TO %I', wrong.object, wrong.role_name);
        IF wrong.role_name IN ('metrics_reader', 'metrics_admin') AND EXISTS (
            SELECT 1
            FROM pg_class AS c
            WHERE c.oid = to_regclass(wrong.object) AND c.relrowsecurity AND NOT EXISTS (
                SELECT 1 FROM pg_policy AS p
                WHERE p.polrelid = c.oid AND wrong.role_name::regrole::oid = ANY (p.polroles)
            )
        ) THEN
            EXECUTE format(
                'CREATE POLICY %I ON %s FOR SELECT TO %I USING (true)',
                replace(wrong.role_name, 'metrics_reader', 'metrics_read') || '_' || wrong.object,
                wrong.object,
                wrong.role_name
            );
        END IF;
    END LOOP;
END
$$;

REVOKE ALL ON FUNCTION metrics_grant_rights() FROM PUBLIC;
