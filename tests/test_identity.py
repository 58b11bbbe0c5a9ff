"""Identities: whom a signature speaks for, and every way it may not."""

import asyncio
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from metrics.identity import GUEST, Identities, Identity, PublicKeys

SECRET = "a-secret-of-the-tests-that-is-long-enough"
ALICE = "11111111-1111-4111-8111-111111111111"
SIGNED = Identity(ALICE, True)
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def identify(identities: Identities, token: str | None, claim: str | None = None) -> tuple[Identity, str | None]:
    return asyncio.run(identities.identify(token, claim))


def with_secret(**settings: Any) -> Identities:
    return Identities(**{"secret": SECRET, "jwks_url": "", "trusts_claims": False} | settings)


def sign(key: Any = SECRET, algorithm: str = "HS256", key_id: str | None = None, **claims: Any) -> str:
    # Hours, because the tokens are made when tests are collected, and the whole run takes its time.
    body = {"sub": ALICE, "exp": int(time.time()) + 6 * 3600} | claims
    body = {name: value for name, value in body.items() if value is not None}
    return jwt.encode(body, key, algorithm=algorithm, headers={"kid": key_id} if key_id else None)


def test_it_works() -> None:
    assert identify(with_secret(), sign()) == (SIGNED, None)
    assert identify(with_secret(), sign(sub=ALICE.upper())) == (SIGNED, None)
    assert identify(with_secret(), sign(aud="authenticated", iat=int(time.time()))) == (SIGNED, None)
    assert identify(with_secret(), None) == identify(with_secret(), "") == (GUEST, None)


def test_a_clock_that_is_a_little_late_is_forgiven() -> None:
    assert identify(with_secret(), sign(exp=int(time.time()) - 20))[0] == SIGNED
    assert identify(with_secret(), sign(nbf=int(time.time()) + 20))[0] == SIGNED


PUBLIC_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("token", "doubt"),
    [
        (sign("another-secret-that-is-long-enough-too"), "signature"),
        (sign()[:-4] + "AAAA", "signature"),
        (sign(exp=int(time.time()) - 60), "expired"),
        (sign(exp=None), "malformed"),
        (sign(exp="tomorrow"), "malformed"),
        (sign(nbf=int(time.time()) + 3 * 3600), "early"),
        (sign(sub="alice"), "subject"),
        (sign(sub=None), "subject"),
        (jwt.encode({"sub": ALICE, "exp": 9e9}, None, algorithm="none"), "algorithm"),
        (sign(RSA_KEY, "RS256"), "algorithm"),
        (sign() + "x" * 5_000, "malformed"),
        ("x.y.z", "malformed"),
        ("e30.e30", "algorithm"),
        ("e30", "algorithm"),
        ("W10.e30.x", "malformed"),
        (".", "malformed"),
    ],
)
def test_what_is_not_believed_is_a_guest(token: str, doubt: str) -> None:
    assert identify(with_secret(), token) == (GUEST, doubt)


def test_without_a_secret_nobody_signs() -> None:
    # A secret that is empty would otherwise sign for everybody.
    forged = jwt.encode({"sub": ALICE, "exp": 9e9}, "x" * 32, algorithm="HS256")
    assert identify(with_secret(secret=""), forged) == (GUEST, "algorithm")


@given(st.text())
def test_no_text_raises(text: str) -> None:
    identities = with_secret()
    assert identify(identities, text)[0] == GUEST
    assert identify(identities, f"{text}.{text}.{text}")[0] == GUEST
    head, _, tail = sign().partition(".")
    assert identify(identities, f"{head}.{text}.{tail}")[0] == GUEST


def test_a_claim_counts_only_where_the_settings_say_so() -> None:
    assert identify(with_secret(), None, ALICE) == (GUEST, None)
    trusting = with_secret(trusts_claims=True)
    bob = "22222222-2222-4222-8222-222222222222"
    assert identify(trusting, None, bob) == (Identity(bob, False), None)
    assert identify(trusting, sign(), bob) == (SIGNED, None)
    assert identify(trusting, "x.y.z", bob) == (Identity(bob, False), "malformed")
    assert identify(trusting, None, "bob") == (GUEST, "claim")
    assert UUID(ALICE)


