-- Who sees what, and who did what: masks for those who may not see contacts, a log of every deed, keys and sign-outs.

-- a…a@example.com: enough to tell two customers apart, too little to write to one.
CREATE FUNCTION metrics_mask_email(email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN position('@' IN email) > 0
    THEN left(email, 1) || '•••@' || regexp_replace(email, '^.*@', '')
    -- Whatever it is, it is no address that could be shortened.
    ELSE left(email, 1) || '•••'
END;

-- •••89: the last two digits.
CREATE FUNCTION metrics_mask_phone(phone text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '•••' || CASE
    WHEN length(regexp_replace(phone, '\D', '', 'g')) > 6 THEN right(regexp_replace(phone, '\D', '', 'g'), 2)
    ELSE ''
END;

-- A name stays; what stands there in place of one, an address or a number, does not.
CREATE FUNCTION metrics_mask_name(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN position('@' IN name) > 0 THEN metrics_mask_email(name)
    WHEN length(regexp_replace(name, '\D', '', 'g')) > 6 THEN metrics_mask_phone(name)
    ELSE name
END;

-- Every deed with personal data: who, when, what, how many. Rows are added, and never changed.
CREATE TABLE metrics_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    total_rows bigint NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX idx_metrics_audit_happened_at ON metrics_audit (happened_at DESC, id DESC);

CREATE FUNCTION metrics_refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'The audit log is only added to' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER trigger_keep_audit
    BEFORE UPDATE OR DELETE OR TRUNCATE ON metrics_audit
    FOR EACH STATEMENT EXECUTE FUNCTION metrics_refuse_change();

CREATE FUNCTION metrics_write_audit(actor text, action text, subject text, total_rows bigint, details jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE sql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
INSERT INTO metrics_audit (actor, action, subject, total_rows, details)
VALUES (left(actor, 320), action, left(subject, 320), total_rows, details)
RETURNING id
$$;

-- Keys of the JSON API: 256 random bits each, of which only the SHA-256 is known here.
CREATE TABLE metrics_api_keys (
    name text PRIMARY KEY,
    role text NOT NULL CHECK (role IN ('admin', 'analyst')),
    key_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);

-- Until when nobody's earlier sign-in counts any more: "sign out everywhere".
CREATE TABLE metrics_sign_outs (
    email text PRIMARY KEY,
    signed_out_at timestamptz NOT NULL
);

CREATE FUNCTION metrics_sign_out(email text) RETURNS timestamptz
LANGUAGE sql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
INSERT INTO metrics_sign_outs AS known (email, signed_out_at) VALUES (lower(left(email, 320)), clock_timestamp())
ON CONFLICT (email) DO UPDATE SET signed_out_at = GREATEST(known.signed_out_at, EXCLUDED.signed_out_at)
RETURNING signed_out_at
$$;

ALTER TABLE metrics_audit ENABLE ROW LEVEL SECURITY;
ALTER TABLE metrics_api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE metrics_sign_outs ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON metrics_audit, metrics_api_keys, metrics_sign_outs FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_write_audit(text, text, text, bigint, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION metrics_sign_out(text) FROM PUBLIC;

DO $$
DECLARE
    stranger text;
BEGIN
    -- Supabase grants what is new to the roles of its public API.
    FOREACH stranger IN ARRAY ARRAY['anon', 'authenticated'] LOOP
        IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = stranger) THEN
            EXECUTE format('REVOKE ALL ON metrics_audit, metrics_api_keys, metrics_sign_outs, metrics_customers,
                metrics_sessions, metrics_orders, metrics_bookings, metrics_registrations, metrics_kept_customers,
                metrics_changes, metrics_fold, metrics_periods, metrics_period_totals, metrics_period_sessions,
                metrics_period_durations, metrics_period_customers, metrics_points FROM %I', stranger);
            EXECUTE format('REVOKE ALL ON FUNCTION metrics_write_audit(text, text, text, bigint, jsonb),
                metrics_sign_out(text) FROM %I', stranger);
        END IF;
    END LOOP;
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_admin') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO metrics_admin', current_schema());
        GRANT SELECT ON metrics_audit, metrics_api_keys, metrics_sign_outs, metrics_migrations TO metrics_admin;
        GRANT EXECUTE ON FUNCTION metrics_write_audit(text, text, text, bigint, jsonb), metrics_sign_out(text)
            TO metrics_admin;
        CREATE POLICY metrics_admin_audit ON metrics_audit FOR SELECT TO metrics_admin USING (true);
        CREATE POLICY metrics_admin_keys ON metrics_api_keys FOR SELECT TO metrics_admin USING (true);
        CREATE POLICY metrics_admin_sign_outs ON metrics_sign_outs FOR SELECT TO metrics_admin USING (true);
    END IF;
END
$$;
