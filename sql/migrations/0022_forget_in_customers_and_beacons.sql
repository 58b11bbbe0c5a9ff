-- Whom we forgot is none of our customers, and no beacon's, whatever becomes of the shop's own row.

-- The shop may keep whom we forgot: they are none of our customers, whatever becomes of their row.
CREATE OR REPLACE VIEW metrics_registrations AS
SELECT id AS user_id, created_at AS registered_at
FROM users
WHERE NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = users.id);

CREATE OR REPLACE FUNCTION metrics_log_customer_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    IF TG_LEVEL = 'ROW' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', c.sign, c.id, c.created_at
        FROM (VALUES (-1, OLD.id, OLD.created_at), (1, NEW.id, NEW.created_at)) AS c (sign, id, created_at)
        WHERE NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = c.id);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', 1, id, created_at FROM new_rows AS c
        WHERE NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = c.id);
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metrics_changes (noun, sign, user_id, happened_at)
        SELECT 'customer', -1, id, created_at FROM old_rows AS c
        WHERE NOT EXISTS (SELECT 1 FROM metrics_erasures AS e WHERE e.user_id = c.id);
    ELSE
        UPDATE metrics_fold SET folded_until = NULL;
    END IF;
    RETURN NULL;
END
$$;

-- By beacons they are a guest from the first word on, so that no heartbeat finds the wrong identity.

