"""Files an analyst gets from the command: customers or sessions, CSV or Parquet, written whole or not at all."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from tqdm import tqdm

from metrics.customers import CustomerQuery
from metrics.database import Database
from metrics.exports import CSV_CELL, PARQUET_CELL, write_parquet
from metrics.handouts import take_customers, take_sessions
from metrics.session_list import SessionQuery
from metrics.viewer import get_operator


def write_file(
    database: Database, noun: str, query: CustomerQuery, *, user_id: UUID | None, kind: str, path: Path | None
) -> None:
    """The rows and columns of the page's download, to a file or to standard output; memory stays flat.

    A Parquet file has the texts as they are, a CSV file with what a spreadsheet would run disarmed.
    """
    cell = PARQUET_CELL if kind == "parquet" else CSV_CELL
    operator = get_operator()
    if noun == "customers":
        pieces = take_customers(database, operator, query, cell=cell)
    else:
        pieces = take_sessions(database, operator, SessionQuery(query.interval, user_id=user_id), cell=cell)
    with (
        _open(path) as file,
        tqdm(unit="B", unit_scale=True, desc=f"exporting {noun}", disable=not sys.stderr.isatty()) as progress,
    ):
        watched = _watch(pieces, progress)
        if kind == "parquet":
            write_parquet(watched, file)
        else:
            for piece in watched:
                file.write(piece)


def _watch(pieces: Iterator[bytes], progress: tqdm) -> Iterator[bytes]:
    for piece in pieces:
        progress.update(len(piece))
        yield piece


@contextmanager
def _open(path: Path | None) -> Iterator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    # Beside it, so that whoever finds the file finds all of it.
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
