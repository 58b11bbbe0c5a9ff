"""The wire between the endpoint and PostgreSQL: it can be cut, and made slow."""

import asyncio
from contextlib import suppress


class Wire:
    """A TCP relay on loopback."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self.delay = 0.0  # seconds that each piece takes
        self.is_cut = False
        self._target = target
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Starts to relay."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Ends every connection and takes no more."""
        if self._server:
            self._server.close()
        self.cut()
        # Whoever relays hears of it.
        await asyncio.sleep(0.1)

    def cut(self) -> None:
        """Breaks every connection, in the middle of whatever they say; new ones are closed while `is_cut`."""
        for end in self._ends:
            end.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, there[1]}
        self._ends |= ends
        await asyncio.wait(
            [asyncio.create_task(self._pump(*way)) for way in ((reader, there[1]), (there[0], writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )
        self._ends -= ends
        for end in ends:
            end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(65_536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(piece)
                await writer.drain()
