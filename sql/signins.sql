-- Sign-outs everywhere: since when earlier sign-ins of a person count no more.

-- name: sign_out
-- From now on.
SELECT metrics_sign_out(:'email'::text);

-- name: list_sign_outs
-- Everybody's latest that may still matter.
SELECT email, signed_out_at
FROM metrics_sign_outs
WHERE signed_out_at > now() - :'life'::interval;
