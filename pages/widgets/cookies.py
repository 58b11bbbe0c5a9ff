"""The signed cookie of Streamlit's own sign-in, read as Streamlit writes it: a test that signs in guards it."""

import json
from collections.abc import Mapping
from datetime import datetime

from itsdangerous import BadSignature, URLSafeTimedSerializer
from streamlit.auth_util import encode_provider_token, get_cookie_with_chunks
from streamlit.web.server.server_util import AUTH_COOKIE_NAME, get_cookie_secret

from metrics.admission import LOGIN_PATH, Claims


def read_cookie(cookies: Mapping[str, str]) -> tuple[Claims, datetime] | None:
    """What the provider said of the person, and when; None where nobody signed in, or somebody else signed that."""
    moments: list[datetime] = []

    def read_one(name: str) -> bytes | None:
        try:
            serializer = URLSafeTimedSerializer(get_cookie_secret(), salt=name)
            value, moment = serializer.loads(cookies.get(name, ""), return_timestamp=True)
        except BadSignature:
            return None
        moments.append(moment)
        return str(value).encode()

    text = get_cookie_with_chunks(read_one, AUTH_COOKIE_NAME)
    if text is None:
        return None
    try:
        claims = json.loads(text)
    except ValueError:
        return None
    # Parts of a long cookie are signed one after the other: the first says when.
    return (claims, min(moments)) if isinstance(claims, dict) else None


def make_login_path() -> str:
    """Where a sign-in starts: Streamlit wants the provider's name signed, and fresh."""
    return f"{LOGIN_PATH}?provider={encode_provider_token('default')}"
