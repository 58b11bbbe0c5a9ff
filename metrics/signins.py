"""Sign-ins: which role an e-mail has, and since when a person's earlier sign-ins count no more."""

from contextlib import suppress
from datetime import datetime, timedelta
from threading import Lock
from time import monotonic

from psycopg.rows import tuple_row

from metrics.database import Database, DatabaseError
from metrics.settings import Settings
from metrics.statements import get_statement
from metrics.viewer import Role

# A sign-in is good for a working day, whatever the browser keeps.
LIFE = timedelta(hours=12)
# Signing out everywhere reaches every process within this.
FRESH_SECONDS = 5.0


def find_role(settings: Settings, email: str) -> Role | None:
    """The role of METRICS_ADMINS or METRICS_ANALYSTS that names the e-mail or its @domain; None: a stranger."""
    address = email.strip().casefold()
    if address.count("@") != 1 or address.startswith("@"):
        return None
    names = {address, "@" + address.partition("@")[2]}
    if names & {word.casefold() for word in settings.admins}:
        return "admin"
    if names & {word.casefold() for word in settings.analysts}:
        return "analyst"
    return None


def sign_out_everywhere(database: Database, email: str) -> None:
    """Whoever signed in as that e-mail before this moment signs in anew, in every browser."""
    with database.administer() as connection:
        connection.execute(get_statement("sign_out"), {"email": email.casefold()})


class SignOuts:
    """Who signed out everywhere, asked of the database every few seconds at most."""

    def __init__(self) -> None:
        self._known: dict[str, datetime] = {}
        self._asked = -FRESH_SECONDS
        self._asking = Lock()

    def is_signed_out(self, database: Database, email: str, signed_in_at: datetime) -> bool:
        """Whether that sign-in counts no more; what was known stays known while the database is away."""
        with self._asking:
            if monotonic() - self._asked >= FRESH_SECONDS:
                # While it is away, nothing can be read there either: the page says so.
                with suppress(DatabaseError), database.administer() as connection:
                    rows = connection.cursor(row_factory=tuple_row).execute(
                        get_statement("list_sign_outs"), {"life": LIFE}
                    )
                    self._known = dict(rows.fetchall())
                self._asked = monotonic()
        since = self._known.get(email.casefold())
        # A cookie says whole seconds: one of the very second that signs out counts no more.
        return since is not None and signed_in_at <= since
