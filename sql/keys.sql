-- Keys of the JSON API, by name; of the key itself only its hash is known.

-- name: add_key
-- A new key; no row where the name is taken.
INSERT INTO metrics_api_keys (name, role, key_hash)
VALUES (:'name'::text, :'role'::text, :'key_hash'::bytea)
ON CONFLICT (name) DO NOTHING
RETURNING name;

-- name: revoke_key
-- No longer good; no row where there is none of that name that is.
UPDATE metrics_api_keys
SET revoked_at = now()
WHERE name = :'name'::text AND revoked_at IS NULL
RETURNING name;

-- name: list_keys
-- Every key there ever was, by name.
SELECT name, role, created_at, revoked_at
FROM metrics_api_keys
ORDER BY name;

-- name: find_key
-- Whose key that is, while it is good.
SELECT name, role
FROM metrics_api_keys
WHERE key_hash = :'key_hash'::bytea AND revoked_at IS NULL;
