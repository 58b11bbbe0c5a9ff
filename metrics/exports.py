"""A COPY statement streamed as CSV or Parquet: memory stays flat however many rows there are."""

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from metrics.database import Database
from metrics.statements import get_statement

PIECE_BYTES = 64 * 1024
# In a CSV file a text that a spreadsheet would run is disarmed; in Parquet every cell has a type, and stays as it is.
CSV_CELL = "metrics_csv_text"
PARQUET_CELL = ""
# What is no text in a file, by its column's name; the first that fits.
KINDS = {"money": "spent|amount", "count": "^total_|_in_period$", "moment": "_at$|^last_login$", "minutes": "_minutes$"}


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


def write_parquet(pieces: Iterator[bytes], file: BinaryIO) -> None:
    """Writes what export_csv brings of texts as they are, with types for counts, money, moments and flags."""
    # Late, because the endpoint has no use for it and little memory.
    import pyarrow as pa
    from pyarrow import csv, parquet

    stream = _Stream(pieces)
    names = stream.peek_header()
    types = {name: _get_type(pa, name) for name in names}
    batches = csv.open_csv(
        stream,
        parse_options=csv.ParseOptions(newlines_in_values=True),
        # COPY writes NULL as nothing and an empty text as two quotes.
        convert_options=csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )
    with parquet.ParquetWriter(file, batches.schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(batch)


def _get_type(pa: Any, name: str) -> Any:
    types = {
        "money": pa.decimal128(18, 2),
        "count": pa.int64(),
        "moment": pa.timestamp("us", "UTC"),
        "minutes": pa.float64(),
    }
    kind = next((kind for kind, pattern in KINDS.items() if re.search(pattern, name)), None)
    return types[kind] if kind else pa.bool_() if name == "active" else pa.string()


class _Stream(io.RawIOBase):
    """Pieces of bytes, read as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def peek_header(self) -> list[str]:
        """The names of the columns, which stay to be read."""
        self._rest = next(self._pieces, b"")
        return self._rest.partition(b"\r\n")[0].decode().split(",")

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
