-- The audit log: every deed with personal data.

-- name: write_audit
-- One deed, written before its result is handed out.
SELECT metrics_write_audit(
    :'actor'::text, :'action'::text, :'subject'::text, :'total_rows'::bigint, :'details'::jsonb
);

-- name: list_audit
-- The latest deeds first, a page at a time.
SELECT id, happened_at, actor, action, subject, total_rows, details
FROM metrics_audit
ORDER BY happened_at DESC, id DESC
LIMIT :'limit'::bigint
OFFSET :'offset'::bigint;

-- name: count_audit
-- How many deeds there are.
SELECT count(*)
FROM metrics_audit;
