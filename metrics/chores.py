"""Chores: work in the background that one of many processes does at a time, again and again."""

import asyncio
import logging
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

import psycopg

from metrics.database import CONNECT_TIMEOUT_SECONDS

LOGGER = logging.getLogger(__name__)


class Chore(ABC):
    """What is done every so many seconds; readers derive the same, so that nothing is wrong while it is late."""

    name: str

    def __init__(self, url: str, every_seconds: float) -> None:
        self._url = url
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts doing it."""
        self._task = asyncio.create_task(self._do_for_ever())

    async def close(self) -> None:
        """Stops; a step that runs is rolled back, and the next process does it again."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def do(self) -> int:
        """Does what there is to do and says how much it was; 0 too where another process is at it."""
        async with await psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=f"metrics-{self.name}",
        ) as connection:
            return await self.work(connection)

    @abstractmethod
    async def work(self, connection: psycopg.AsyncConnection[Any]) -> int:
        """The work itself, step by step, on a connection of its own."""

    async def _do_for_ever(self) -> None:
        may_do = True
        while may_do:
            try:
                await self.do()
            except psycopg.errors.InsufficientPrivilege:
                may_do = False
                LOGGER.warning("this login may not %s: run one endpoint with the owner's DATABASE_URL", self.name)
            except (psycopg.Error, OSError):
                # It is away, which the writer of beacons says, or somebody was quicker: the next round will do.
                LOGGER.info("not done: %s", self.name)
            await asyncio.sleep(self._every_seconds)
