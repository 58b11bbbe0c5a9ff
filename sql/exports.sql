-- name: allow_long_statement
-- An export of the whole base may take longer than a page may; the limit is lifted for this transaction alone.
SET LOCAL statement_timeout = 0;

-- name: look_at_one_moment
-- What follows in this transaction sees the same rows, whoever writes meanwhile.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;
