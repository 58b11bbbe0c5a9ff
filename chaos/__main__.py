"""`python -m chaos`: kills, cuts and fills what a shop stands on while it is open, then counts what is left."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from chaos.faults import Fault, fill_disk, plan
from chaos.verdict import Verdict, count_tries, judge
from chaos.world import World
from metrics.check import check
from metrics.database import Database
from metrics.settings import CAP, load_settings
from metrics.statements import get_statement

# Sessions that nobody ended are swept a minute after their last word, by a sweeper that looks every minute.
SWEEP_SECONDS = 130
MOST_SHOWN = 20


def main() -> int:
    """0 where nothing was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="of PostgreSQL, and as many of the endpoint")
    parser.add_argument("--others", type=int, default=6, help="of each other fault")
    parser.add_argument("--visitors", type=int, default=64)
    parser.add_argument("--pause", type=float, default=0.25, help="mean of seconds between two messages of a visitor")
    parser.add_argument("--sweep-now", action="store_true", help="instead of waiting for the endpoint's sweeper")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="cm-chaos-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        world = World(folder, chosen.seed, chosen.visitors, chosen.pause)
        return asyncio.run(run(world, chosen.kills, chosen.others, sweeps_now=chosen.sweep_now))


async def run(world: World, kills: int, others: int, *, sweeps_now: bool) -> int:
    """One day, and what came of it; prints the table of bench/README.md."""
    began = time.monotonic()
    try:
        await world.open()
        watch = asyncio.create_task(world.watch())
        world.crowd.open()
        world.tills.open()
        done = await do_faults(world, plan(kills, others, world))
        await world.crowd.close()
        await world.tills.close()
        print("Written after", f"{await world.wait_until_written():.1f} s", flush=True)
        await wait_for_sweeper(world, sweeps_now)
        findings = await asyncio.to_thread(find_drift, world)
        await asyncio.sleep(2)
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        came_back = await world.look()
        code = world.endpoint.stop()
        with world.postgres.connect() as connection:
            verdict = judge(connection, world.crowd.visits, world.tills)
    finally:
        await world.close()
    verdict.faults += [*world.complaints, *findings]
    if code:
        verdict.faults.append(f"the endpoint ended with {code}")
    if not came_back:
        verdict.faults.append("the dashboard did not come back")
    if deadlocks := world.tills.errors["DeadlockDetected"]:
        verdict.faults.append(f"the shop was told of {deadlocks} deadlocks")
    say(world, verdict, done, time.monotonic() - began)
    return 1 if verdict.lost or verdict.doubled or verdict.still_open or verdict.faults else 0


async def do_faults(world: World, faults: list[Fault]) -> Counter[str]:
    """One after another, sometimes before the last one is got over."""
    done: Counter[str] = Counter()
    await asyncio.sleep(2)
    for number, fault in enumerate(faults, start=1):
        if fault is fill_disk and not world.has_small_disk:
            done["fill_disk (left out: this login may not mount a small disk)"] += 1
            continue
        await fault(world)
        done[fault.__name__] += 1
        await asyncio.sleep(0.2 + world.rng.random())
        _, ready = await world.endpoint.ask("/readyz")
        print(f"{number}/{len(faults)} {fault.__name__}: {ready}", flush=True)
        if number % 10 == 0:
            await world.wait_until_written()
    return done


async def wait_for_sweeper(world: World, sweeps_now: bool) -> None:
    """Until no session is open, or the sweeper had its time."""
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        await asyncio.sleep(1)
        with world.postgres.connect() as connection:
            if sweeps_now:
                values = {"timeout": timedelta(seconds=1), "cap": CAP, "max_rows": 1_000_000}
                connection.execute(get_statement("sweep_sessions"), values)
            if not connection.execute("SELECT 1 FROM user_sessions WHERE ended_at IS NULL LIMIT 1").fetchall():
                return


def find_drift(world: World) -> list[str]:
    """What `check --full` finds."""
    url = world.postgres.get_url()
    database = Database(load_settings({"DATABASE_URL": url, "METRICS_TIMEOUT_MINUTES": "1"}), url)
    try:
        return list(check(database, full=True))
    finally:
        database.close()


def say(world: World, verdict: Verdict, done: Counter[str], seconds: float) -> None:
    """The table."""
    crowd = world.crowd
    tries = count_tries(crowd.visits)
    refused = {status: times for status, times in sorted(crowd.statuses.items()) if status >= 300}
    print(f"\n{seconds:,.0f} s; faults: {', '.join(f'{times} {name}' for name, times in sorted(done.items()))}\n")
    print("| what | how many |\n|---|---:|")
    rows = {
        "sessions": len(crowd.visits),
        **{f"{kind} sent": times for kind, times in tries.items()},
        "beacons sent": sum(crowd.statuses.values()),
        "answered with 2xx": crowd.statuses[200] + crowd.statuses[201],
        "refused": sum(refused.values()),
        "without an answer": crowd.statuses[0],
        "acknowledged, repeats aside": verdict.acknowledged,
        "found in the database": verdict.found,
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "sessions stuck open": verdict.still_open,
        "orders and bookings committed": len(world.tills.order_ids) + len(world.tills.booking_ids),
        "other faults, drift included": len(verdict.faults),
    }
    for what, number in rows.items():
        print(f"| {what} | {number:,} |")
    print(f"\nslowest answer: {crowd.slowest:.1f} s; refused by status: {refused}; sentences: {dict(crowd.sentences)}")
    print(f"the tills were told: {dict(world.tills.errors)}")
    print(f"the dashboard said: {dict(world.looks)}")
    for fault in verdict.faults[:MOST_SHOWN]:
        print(f"FAULT {fault}")


if __name__ == "__main__":
    sys.exit(main())
