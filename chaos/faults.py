"""The faults, each a coroutine that does it, leaves it for a while, and takes it back."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psycopg

from chaos.world import World
from metrics.settings import PROJECT

LOCK_SECONDS = 5
FREEZE_SECONDS = 7
FILLED_SECONDS = 3


async def kill_postgres(world: World) -> None:
    """All of it at once; it is away for a moment, and recovers."""
    world.postgres.kill()
    await asyncio.sleep(world.rng.random() * 1.5)
    await asyncio.to_thread(world.postgres.start)


async def kill_endpoint(world: World) -> None:
    """It has no time to write anything down, and is started anew at once."""
    world.endpoint.kill()
    await world.endpoint.start()


async def kill_both(world: World) -> None:
    """The endpoint dies while it keeps beacons for a database that is away, and starts before the database does."""
    world.postgres.kill()
    await asyncio.sleep(0.3 + world.rng.random())
    world.endpoint.kill()
    await world.endpoint.start()
    await asyncio.sleep(world.rng.random())
    await asyncio.to_thread(world.postgres.start)


async def kill_endpoint_in_replay(world: World) -> None:
    """The endpoint dies while it writes what it kept."""
    world.postgres.kill()
    await asyncio.sleep(1)
    await asyncio.to_thread(world.postgres.start)
    await asyncio.sleep(0.9 + world.rng.random() / 2)
    world.endpoint.kill()
    await world.endpoint.start()


async def kill_backend(world: World) -> None:
    """The server process of the endpoint's connection; PostgreSQL starts all of itself anew."""
    with suppress(psycopg.Error):
        await asyncio.to_thread(world.postgres.kill_backend, "metrics-endpoint")
    await world.wait_for_postgres()


async def freeze_postgres(world: World) -> None:
    """It takes connections and answers nothing."""
    world.postgres.freeze()
    await asyncio.sleep(FREEZE_SECONDS)
    world.postgres.thaw()


async def cut_wire(world: World) -> None:
    """Connections break in the middle of whatever they say, and for a moment there are no others."""
    world.wire.is_cut = True
    world.wire.cut()
    await asyncio.sleep(world.rng.random())
    world.wire.is_cut = False


async def slow_wire(world: World) -> None:
    """Every piece takes its time."""
    world.wire.delay = 0.05 + world.rng.random() / 4
    await asyncio.sleep(3)
    world.wire.delay = 0.0


async def fill_disk(world: World) -> None:
    """No database, and no room on the disk of the spool: beacons are refused until there is some."""
    world.postgres.kill()
    await asyncio.sleep(0.5)
    junk = world.disk / "junk"
    with suppress(OSError), junk.open("wb") as file:
        while True:
            file.write(bytes(65_536))
            file.flush()
    await asyncio.sleep(FILLED_SECONDS)
    # Half of the times the database comes back first, and what waits is written and forgotten on a full disk.
    comes_first = world.rng.random() < 0.5
    if comes_first:
        await asyncio.to_thread(world.postgres.start)
        await asyncio.sleep(2)
    junk.unlink()
    if not comes_first:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(world.postgres.start)


async def use_up_connections(world: World) -> None:
    """Somebody else holds every connection, and the endpoint's own break."""
    hogs: list[psycopg.AsyncConnection[object]] = []
    world.wire.cut()
    with suppress(psycopg.OperationalError):
        while True:
            hogs.append(await psycopg.AsyncConnection.connect(world.postgres.get_url(), connect_timeout=5))
    await asyncio.sleep(3)
    for hog in hogs:
        await hog.close()


async def lock_tables(world: World) -> None:
    """As a migration of somebody else's does."""
    async with await psycopg.AsyncConnection.connect(world.postgres.get_url()) as connection:
        await connection.execute("LOCK TABLE user_sessions, user_activity_summary IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(LOCK_SECONDS)


async def migrate(world: World) -> None:
    """The release before this one is what runs, as far as the ledger says; then every count is made anew."""
    async with await psycopg.AsyncConnection.connect(world.postgres.get_url(), autocommit=True) as connection:
        await connection.execute("DELETE FROM metrics_migrations WHERE name = '0022_forget_in_customers_and_beacons'")
    for command in ("migrate", "rebuild"):
        environ = os.environ | {"DATABASE_URL": world.postgres.get_url(), "METRICS_HOME": str(world.disk)}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "metrics", command],
            cwd=PROJECT,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            world.complaints.append(f"{command}: {done.stderr.strip()[-300:]}")


Fault = Callable[[World], Awaitable[None]]
# Each as often as is asked for, by turns.
KILLS: tuple[Fault, ...] = (kill_postgres, kill_endpoint)
# What kills both ways at once counts as one of each.
BOTH: tuple[Fault, ...] = (kill_both, kill_endpoint_in_replay)
OTHERS: tuple[Fault, ...] = (
    kill_backend,
    freeze_postgres,
    cut_wire,
    slow_wire,
    fill_disk,
    use_up_connections,
    lock_tables,
    migrate,
)


def plan(kills: int, others: int, world: World) -> list[Fault]:
    """So many deaths of each of the two, a fifth of them together, and so many of each other fault, in any order."""
    together = kills // 5
    faults = [*KILLS * (kills - together), *(BOTH[number % 2] for number in range(together)), *OTHERS * others]
    world.rng.shuffle(faults)
    return faults
