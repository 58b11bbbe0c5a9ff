-- Rebuild: every summary and every rollup counted anew, while the shop goes on.

-- name: list_next_customers
-- The ids that follow, in order.
SELECT id
FROM users
WHERE :'after'::uuid IS NULL OR id > :'after'::uuid
ORDER BY id
LIMIT :'limit'::bigint;

-- name: count_users
-- How many there are to do.
SELECT count(*)
FROM users;

-- name: rebuild_customers
-- Counts these customers anew, and says how many summaries were written.
SELECT metrics_rebuild_summaries(:'user_ids'::uuid[]);