-- Inserts the sessions that are not known yet. 'started': the row is new. 'known': it was there, and lives on by a
-- heartbeat. One message a session and call.
CREATE OR REPLACE FUNCTION metrics_start_sessions(beacons json, timeout interval, cap interval)
RETURNS TABLE (n integer, outcome text, started_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
    asked metrics_beacon[];
    known record;
    known_ids text[] := '{}';
BEGIN
    -- An identity that the shop does not have, any more or yet, is a guest's.
    SELECT array_agg((b.*)::metrics_beacon ORDER BY b.session_id) INTO asked
    FROM (
        SELECT
            b.n, b.id, b.session_id, b.t, b.age, b.up, b.received_at, u.user_id, b.states_identity,
            COALESCE(b.is_verified, false) AND u.user_id IS NOT NULL AS is_verified, COALESCE(b.is_end, false) AS is_end,
            b.reason, b.previous_session_id, b.device_type, b.browser_name, b.browser_version, b.os_name, b.os_version,
            COALESCE(b.is_bot, false) AS is_bot, b.ip_address, b.country, b.city, b.landing_page, b.referrer,
            b.user_agent
        FROM json_populate_recordset(NULL::metrics_beacon, beacons) AS b
        LEFT JOIN metrics_registrations AS u ON u.user_id = b.user_id
    ) AS b;

    -- Rows of sessions before rows of summaries, each in one order: two processes never wait for each other.
    FOR known IN
        SELECT
            b.session_id,
            b.t,
            b.user_id AS asked_user_id,
            s.id,
            s.user_id,
            s.started_at,
            s.ended_at,
            s.end_reason,
            COALESCE(s.last_activity_at, s.started_at) AS last_activity_at,
            metrics_happened_at(b.received_at, b.age, cap) AS happened_at
        FROM unnest(asked) AS b
        JOIN user_sessions AS s ON s.session_id = b.session_id
        ORDER BY b.session_id, s.started_at, s.id
        FOR UPDATE OF s
    LOOP
        IF known.t IS NOT NULL THEN
            known_ids := known_ids || known.session_id::text;
        ELSIF known.user_id IS NOT DISTINCT FROM known.asked_user_id THEN
            IF known.happened_at >= known.last_activity_at + timeout
                OR known.happened_at >= known.started_at + cap
                OR (known.user_id IS NOT NULL AND known.end_reason IN ('sign_out', 'user_switch'))
            THEN
                -- A visit that is over, and a tracker that never makes a new id: the finished row gives its id away.
                UPDATE user_sessions
                SET session_id = left(known.session_id, 200) || ' ' || known.id,
                    ended_at = COALESCE(ended_at, LEAST(known.last_activity_at, known.started_at + cap)),
                    end_reason = CASE WHEN ended_at IS NULL THEN 'timeout' ELSE end_reason END
                WHERE id = known.id;
            ELSE
                known_ids := known_ids || known.session_id::text;
            END IF;
        ELSIF known.asked_user_id IS NULL THEN
            -- The page does not know yet who it is: a guest beside a customer who is here is that customer.
            IF known.ended_at IS NULL AND known.happened_at < known.last_activity_at + timeout THEN
                known_ids := known_ids || known.session_id::text;
            END IF;
        ELSE
            UPDATE user_sessions
            SET ended_at = LEAST(
                    CASE
                        WHEN known.happened_at >= known.last_activity_at + timeout THEN known.last_activity_at
                        ELSE GREATEST(known.happened_at, known.last_activity_at)
                    END,
                    known.started_at + cap
                ),
                end_reason = 'user_switch'
            WHERE id = known.id AND ended_at IS NULL;
            UPDATE user_sessions
            SET end_reason = 'user_switch'
            WHERE id = known.id AND metrics_is_provisional(end_reason);
        END IF;
    END LOOP;

    RETURN QUERY
    WITH started AS (
        INSERT INTO user_sessions AS s (
            id, session_id, user_id, identity_verified, started_at, last_activity_at, life_key, previous_session_id,
            device_type, browser_name, browser_version, os_name, os_version, is_bot, ip_address, country, city,
            landing_page, referrer, user_agent
        )
        SELECT
            COALESCE(b.id, gen_random_uuid()),
            b.session_id,
            b.user_id,
            b.is_verified,
            LEAST(metrics_happened_at(b.received_at, b.age, cap), metrics_happened_at(b.received_at, COALESCE(b.up, b.age), cap)),
            CASE
                -- An end is no sign of life, unless it is all that is left of a long visit.
                WHEN b.is_end AND b.up - COALESCE(b.age, 0) < EXTRACT(epoch FROM timeout) * 1000 THEN NULL
                ELSE metrics_happened_at(b.received_at, b.age, cap)
            END,
            CASE WHEN NOT b.is_end THEN b.t END,
            b.previous_session_id,
            b.device_type,
            b.browser_name,
            b.browser_version,
            b.os_name,
            b.os_version,
            b.is_bot,
            b.ip_address,
            b.country,
            b.city,
            b.landing_page,
            b.referrer,
            b.user_agent
        FROM unnest(asked) AS b
        WHERE b.session_id <> ALL (known_ids)
        ON CONFLICT (session_id, user_id) DO NOTHING
        RETURNING s.session_id, s.started_at
    )
    SELECT b.n, CASE WHEN started.session_id IS NULL THEN 'known' ELSE 'started' END, started.started_at
    FROM unnest(asked) AS b
    LEFT JOIN started ON started.session_id = b.session_id;
END
$$;

-- A sign of life of each of these sessions. next_step: NULL where it goes on, 'start' where it is not known, 'new' where
-- it is over or another's.
CREATE OR REPLACE FUNCTION metrics_heartbeat_sessions(beacons json, timeout interval, cap interval)
RETURNS TABLE (n integer, next_step text, started_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
SET jit = off
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT
            b.n,
            b.session_id,
            b.t,
            COALESCE(b.states_identity, false) AS states_identity,
            u.user_id,
            metrics_happened_at(b.received_at, b.age, cap) AS happened_at
        FROM json_populate_recordset(NULL::metrics_beacon, beacons) AS b
        LEFT JOIN metrics_registrations AS u ON u.user_id = b.user_id
        ORDER BY b.session_id
    ),
    found AS MATERIALIZED (
        SELECT
            asked.n,
            asked.t,
            s.id,
            s.started_at,
            GREATEST(asked.happened_at, s.started_at) AS happened_at,
            COALESCE(s.last_activity_at, s.started_at) AS last_activity_at,
            s.ended_at IS NOT NULL AND NOT metrics_is_provisional(s.end_reason) AS is_final,
            (asked.states_identity AND asked.user_id IS DISTINCT FROM s.user_id)
                OR asked.happened_at >= COALESCE(s.last_activity_at, s.started_at) + timeout
                OR asked.happened_at >= s.started_at + cap AS is_over,
            -- Written before what is stored, arrived after it.
            COALESCE(asked.t <= GREATEST(s.life_key, s.end_key), false) AS is_late
        FROM asked
        CROSS JOIN LATERAL (
            SELECT * FROM user_sessions AS s
            WHERE s.session_id = asked.session_id
            ORDER BY s.ended_at IS NULL DESC, s.started_at DESC, s.id DESC
            LIMIT 1
            FOR UPDATE
        ) AS s
    ),
    lived AS (
        UPDATE user_sessions AS s
        SET last_activity_at = GREATEST(
                found.last_activity_at,
                LEAST(found.happened_at, CASE WHEN found.is_late THEN s.ended_at END)
            ),
            life_key = GREATEST(s.life_key, found.t),
            ended_at = CASE WHEN found.is_late THEN s.ended_at END,
            end_reason = CASE WHEN found.is_late THEN s.end_reason END,
            end_key = CASE WHEN found.is_late THEN s.end_key END
        FROM found
        WHERE s.id = found.id AND NOT found.is_over AND (found.is_late OR NOT found.is_final)
    )
    SELECT
        asked.n,
        CASE
            WHEN found.id IS NULL THEN 'start'
            WHEN found.is_final OR found.is_over THEN 'new'
        END,
        found.started_at
    FROM asked
    LEFT JOIN found ON found.n = asked.n;
END
$$;
