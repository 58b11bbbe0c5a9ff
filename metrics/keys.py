"""Keys of the JSON API: made and revoked by command, shown once, stored as a hash."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row, tuple_row

from metrics.database import Database, DatabaseError
from metrics.statements import get_statement
from metrics.viewer import Role, Viewer

PREFIX = "cm_"


class KeyNameError(DatabaseError):
    """A key of that name is there already, or is not."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key by its name; one that was revoked stays in the list."""

    name: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


def add_key(database: Database, name: str, role: Role) -> str:
    """A new key of 256 random bits, which nobody can show again; KeyNameError where the name is taken."""
    key = PREFIX + secrets.token_urlsafe(32)
    with database.write() as connection:
        values = {"name": name, "role": role, "key_hash": _hash(key)}
        if connection.execute(get_statement("add_key"), values).fetchone() is None:
            raise KeyNameError(f"The name {name!r} is taken: use one that `keys list` does not show")
    return key


def revoke_key(database: Database, name: str) -> None:
    """From now on the key opens nothing; KeyNameError where no good key has that name."""
    with database.write() as connection:
        if connection.execute(get_statement("revoke_key"), {"name": name}).fetchone() is None:
            raise KeyNameError(f"No key in use is named {name!r}: use a name that `keys list` shows")


def list_keys(database: Database) -> list[Key]:
    """Every key there ever was, by name."""
    with database.administer() as connection:
        return connection.cursor(row_factory=class_row(Key)).execute(get_statement("list_keys")).fetchall()


def find_key_holder(database: Database, key: str) -> Viewer | None:
    """Who may ask with that key: an admin for one of METRICS_API_KEYS, else the role it was made with; None: nobody."""
    seen = _hash(key)
    # Every key is compared, in constant time: how long it takes tells nothing.
    matches = [hmac.compare_digest(seen, _hash(known)) for known in database.settings.api_keys]
    if any(matches):
        return Viewer("METRICS_API_KEYS", "admin")
    # Found by its hash: of 256 random bits, the time that an index takes tells nothing either.
    with database.administer() as connection:
        found = (
            connection.cursor(row_factory=tuple_row).execute(get_statement("find_key"), {"key_hash": seen}).fetchone()
        )
    return Viewer(f"key {found[0]}", found[1]) if found else None


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.strip().encode()).digest()
