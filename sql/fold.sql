-- The fold: how far it is, and one step of it.

-- name: get_fold
-- How far what is kept reaches, and in which time zone its days are.
SELECT folded_until, timezone
FROM metrics_fold
WHERE folded_until IS NOT NULL;

-- name: fold_step
-- One step further, in a transaction that looks at one moment; no row where another process folds.
SELECT folded_until, changes, now()
FROM metrics_fold_step(:'timezone'::text, :'max_step'::interval, :'too_far'::interval);

-- name: vacuum_changes
-- The log is read whole each time: what was taken from it must not stay as dead rows.
VACUUM metrics_changes;

-- name: lock_fold
-- Nobody else folds until this connection ends; an error where another process folds for longer than our patience.
SELECT set_config('lock_timeout', :'patience'::text, false), pg_advisory_lock(7283764120);

-- name: forget_fold
-- The next fold counts from nothing.
UPDATE metrics_fold SET folded_until = NULL;
