-- When it happened by the server's clock: the browser says how long ago, never when. Whoever received it may read that
-- clock a trifle fast.
CREATE OR REPLACE FUNCTION metrics_happened_at(received_at timestamptz, ago double precision, cap interval)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN LEAST(received_at, now()) - LEAST(GREATEST(COALESCE(ago, 0), 0) * interval '1 ms', cap);

-- Beacons that waited on disk are written once, even if the process that writes them is killed between its commit and
-- the moment it removes them from the disk.
CREATE TABLE metrics_replays (
    batch_id uuid PRIMARY KEY,
    step integer NOT NULL, -- the last that is done
    replayed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idx_metrics_replays_replayed_at ON metrics_replays (replayed_at);
ALTER TABLE metrics_replays ENABLE ROW LEVEL SECURITY;

-- Whether this step is still to be done; it counts as done once the transaction commits. A second process waits for the
-- first here, and is then told that there is nothing to do.
CREATE FUNCTION metrics_take_step(asked_id uuid, asked_step integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT
AS $$
BEGIN
    -- A batch of a month ago is on no disk any more.
    DELETE FROM metrics_replays
    WHERE batch_id IN (
        SELECT batch_id FROM metrics_replays
        WHERE replayed_at < now() - interval '30 days'
        ORDER BY replayed_at
        LIMIT 100
        FOR UPDATE SKIP LOCKED
    );
    INSERT INTO metrics_replays AS r (batch_id, step)
    VALUES (asked_id, asked_step)
    ON CONFLICT (batch_id) DO UPDATE SET step = excluded.step, replayed_at = now()
    WHERE r.step < excluded.step;
    RETURN FOUND;
END
$$;

REVOKE ALL ON FUNCTION metrics_take_step(uuid, integer) FROM PUBLIC;
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'metrics_beacon') THEN
        GRANT EXECUTE ON FUNCTION metrics_take_step(uuid, integer) TO metrics_beacon;
    END IF;
END
$$;
