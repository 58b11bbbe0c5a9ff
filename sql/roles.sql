-- Rights: a connection gives up what its work does not need.

-- name: take_role
-- From here on the connection has that role's rights only; nothing where the role is missing or the login is no member.
SELECT set_config('role', rolname, false)
FROM pg_roles
WHERE rolname = :'role' AND pg_has_role(oid, 'MEMBER');
