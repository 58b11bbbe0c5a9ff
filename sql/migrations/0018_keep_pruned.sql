-- What retention removed and counts keep: lifetimes by customer, and person-free rollups of the rest. A reader over all
-- time adds them to what the rows say; whatever is counted anew from the rows adds them too.

-- By customer, erased with the customer.
CREATE TABLE metrics_pruned_customers (
    user_id uuid NOT NULL REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    is_bot boolean NOT NULL,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    os_name text NOT NULL,
    sessions integer NOT NULL,
    last_started_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, is_bot, device_type, browser_name, os_name)
) WITH (fillfactor = 80);

CREATE TABLE metrics_pruned_sessions (
    is_bot boolean NOT NULL,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    browser_version text,
    os_name text NOT NULL,
    os_version text,
    sessions bigint NOT NULL,
    guests bigint NOT NULL,
    explicitly_ended bigint NOT NULL,
    duration_us numeric NOT NULL,
    UNIQUE NULLS NOT DISTINCT (is_bot, device_type, browser_name, browser_version, os_name, os_version)
) WITH (fillfactor = 70);

CREATE TABLE metrics_pruned_durations (
    is_bot boolean NOT NULL,
    seconds integer NOT NULL,
    sessions bigint NOT NULL,
    PRIMARY KEY (is_bot, seconds)
) WITH (fillfactor = 70);

-- By day and month of the time zone that retention ran in. A customer is counted when the last session of that day or
-- month leaves.
CREATE TABLE metrics_pruned_points (
    unit text NOT NULL,
    bucket_at timestamptz NOT NULL,
    is_bot boolean NOT NULL,
    sessions bigint NOT NULL,
    duration_us numeric NOT NULL,
    customers bigint NOT NULL,
    PRIMARY KEY (unit, bucket_at, is_bot)
) WITH (fillfactor = 70);

CREATE TABLE metrics_pruned_places (
    is_bot boolean NOT NULL,
    country text,
    city text,
    sessions bigint NOT NULL,
    UNIQUE NULLS NOT DISTINCT (is_bot, country, city)
) WITH (fillfactor = 70);

-- How far retention is: no session that began before kept_since is there in detail; NULL where nothing ever left. One row.
CREATE TABLE metrics_retention (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    kept_since timestamptz,
    -- When the first session of all began, whose detail is gone.
    first_started_at timestamptz,
    ran_at timestamptz,
    total_pruned bigint NOT NULL DEFAULT 0
);
INSERT INTO metrics_retention DEFAULT VALUES;

-- Who was erased: a late beacon, an order or a rebuild brings nothing of them back. An id is all that is known.
CREATE TABLE metrics_erasures (
    user_id uuid PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);

-- Every session a customer ever had, with its make, whether or not its detail is still there; without bots.
CREATE VIEW metrics_lifetime_sessions AS
SELECT
    user_id,
    COALESCE(device_type, 'Unknown') AS device_type,
    COALESCE(browser_name, 'Unknown') AS browser_name,
    COALESCE(os_name, 'Unknown') AS os_name,
    1 AS sessions,
    started_at AS last_started_at
FROM user_sessions
WHERE NOT is_bot
UNION ALL
SELECT user_id, device_type, browser_name, os_name, sessions, last_started_at
FROM metrics_pruned_customers
WHERE NOT is_bot;

-- A customer may have more sessions pruned at once than a small number holds.
ALTER TABLE metrics_changes ALTER COLUMN sign TYPE integer;

