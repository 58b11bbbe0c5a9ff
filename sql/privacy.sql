-- Privacy: one person's data found, handed out, erased, or counted from nothing again.

-- name: count_traces
-- The rows of ours that name a person, by table.
SELECT table_name, total_rows
FROM metrics_count_traces(:'user_id'::uuid);

-- name: begin_erasure
-- From the commit on, nothing new of this person is stored.
SELECT metrics_begin_erasure(:'user_id'::uuid);

-- name: erase_customer
-- Removes what is there, and says how much of each table.
SELECT table_name, total_rows
FROM metrics_erase_customer(:'user_id'::uuid, :'actor'::text)
ORDER BY table_name;

-- name: reset_customer
-- Forgets a customer's visits, and says how much of each table.
SELECT table_name, total_rows
FROM metrics_reset_customer(:'user_id'::uuid, :'actor'::text)
ORDER BY table_name;

-- name: reset_all_sessions
-- Forgets everybody's visits, and says how much of each table.
SELECT table_name, total_rows
FROM metrics_reset_all_sessions(:'actor'::text)
ORDER BY table_name;

-- name: export_person
-- All that is known of a person, as one JSON object; NULL for nobody we know.
SELECT metrics_export_person(:'user_id'::uuid, :'actor'::text)::text;
