"""The reckoning: what was acknowledged against what stands in the database."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg.rows import dict_row

from chaos.shop import Tills
from chaos.visitors import Message, Visit

# Clocks of one machine, and a statement that takes its moment before it waits.
SLACK = 0.75
CAP_SECONDS = 86_400
SESSIONS = """
    SELECT session_id, user_id::text, life_key, end_key, end_reason,
        EXTRACT(epoch FROM started_at)::float8 AS started_at, EXTRACT(epoch FROM ended_at)::float8 AS ended_at,
        EXTRACT(epoch FROM last_activity_at)::float8 AS last_activity_at,
        GREATEST(started_at, last_activity_at, ended_at) > now() AS is_in_future
    FROM user_sessions
"""


@dataclass
class Verdict:
    """Beacons by what became of them, and every fault in words."""

    acknowledged: int = 0
    found: int = 0
    lost: int = 0
    doubled: int = 0
    still_open: int = 0
    faults: list[str] = field(default_factory=list)


def judge(connection: psycopg.Connection[Any], visits: Sequence[Visit], tills: Tills) -> Verdict:
    """Every visit against its row, every order and booking against its own."""
    verdict = Verdict()
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in connection.cursor(row_factory=dict_row).execute(SESSIONS):
        rows.setdefault(row["session_id"], []).append(row)
    for visit in visits:
        _judge_visit(verdict, visit, rows.pop(visit.session_id, []))
    if rows:
        verdict.faults.append(f"{len(rows)} sessions that nobody started")
    verdict.still_open = connection.execute("SELECT count(*) FROM user_sessions WHERE ended_at IS NULL").fetchall()[0][
        0
    ]
    for table, ids in (("orders", tills.order_ids), ("service_bookings", tills.booking_ids)):
        (found,) = connection.execute(f"SELECT count(*) FROM {table} WHERE id = ANY (%s)", (list(ids),)).fetchall()[0]
        if found != len(ids):
            verdict.faults.append(f"{len(ids) - found} rows of {table} that were committed are gone")
    return verdict


def _judge_visit(verdict: Verdict, visit: Visit, rows: list[dict[str, Any]]) -> None:
    verdict.doubled += max(0, len(rows) - 1)
    verdict.faults += [f"{visit.session_id}: {complaint}" for complaint in visit.complaints]
    acknowledged = [one for one in _list_messages(visit) if one.acknowledged_at]
    verdict.acknowledged += len(acknowledged)
    if not rows:
        verdict.lost += len(acknowledged)
        return
    row = rows[0]
    missing = [one for one in acknowledged if not _is_found(one, row)]
    verdict.lost += len(missing)
    verdict.found += len(acknowledged) - len(missing)
    verdict.faults += [f"{visit.session_id}: {fault}" for fault in _list_faults(visit, row)]


def _list_messages(visit: Visit) -> list[Message]:
    return [*visit.starts, *visit.beats, *([visit.end] if visit.end else [])]


def _is_found(message: Message, row: dict[str, Any]) -> bool:
    if message.reason:
        return row["ended_at"] is not None and row["end_key"] == message.t and row["end_reason"] == message.reason
    return (row["life_key"] or 0) >= message.t


def _list_faults(visit: Visit, row: dict[str, Any]) -> Iterator[str]:
    if row["user_id"] != visit.user_id:
        yield f"it is {row['user_id']}'s and not {visit.user_id}'s"
    if row["is_in_future"]:
        yield "it is in the future"
    if visit.ended_by_next and row["ended_at"] is None:
        yield "the next session said that it is over"
    if row["ended_at"] and not 0 <= row["ended_at"] - row["started_at"] <= CAP_SECONDS:
        yield f"it lasted {row['ended_at'] - row['started_at']} s"
    if visit.has_wrong_clock:
        return
    acknowledged = [one.acknowledged_at for one in visit.starts if one.acknowledged_at]
    if acknowledged and not visit.began_at - SLACK <= row["started_at"] <= max(acknowledged) + SLACK:
        yield f"it began {row['started_at'] - visit.began_at:.1f} s after it did"
    beats = [one for one in visit.beats if one.acknowledged_at]
    if beats:
        alive_at = row["last_activity_at"] or row["started_at"]
        latest = max((one.acknowledged_at or 0) for one in beats)
        is_sure = all(one.acknowledged_at for one in visit.beats)
        if alive_at < beats[-1].happened_at - SLACK or (is_sure and alive_at > latest + SLACK):
            yield f"its last sign of life is {alive_at - beats[-1].happened_at:.1f} s off"
    end = visit.end
    if end and end.acknowledged_at and row["ended_at"]:
        is_right = end.happened_at - SLACK <= row["ended_at"] <= end.acknowledged_at + SLACK
        if not is_right:
            yield f"it ended {row['ended_at'] - end.happened_at:.1f} s after it did"


def count_tries(visits: Sequence[Visit]) -> Counter[str]:
    """How many beacons of each kind were sent, repeats included."""
    tries: Counter[str] = Counter()
    for visit in visits:
        tries["starts"] += sum(one.tries for one in visit.starts)
        tries["heartbeats"] += sum(one.tries for one in visit.beats)
        tries["ends"] += visit.end.tries if visit.end else 0
    return tries
