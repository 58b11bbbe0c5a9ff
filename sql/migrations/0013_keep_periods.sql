-- What is kept for each period as of metrics_fold.folded_until: derived, rebuilt by a fold from nothing, and never read
-- without what moved since then.

CREATE TABLE metrics_periods (
    period text PRIMARY KEY,
    -- From how long ago, NULL for the beginning, until how long ago.
    from_age interval,
    to_age interval NOT NULL
);
-- In hours: a day is not always as long as another where the clocks change.
INSERT INTO metrics_periods (period, from_age, to_age) VALUES
    ('all', NULL, '0'),
    ('daily', '24 hours', '0'),
    ('weekly', '168 hours', '0'),
    ('monthly', '720 hours', '0'),
    ('previous_daily', '48 hours', '24 hours'),
    ('previous_weekly', '336 hours', '168 hours'),
    ('previous_monthly', '1440 hours', '720 hours');

CREATE TABLE metrics_period_totals (
    period text PRIMARY KEY,
    -- Those that came, each once.
    customers bigint NOT NULL,
    orders bigint NOT NULL,
    bookings bigint NOT NULL,
    spent numeric NOT NULL,
    registrations bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE metrics_period_sessions (
    period text NOT NULL,
    is_bot boolean NOT NULL,
    device_type text NOT NULL,
    browser_name text NOT NULL,
    browser_version text,
    os_name text NOT NULL,
    os_version text,
    sessions bigint NOT NULL,
    guests bigint NOT NULL,
    closed bigint NOT NULL,
    explicitly_ended bigint NOT NULL,
    duration_us numeric NOT NULL,
    UNIQUE NULLS NOT DISTINCT (period, is_bot, device_type, browser_name, browser_version, os_name, os_version)
) WITH (fillfactor = 70);

CREATE TABLE metrics_period_durations (
    period text NOT NULL,
    is_bot boolean NOT NULL,
    seconds integer NOT NULL,
    sessions bigint NOT NULL,
    PRIMARY KEY (period, is_bot, seconds)
) WITH (fillfactor = 70);

-- Every customer in each of the three windows, with the moment of the summary by which ties break.
CREATE TABLE metrics_period_customers (
    period text NOT NULL,
    user_id uuid NOT NULL,
    sessions integer NOT NULL,
    orders integer NOT NULL,
    bookings integer NOT NULL,
    spent numeric NOT NULL,
    -- Those of the window of the same length before: whoever leaves one enters the other.
    previous_sessions integer NOT NULL,
    latest_activity_at timestamptz NOT NULL,
    PRIMARY KEY (period, user_id)
) WITH (fillfactor = 70);
CREATE INDEX idx_metrics_period_customers_sessions
    ON metrics_period_customers (period, sessions DESC, latest_activity_at DESC, user_id);
CREATE INDEX idx_metrics_period_customers_orders
    ON metrics_period_customers (period, orders DESC, latest_activity_at DESC, user_id);
CREATE INDEX idx_metrics_period_customers_bookings
    ON metrics_period_customers (period, bookings DESC, latest_activity_at DESC, user_id);

-- Every hour, day and month of the time zone that metrics_fold names, for lines over time.
CREATE TABLE metrics_points (
    unit text NOT NULL,
    bucket_at timestamptz NOT NULL,
    is_bot boolean NOT NULL,
    sessions bigint NOT NULL,
    closed bigint NOT NULL,
    duration_us numeric NOT NULL,
    customers bigint NOT NULL,
    orders bigint NOT NULL,
    bookings bigint NOT NULL,
    spent numeric NOT NULL,
    registrations bigint NOT NULL,
    PRIMARY KEY (unit, bucket_at, is_bot)
) WITH (fillfactor = 70);

CREATE VIEW metrics_registrations AS
SELECT id AS user_id, created_at AS registered_at
FROM users;

-- Customers that a bot came as are few: with bots included, they are looked up.
CREATE INDEX idx_user_sessions_bots ON user_sessions (started_at) WHERE is_bot AND user_id IS NOT NULL;

-- Estimates begin with what is there: one row, and seven.
ANALYZE metrics_fold, metrics_periods;
