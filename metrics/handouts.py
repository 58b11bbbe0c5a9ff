"""Handouts: what leaves as a file, each with its line in the audit log before its first byte."""

from collections.abc import Iterator

from metrics.audit import write_audit
from metrics.customers import CustomerQuery, count_customers, export_customers
from metrics.database import Database
from metrics.exports import CSV_CELL
from metrics.reengage import count_audience, export_audience
from metrics.session_list import SessionQuery, count_all_sessions, export_sessions
from metrics.viewer import Viewer


def take_customers(
    database: Database, viewer: Viewer, query: CustomerQuery, *, cell: str = CSV_CELL
) -> Iterator[bytes]:
    """The customers that the filters leave; what was searched for stays out of the log."""
    as_of = database.now()
    write_audit(
        database,
        viewer,
        "export",
        "customers",
        count_customers(database, viewer, query, as_of=as_of),
        interval=query.interval,
        activity=query.activity,
        searched=bool(query.search),
        contacts=viewer.sees_contacts,
    )
    return export_customers(database, viewer, query, as_of=as_of, cell=cell)


def take_sessions(database: Database, viewer: Viewer, query: SessionQuery, *, cell: str = CSV_CELL) -> Iterator[bytes]:
    """The sessions that the filters leave, of one customer or of all."""
    as_of = database.now()
    rows = count_all_sessions(database, viewer, query, as_of=as_of, most=None)
    subject = f"sessions of {query.user_id}" if query.user_id else "sessions"
    write_audit(database, viewer, "export", subject, rows, interval=query.interval)
    return export_sessions(database, viewer, query, as_of=as_of, cell=cell)


def take_audience(database: Database, viewer: Viewer, audience: str) -> Iterator[bytes]:
    """Everybody in an audience."""
    as_of = database.now()
    rows = count_audience(database, viewer, audience, as_of=as_of)
    write_audit(database, viewer, "export", f"audience {audience}", rows, contacts=viewer.sees_contacts)
    return export_audience(database, viewer, audience, as_of=as_of)
