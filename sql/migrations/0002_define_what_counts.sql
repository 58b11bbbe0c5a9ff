-- Each definition once, as a function that the planner inlines: triggers, views and recounts share it.

-- A counted order is neither cancelled nor failed, refunded or cancelled in payment; pending counts.
CREATE FUNCTION metrics_is_counted_order(status text, payment_status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN COALESCE(status, '') <> 'cancelled'
    AND COALESCE(payment_status, '') NOT IN ('failed', 'refunded', 'cancelled');

-- What an order adds to "spent": its amount when it is counted and paid, never below zero.
CREATE FUNCTION metrics_spent(status text, payment_status text, total_amount numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN payment_status = 'paid' AND metrics_is_counted_order(status, payment_status)
    THEN GREATEST(COALESCE(total_amount, 0), 0)
    ELSE 0
END;

-- A counted booking is one that was not cancelled.
CREATE FUNCTION metrics_is_counted_booking(status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN COALESCE(status, '') <> 'cancelled';

-- The end of a session as seen at a moment: the stored end, else the last activity of one that timed out, else NULL (active).
CREATE FUNCTION metrics_ended_at(
    started_at timestamptz, last_activity_at timestamptz, ended_at timestamptz, as_of timestamptz, timeout interval
) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN COALESCE(
    ended_at,
    CASE
        WHEN COALESCE(last_activity_at, started_at) <= as_of - timeout
        THEN COALESCE(last_activity_at, started_at)
    END
);

-- Seconds from start to end, within zero and the cap; NULL while active.
CREATE FUNCTION metrics_duration_seconds(started_at timestamptz, ended_at timestamptz, cap interval)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    -- GREATEST passes over a NULL, and an active session would last zero seconds.
    WHEN ended_at IS NOT NULL
    THEN LEAST(GREATEST(EXTRACT(EPOCH FROM ended_at - started_at), 0), EXTRACT(EPOCH FROM cap))::double precision
END;

-- An address as people may see it: 196.249.xxx.xxx, or the first two groups of an IPv6 address.
CREATE FUNCTION metrics_mask_ip(address inet) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE family(address)
    WHEN 4 THEN split_part(host(address), '.', 1) || '.' || split_part(host(address), '.', 2) || '.xxx.xxx'
    WHEN 6 THEN COALESCE(NULLIF(split_part(host(address), ':', 1), ''), '0') || ':'
        || COALESCE(NULLIF(split_part(host(address), ':', 2), ''), '0') || ':xxxx:…'
END;

-- A text cell that no spreadsheet will run: a leading = + - @, tab or carriage return gets an apostrophe.
CREATE FUNCTION metrics_csv_text(cell text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN left(cell, 1) IN ('=', '+', '-', '@', E'\t', E'\r') THEN '''' || cell
    ELSE cell
END;

-- A moment as ISO 8601 with the offset of the session's time zone.
CREATE FUNCTION metrics_csv_time(moment timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SSTZH:TZM');
