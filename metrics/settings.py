"""The only reader of the environment: every setting with its default, its check and its help, one row each."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

PROJECT = Path(__file__).resolve().parent.parent

HEARTBEAT = timedelta(seconds=30)
ONLINE = timedelta(minutes=5)
CAP = timedelta(hours=24)


class SettingError(ValueError):
    """A setting has a value that is not accepted; the message says what was seen and what is accepted."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its name in the environment, the text it defaults to, how it is read, and what it is for."""

    name: str
    default: str
    read: Callable[[str], Any]
    accepts: str
    help: str

    @property
    def field(self) -> str:
        """The name of its field in Settings."""
        return self.name.removeprefix("METRICS_").lower()


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of this process, read once and valid."""

    database_url: str
    database_read_url: str
    home: Path
    endpoint_host: str
    endpoint_port: int
    allowed_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    identity_secret: str
    identity_jwks_url: str
    trust_client_user_id: bool
    api_keys: tuple[str, ...]
    geoip_db: str
    timeout_minutes: int
    retention_days: int
    timezone: str
    currency: str
    ip_storage: str
    rate_limit: int
    spool_megabytes: int
    admins: tuple[str, ...]
    analysts: tuple[str, ...]


def _read_words(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(",", " ").split() if word)


def _read_count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _read_port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError(text)
    return port


def _read_switch(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _read_timezone(text: str) -> str:
    return ZoneInfo(text).key


def _read_currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise ValueError(text)
    return text


def _read_storage(text: str) -> str:
    if text not in ("truncated", "full", "none"):
        raise ValueError(text)
    return text


def _read_home(text: str) -> Path:
    return (PROJECT / Path(text).expanduser()).resolve()


WHOLE = "a whole number, 1 or more"
WORDS = "words with commas between them"

SETTINGS = (
    Setting("DATABASE_URL", "", str, "a URL", "The database, for writing. Unset: an embedded one with a demo shop."),
    Setting("DATABASE_READ_URL", "", str, "a URL", "A hot standby that the dashboard reads from."),
    Setting("METRICS_HOME", ".metrics", _read_home, "a folder", "Where the embedded database and the spool live."),
    Setting("METRICS_ENDPOINT_HOST", "127.0.0.1", str, "an address", "Where the beacon endpoint listens."),
    Setting("METRICS_ENDPOINT_PORT", "8502", _read_port, "a port from 1 to 65535", "Its port."),
    Setting("METRICS_ALLOWED_ORIGINS", "", _read_words, WORDS, "Origins whose pages may send beacons."),
    Setting("METRICS_TRUSTED_PROXIES", "", _read_words, WORDS, "Addresses of proxies whose headers are believed."),
    Setting("METRICS_IDENTITY_SECRET", "", str, "a text", "The HS256 secret that the shop signs identities with."),
    Setting("METRICS_IDENTITY_JWKS_URL", "", str, "a URL", "Where the auth provider publishes its keys."),
    Setting(
        "METRICS_TRUST_CLIENT_USER_ID",
        "false",
        _read_switch,
        "true or false",
        "Believe the user id that a legacy tracker claims.",
    ),
    Setting("METRICS_API_KEYS", "", _read_words, WORDS, "Keys that may ask the JSON API."),
    Setting("METRICS_GEOIP_DB", "", str, "a path", "A .mmdb file that tells places from addresses."),
    Setting("METRICS_TIMEOUT_MINUTES", "30", _read_count, WHOLE, "Minutes of silence that end a session."),
    Setting(
        "METRICS_RETENTION_DAYS", "90", _read_count, "a whole number of days, 1 or more", "How long sessions stay."
    ),
    Setting(
        "METRICS_TIMEZONE",
        "Africa/Dar_es_Salaam",
        _read_timezone,
        "a name of the time zone database, such as Africa/Dar_es_Salaam",
        "The time zone of days and hours on screen.",
    ),
    Setting("METRICS_CURRENCY", "TZS", _read_currency, "three capital letters, such as TZS", "The currency of prices."),
    Setting(
        "METRICS_IP_STORAGE",
        "truncated",
        _read_storage,
        "truncated, full or none",
        "How much of an address is stored: /24 and /48, all of it, or nothing.",
    ),
    Setting("METRICS_RATE_LIMIT", "600", _read_count, WHOLE, "Beacons a minute that one address may send."),
    Setting("METRICS_SPOOL_MEGABYTES", "1024", _read_count, WHOLE, "How much of the disk the spool may take."),
    Setting("METRICS_ADMINS", "", _read_words, WORDS, "E-mails or @domains of admins, for sign-in."),
    Setting("METRICS_ANALYSTS", "", _read_words, WORDS, "E-mails or @domains of analysts, for sign-in."),
)


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Every setting, its default where the environment is silent; SettingError for the first that cannot be used."""
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environ.get(setting.name, "").strip() or setting.default
        try:
            values[setting.field] = setting.read(text)
        except (ValueError, KeyError, OSError, RuntimeError):
            raise SettingError(f"{setting.name} is {text!r}: use {setting.accepts}") from None
    return Settings(**values)
