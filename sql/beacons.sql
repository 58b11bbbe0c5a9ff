-- Beacons, a batch at a time: what the role metrics_beacon may call, and the sweeper.

-- name: start_sessions
-- Inserts the sessions that are not known yet.
SELECT n, outcome, started_at
FROM metrics_start_sessions(:'beacons'::json, :'timeout'::interval, :'cap'::interval);

-- name: heartbeat_sessions
-- A sign of life of each of these sessions.
SELECT n, next_step, started_at
FROM metrics_heartbeat_sessions(:'beacons'::json, :'timeout'::interval, :'cap'::interval);

-- name: end_sessions
-- Ends each of these sessions.
SELECT n, is_known
FROM metrics_end_sessions(:'beacons'::json, :'timeout'::interval, :'cap'::interval);

-- name: sweep_sessions
-- Stores the end of silent sessions, in one of many processes at a time: NULL where another one is at it.
SELECT CASE
    WHEN pg_try_advisory_xact_lock(8214067)
    THEN metrics_sweep_sessions(:'timeout'::interval, :'cap'::interval, :'max_rows'::integer)
END;

-- name: can_start_sessions
-- Whether this login may record beacons.
SELECT COALESCE(
    has_function_privilege(to_regprocedure('metrics_start_sessions(json, interval, interval)'), 'EXECUTE'), false
);

-- name: take_step
-- Whether this step of a batch that waited on disk is still to be done; it counts as done once this commits.
SELECT metrics_take_step(:'batch_id'::uuid, :'step'::integer);

-- name: get_clock
-- The clock of the database.
SELECT clock_timestamp();

-- name: limit_statements
-- A statement that waits longer, for a lock for instance, is given up.
SELECT set_config('statement_timeout', :'seconds'::text, false);
