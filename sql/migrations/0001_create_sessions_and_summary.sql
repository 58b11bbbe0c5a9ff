-- The two tables of the reference schema. A shop that already runs the reference system has them:
-- then they are kept with their rows, and the next migration adds what is missing.

CREATE TABLE IF NOT EXISTS user_sessions (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    session_id varchar(255) NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    last_activity_at timestamptz,
    ended_at timestamptz
);

CREATE TABLE IF NOT EXISTS user_activity_summary (
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    user_id uuid PRIMARY KEY REFERENCES users (id) ON UPDATE CASCADE ON DELETE CASCADE,
    total_sessions integer NOT NULL DEFAULT 0,
    total_orders integer NOT NULL DEFAULT 0,
    total_bookings integer NOT NULL DEFAULT 0,
    total_reviews integer NOT NULL DEFAULT 0,
    last_login_at timestamptz,
    primary_device_type text,
    primary_browser text,
    primary_os text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