class Provider:
    """An auth provider that publishes whatever it is told to."""

    def __init__(self) -> None:
        self.keys: Any = {"keys": []}
        self.raw: bytes | None = None
        self.asked = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked += 1
                body = json.dumps(provider.keys).encode() if provider.raw is None else provider.raw
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Silent."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/keys"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def publish(self, **keys: Any) -> None:
        algorithms = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
        self.keys = {
            "keys": [
                json.loads(
                    next(algorithms[kind] for kind in algorithms if isinstance(key, kind)).to_jwk(key.public_key())
                )
                | {"kid": name}
                for name, key in keys.items()
            ]
        }


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.server.shutdown()
    provider.server.server_close()


def by_provider(provider: Provider, wait: float = 0.0) -> Identities:
    identities = with_secret(jwks_url=provider.url)
    identities._keys = PublicKeys(provider.url, ask_every_seconds=wait)
    return identities


def test_a_providers_keys_are_believed(provider: Provider) -> None:
    provider.publish(one=RSA_KEY, two=EC_KEY)
    identities = by_provider(provider)
    assert identify(identities, sign(RSA_KEY, "RS256", "one")) == (SIGNED, None)
    assert identify(identities, sign(EC_KEY, "ES256", "two")) == (SIGNED, None)
    assert identify(identities, sign()) == (SIGNED, None)
    assert provider.asked == 1


def test_a_key_is_taken_for_nothing_but_what_it_is(provider: Provider) -> None:
    provider.publish(one=RSA_KEY, two=EC_KEY)
    identities = by_provider(provider)
    other = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    assert identify(identities, sign(other, "RS256", "one")) == (GUEST, "signature")
    assert identify(identities, sign(RSA_KEY, "RS256", "two")) == (GUEST, "signature")
    assert identify(identities, sign(RSA_KEY, "RS256", "one", exp=1)) == (GUEST, "expired")
    # The public key, which everybody knows, as if it were the shared secret.
    head, _, rest = sign().partition(".")
    assert identify(Identities(secret="", jwks_url=provider.url, trusts_claims=False), f"{head}.{rest}") == (
        GUEST,
        "algorithm",
    )
    assert identify(with_secret(secret=PUBLIC_PEM.decode()[:32]), sign()) == (GUEST, "signature")


def test_unknown_keys_do_not_make_it_ask_all_the_time(provider: Provider) -> None:
    provider.publish(one=RSA_KEY)
    identities = by_provider(provider, wait=60)
    for number in range(20):
        assert identify(identities, sign(RSA_KEY, "RS256", f"unknown {number}")) == (GUEST, "key")
    assert provider.asked == 1


def test_a_new_key_is_found(provider: Provider) -> None:
    provider.publish(one=RSA_KEY)
    identities = by_provider(provider)
    assert identify(identities, sign(EC_KEY, "ES256", "two")) == (GUEST, "key")
    provider.publish(one=RSA_KEY, two=EC_KEY)
    assert identify(identities, sign(EC_KEY, "ES256", "two")) == (SIGNED, None)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"null", b"<html>", b'{"keys": [1]}', b'{"keys": [{"kty": "x"}]}'])
def test_the_last_keys_stay_while_the_provider_says_nonsense_or_nothing(provider: Provider, raw: bytes) -> None:
    provider.publish(one=RSA_KEY)
    identities = by_provider(provider)
    assert identify(identities, sign(RSA_KEY, "RS256", "one"))[0] == SIGNED
    provider.raw = raw
    assert identify(identities, sign(EC_KEY, "ES256", "two")) == (GUEST, "key")
    provider.server.shutdown()
    provider.server.server_close()
    assert identify(identities, sign(EC_KEY, "ES256", "three")) == (GUEST, "key")
    assert identify(identities, sign(RSA_KEY, "RS256", "one"))[0] == SIGNED
