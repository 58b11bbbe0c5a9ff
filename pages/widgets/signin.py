"""Sign-in: whether the shop set it up, and how the gate knows who comes."""

from datetime import datetime
from pathlib import Path

import streamlit as st

from metrics.admission import SignIn
from metrics.database import DatabaseError
from metrics.embedded import EmbeddedError
from metrics.install import get_installation
from metrics.settings import SettingError, Settings
from metrics.signins import SignOuts, find_role

_SIGN_OUTS = SignOuts()


class SignInError(RuntimeError):
    """The sign-in that is set up cannot let anybody in."""


def wants_sign_in() -> bool:
    """Whether secrets.toml has an [auth] section; one that cannot be read may have."""
    if st.secrets.load_if_toml_exists():
        return "auth" in st.secrets
    return any(Path(file).exists() for file in st.get_option("secrets.files"))


def is_signed_out(email: str, signed_in_at: datetime) -> bool:
    """Whether the person signed out everywhere since; where no database is, no page has anything to show either."""
    try:
        return _SIGN_OUTS.is_signed_out(get_installation(), email, signed_in_at)
    except (DatabaseError, EmbeddedError, SettingError):
        return False


def make_sign_in(settings: Settings) -> SignIn:
    """The sign-in of secrets.toml and the settings; SignInError in one sentence where nobody could come in by it."""
    # Late: reading the cookie takes parts of Streamlit that a dashboard without sign-in never loads.
    from pages.widgets.cookies import make_login_path, read_cookie

    if not st.secrets.load_if_toml_exists():
        raise SignInError("secrets.toml cannot be read: mend it, or take it away to serve this machine alone")
    auth = st.secrets["auth"]
    for name in ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url"):
        if not auth.get(name):
            raise SignInError(f"[auth] in secrets.toml has no {name}: it takes one provider, all five settings of it")
    if not str(auth["redirect_uri"]).endswith("/oauth2callback"):
        raise SignInError(f"redirect_uri is {auth['redirect_uri']!r}: use https://<its own name>/oauth2callback")
    if not (settings.admins or settings.analysts):
        raise SignInError("Nobody may come in: name e-mails or @domains in METRICS_ADMINS and METRICS_ANALYSTS")
    return SignIn(
        redirect_uri=str(auth["redirect_uri"]),
        read_cookie=read_cookie,
        find_role=lambda email: find_role(settings, email),
        is_signed_out=is_signed_out,
        make_login_path=make_login_path,
    )
