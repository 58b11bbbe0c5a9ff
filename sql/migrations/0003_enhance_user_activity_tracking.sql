-- The reference's migration of this name, made exact: the columns, indexes and per-customer counts that the triggers keep.

ALTER TABLE user_sessions
    ADD COLUMN IF NOT EXISTS device_type text,
    ADD COLUMN IF NOT EXISTS browser_name text,
    ADD COLUMN IF NOT EXISTS browser_version text,
    ADD COLUMN IF NOT EXISTS os_name text,
    ADD COLUMN IF NOT EXISTS os_version text,
    ADD COLUMN IF NOT EXISTS ip_address inet,
    ADD COLUMN IF NOT EXISTS country text,
    ADD COLUMN IF NOT EXISTS city text,
    ADD COLUMN IF NOT EXISTS landing_page text,
    ADD COLUMN IF NOT EXISTS referrer text,
    ADD COLUMN IF NOT EXISTS user_agent text,
    ADD COLUMN IF NOT EXISTS end_reason text,
    ADD COLUMN IF NOT EXISTS is_bot boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS identity_verified boolean NOT NULL DEFAULT true,
    ADD COLUMN IF NOT EXISTS previous_session_id text,
    -- A row that names only its start was last active at its start: a default of now() would call it active.
    ALTER COLUMN last_activity_at DROP NOT NULL,
    ALTER COLUMN last_activity_at DROP DEFAULT;

ALTER TABLE user_activity_summary
    ADD COLUMN IF NOT EXISTS last_order_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_booking_at timestamptz,
    ADD COLUMN IF NOT EXISTS last_order_amount numeric(14, 2),
    ADD COLUMN IF NOT EXISTS last_booking_service text,
    ADD COLUMN IF NOT EXISTS total_spent numeric(16, 2) NOT NULL DEFAULT 0;

-- What the reference made narrower or left open: its NUMERIC(10,2) overflows at TZS 99,999,999.99.
DELETE FROM user_activity_summary WHERE user_id IS NULL;
ALTER TABLE user_activity_summary
    ALTER COLUMN user_id SET NOT NULL,
    ALTER COLUMN last_order_amount TYPE numeric(14, 2),
    ALTER COLUMN primary_device_type TYPE text,
    ALTER COLUMN primary_browser TYPE text,
    ALTER COLUMN primary_os TYPE text;

ALTER TABLE user_activity_summary
    ADD COLUMN IF NOT EXISTS latest_activity_at timestamptz NOT NULL GENERATED ALWAYS AS (
        COALESCE(GREATEST(last_login_at, last_order_at, last_booking_at), '-infinity'::timestamptz)
    ) STORED;

-- Free space in each page keeps heartbeats and counter updates on the page they are on.
ALTER TABLE user_sessions SET (fillfactor = 85);
ALTER TABLE user_activity_summary SET (fillfactor = 80);

-- The reference's tracker could write one session of one customer twice: the older copies get a mark of their own.
UPDATE user_sessions AS session
SET session_id = left(session.session_id, 200) || '#' || session.id
FROM (
    SELECT id, row_number() OVER (PARTITION BY session_id, user_id ORDER BY started_at DESC, id DESC) AS copy
    FROM user_sessions
) AS numbered
WHERE numbered.id = session.id
    AND numbered.copy > 1;

-- The tracker of the reference reuses one session id for a guest and the customer that the guest became.
CREATE UNIQUE INDEX user_sessions_session_id_user_id_key
    ON user_sessions (session_id, user_id) NULLS NOT DISTINCT;
CREATE INDEX idx_user_sessions_user_id_started_at ON user_sessions (user_id, started_at DESC);
CREATE INDEX idx_user_sessions_started_at ON user_sessions (started_at) INCLUDE (user_id, is_bot);
-- Without last_activity_at, so that a heartbeat stays a heap-only update.
CREATE INDEX idx_user_sessions_open ON user_sessions (user_id) WHERE ended_at IS NULL;

DROP INDEX IF EXISTS idx_user_activity_last_order;
DROP INDEX IF EXISTS idx_user_activity_last_booking;
DROP INDEX IF EXISTS idx_user_activity_total_orders;
DROP INDEX IF EXISTS idx_user_activity_total_bookings;
DROP INDEX IF EXISTS idx_user_activity_total_sessions;
CREATE INDEX idx_user_activity_last_order
    ON user_activity_summary (last_order_at DESC NULLS LAST, user_id);
CREATE INDEX idx_user_activity_last_booking
    ON user_activity_summary (last_booking_at DESC NULLS LAST, user_id);
CREATE INDEX idx_user_activity_total_orders
    ON user_activity_summary (total_orders DESC, latest_activity_at DESC, user_id);
CREATE INDEX idx_user_activity_total_bookings
    ON user_activity_summary (total_bookings DESC, latest_activity_at DESC, user_id);
CREATE INDEX idx_user_activity_total_sessions
    ON user_activity_summary (total_sessions DESC, latest_activity_at DESC, user_id);
CREATE INDEX idx_user_activity_last_login
    ON user_activity_summary (last_login_at DESC NULLS LAST, latest_activity_at DESC, user_id);

-- On the shop's tables, for the questions asked of them.
CREATE INDEX IF NOT EXISTS idx_users_created_at ON users (created_at DESC NULLS LAST, id);
CREATE INDEX IF NOT EXISTS idx_orders_user_id_created_at
    ON orders (user_id, created_at DESC NULLS LAST, id DESC);
CREATE INDEX IF NOT EXISTS idx_orders_created_at
    ON orders (created_at) INCLUDE (user_id, total_amount, status, payment_status);
CREATE INDEX IF NOT EXISTS idx_service_bookings_user_id_created_at
    ON service_bookings (user_id, created_at DESC NULLS LAST, id DESC);
CREATE INDEX IF NOT EXISTS idx_service_bookings_created_at
    ON service_bookings (created_at) INCLUDE (user_id, status);
CREATE INDEX IF NOT EXISTS idx_service_bookings_service_id ON service_bookings (service_id);
CREATE INDEX IF NOT EXISTS idx_reviews_user_id ON reviews (user_id);

-- How often a customer came with which device, browser and system: the primary ones are read from here,
-- because the busiest customer has tens of thousands of sessions.
CREATE TABLE user_device_counts (
    user_id uuid NOT NULL REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    os_name text NOT NULL,
    total_sessions integer NOT NULL,
    last_started_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_type, browser_name, os_name)
) WITH (fillfactor = 80);