-- As before, with what retention took among those who ever came.
CREATE OR REPLACE FUNCTION metrics_total_moves(periods text[], until timestamptz)
RETURNS TABLE (
    period text, customers bigint, orders bigint, bookings bigint, spent numeric, registrations bigint
)
LANGUAGE plpgsql STABLE ROWS 500
SET enable_seqscan = off
SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.period, 0::bigint, sum(s.orders), sum(s.bookings), sum(s.spent), sum(s.registrations)
    FROM metrics_shop_moves(periods, until) AS s
    GROUP BY s.period
    UNION ALL
    SELECT u.period, sum(u.customers), 0, 0, 0, 0
    FROM metrics_customer_moves(
        ARRAY(SELECT DISTINCT replace(p, 'previous_', '') FROM unnest(periods) AS p WHERE p <> 'all'), until
    ) AS move
    LEFT JOIN metrics_period_customers AS kept ON kept.period = move.period AND kept.user_id = move.user_id
    CROSS JOIN LATERAL (VALUES
        (
            move.period,
            (COALESCE(kept.sessions, 0) + move.sessions > 0)::integer - (COALESCE(kept.sessions, 0) > 0)::integer
        ),
        (
            'previous_' || move.period,
            (COALESCE(kept.previous_sessions, 0) + move.previous_sessions > 0)::integer
                - (COALESCE(kept.previous_sessions, 0) > 0)::integer
        )
    ) AS u (period, customers)
    WHERE u.period = ANY (periods)
    GROUP BY u.period
    UNION ALL
    SELECT 'all', sum((now.sessions > 0)::integer - (now.sessions - move.sessions > 0)::integer), 0, 0, 0, 0
    FROM (
        SELECT m.user_id, sum(m.sessions) AS sessions
        FROM (
            SELECT s.user_id, s.sign::bigint AS sessions
            FROM metrics_session_moves(ARRAY(SELECT p FROM unnest(periods) AS p WHERE p = 'all'), until) AS s
            WHERE NOT s.is_bot AND s.user_id IS NOT NULL
            UNION ALL
            -- What retention took is still counted: whoever has nothing else came all the same.
            SELECT c.user_id, c.sign
            FROM metrics_fold AS f
            JOIN metrics_changes AS c ON c.noun = 'pruned'
            WHERE f.folded_until IS NOT NULL AND 'all' = ANY (periods)
            UNION ALL
            SELECT p.user_id, p.sessions
            FROM metrics_fold AS f
            CROSS JOIN metrics_pruned_customers AS p
            WHERE f.folded_until IS NULL AND NOT p.is_bot AND 'all' = ANY (periods)
        ) AS m
        GROUP BY m.user_id
    ) AS move
    CROSS JOIN LATERAL (
        SELECT COALESCE((SELECT c.total_sessions FROM metrics_customers AS c WHERE c.user_id = move.user_id), 0)
            - (
                SELECT count(*) FROM metrics_sessions AS s
                WHERE s.user_id = move.user_id AND s.started_at >= until AND NOT s.is_bot
            ) AS sessions
    ) AS now
    HAVING count(*) > 0;
END
$$;

REVOKE ALL ON metrics_pruned_customers, metrics_pruned_sessions, metrics_pruned_durations, metrics_pruned_points,
    metrics_pruned_places, metrics_retention, metrics_erasures, metrics_lifetime_sessions FROM PUBLIC;

DO $$
DECLARE
    kept text;
    stranger text;
BEGIN
    FOREACH kept IN ARRAY ARRAY[
        'metrics_pruned_customers', 'metrics_pruned_sessions', 'metrics_pruned_durations', 'metrics_pruned_points',
        'metrics_pruned_places', 'metrics_retention', 'metrics_erasures'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', kept);
        IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_reader') THEN
            EXECUTE format('GRANT SELECT ON %I TO metrics_reader', kept);
            EXECUTE format('CREATE POLICY metrics_read_%s ON %I FOR SELECT TO metrics_reader USING (true)', kept, kept);
        END IF;
        FOREACH stranger IN ARRAY ARRAY['anon', 'authenticated'] LOOP
            IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = stranger) THEN
                EXECUTE format('REVOKE ALL ON %I, metrics_lifetime_sessions FROM %I', kept, stranger);
            END IF;
        END LOOP;
    END LOOP;
END
$$;
