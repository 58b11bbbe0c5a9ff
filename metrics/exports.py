"""A COPY statement streamed as CSV: memory stays flat however many rows there are."""

from collections.abc import Iterator
from typing import Any

from metrics.database import Database
from metrics.statements import get_statement

PIECE_BYTES = 64 * 1024


def export_csv(database: Database, statement: str, values: dict[str, Any]) -> Iterator[bytes]:
    """Pieces of some 64 KiB of an RFC 4180 file, header row first, from one snapshot."""
    with database.read() as connection, connection.transaction():
        connection.execute(get_statement("allow_long_statement"))
        with connection.cursor().copy(statement, values) as rows:
            piece = bytearray()
            for row in rows:
                # COPY sends a row a message and ends it with a line feed alone; the format asks for both.
                piece += bytes(row).removesuffix(b"\n") + b"\r\n"
                if len(piece) >= PIECE_BYTES:
                    yield bytes(piece)
                    piece.clear()
            yield bytes(piece)
