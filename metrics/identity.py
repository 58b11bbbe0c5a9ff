"""Who a beacon is from: whom the shop's server or its auth provider signed for, and nobody else."""

import asyncio
import base64
import hashlib
import hmac
import logging
import time
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from uuid import UUID

import msgspec

LEEWAY_SECONDS = 30
LONGEST_TOKEN = 4096
PUBLIC_ALGORITHMS = ("RS256", "ES256", "EdDSA")
# An auth provider is asked for its keys this often at most, whoever sends tokens with unknown ones.
ASK_EVERY_SECONDS = 10.0
KEYS_LIFE_SECONDS = 600.0
FETCH_TIMEOUT_SECONDS = 5
LONGEST_KEYS = 256 * 1024
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """A customer's id, and whether a signature says so."""

    user_id: str | None
    is_verified: bool


GUEST = Identity(None, False)


class NotBelieved(ValueError):
    """A token that proves nothing; the message is one word, for a counter."""


class Identities:
    """Reads tokens: HS256 with the shop's secret, public-key algorithms with the provider's keys."""

    def __init__(self, *, secret: str, jwks_url: str, trusts_claims: bool) -> None:
        self._secret = secret.encode()
        self._keys = PublicKeys(jwks_url) if jwks_url else None
        self._trusts_claims = trusts_claims

    async def identify(self, token: str | None, claimed_user_id: str | None) -> tuple[Identity, str | None]:
        """Who it is, and in a word why a token was not believed. A claim counts only where the settings say so."""
        doubt = None
        if token:
            try:
                return Identity(_read_user_id(await self._read_claims(token)), True), None
            except NotBelieved as error:
                doubt = str(error)
        if claimed_user_id and self._trusts_claims:
            try:
                return Identity(str(UUID(claimed_user_id)), False), doubt
            except ValueError:
                doubt = "claim"
        return GUEST, doubt

    async def _read_claims(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise NotBelieved("malformed")
        header = _read_json(token.partition(".")[0])
        algorithm = header.get("alg")
        # The algorithm is pinned by what is configured: a public key is never taken for a shared secret.
        if algorithm == "HS256" and self._secret:
            claims = read_shared(token, self._secret)
        elif algorithm in PUBLIC_ALGORITHMS and self._keys:
            claims = await self._keys.read(token, str(header.get("kid")), algorithm)
        else:
            raise NotBelieved("algorithm")
        now = time.time()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(expires, int | float) or not isinstance(begins, int | float):
            raise NotBelieved("malformed")
        if expires <= now - LEEWAY_SECONDS:
            raise NotBelieved("expired")
        if begins > now + LEEWAY_SECONDS:
            raise NotBelieved("early")
        return claims


def read_shared(token: str, secret: bytes) -> dict[str, Any]:
    """The claims of an HS256 token (RFC 7515, RFC 7519) whose signature is right; their times are not looked at.

    By hand, because PyJWT loads 9 MB of cryptography for it and takes 48 us a token, against 8.
    """
    signed, _, signature = token.rpartition(".")
    wanted = hmac.digest(secret, signed.encode("utf-8", "replace"), hashlib.sha256)
    if not hmac.compare_digest(_decode(signature), wanted):
        raise NotBelieved("signature")
    return _read_json(signed.partition(".")[2])


class PublicKeys:
    """An auth provider's keys, fetched in a thread, kept while the provider is away."""

    def __init__(self, url: str, ask_every_seconds: float = ASK_EVERY_SECONDS) -> None:
        self._url = url
        self._ask_every_seconds = ask_every_seconds
        self._keys: dict[str, Any] = {}
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    async def read(self, token: str, key_id: str, algorithm: str) -> dict[str, Any]:
        """The claims of a token that one of the keys signed; their times are not looked at."""
        import jwt

        key = await self._get_key(key_id)
        if key is None:
            raise NotBelieved("key")
        try:
            # `exp` and the like are checked by the caller, for every kind of token alike.
            checks = {"verify_signature": True, "verify_aud": False, "verify_exp": False, "verify_nbf": False}
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options={**checks, "verify_iat": False, "verify_sub": False},  # type: ignore[arg-type]
            )
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, TypeError, ValueError):
            raise NotBelieved("signature") from None
        return claims

    async def _get_key(self, key_id: str) -> Any:
        age = time.monotonic() - self._asked_at
        if age > KEYS_LIFE_SECONDS or (key_id not in self._keys and age > self._ask_every_seconds):
            async with self._asking:
                # Whoever waited here finds what the first one fetched.
                if time.monotonic() - self._asked_at > self._ask_every_seconds:
                    self._asked_at = time.monotonic()
                    self._keys = await asyncio.to_thread(self._fetch) or self._keys
        return self._keys.get(key_id)

    def _fetch(self) -> dict[str, Any]:
        import jwt

        try:
            with urllib.request.urlopen(self._url, timeout=FETCH_TIMEOUT_SECONDS) as answer:
                found = jwt.PyJWKSet.from_json(answer.read(LONGEST_KEYS).decode())
        except (OSError, HTTPException, ValueError, TypeError, AttributeError, KeyError, jwt.PyJWTError) as error:
            # Away, or something else answers there.
            LOGGER.warning("METRICS_IDENTITY_JWKS_URL gives no keys (%s): the last ones stay", type(error).__name__)
            return {}
        return {str(key.key_id): key for key in found.keys}


def _read_user_id(claims: dict[str, Any]) -> str:
    try:
        return str(UUID(claims["sub"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        raise NotBelieved("subject") from None


def _read_json(part: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_decode(part))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotBelieved("malformed") from None
    if not isinstance(found, dict):
        raise NotBelieved("malformed")
    return found


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise NotBelieved("malformed") from None
