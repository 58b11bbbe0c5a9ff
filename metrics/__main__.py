"""The commands: `migrate`, `demo`, `run`, `endpoint`, `fold` and `export`, and those of `upkeep`."""

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import psycopg

from metrics.choices import ACTIVITIES, INTERVALS, ORDERS, SORTS
from metrics.customers import CustomerQuery
from metrics.database import DatabaseError, open_database
from metrics.embedded import EmbeddedError
from metrics.ports import PortTaken
from metrics.privacy import ErasureIncomplete, PersonNotFound
from metrics.settings import SettingError, load_settings
from metrics.upkeep import add_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; 0 when done, 1 with one sentence when it cannot be, 2 for arguments that are none."""
    parser = make_parser()
    chosen = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = chosen.command
    try:
        return command(chosen)
    except (SettingError, EmbeddedError, DatabaseError, PortTaken, PersonNotFound, ErasureIncomplete) as error:
        print(error, file=sys.stderr)
        return 1
    except psycopg.Error as error:
        # A right that is missing, a server that went away: its own words, without the statement.
        print(f"The database refuses: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output had enough: nothing is left to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130


def make_parser() -> argparse.ArgumentParser:
    """The words of every command."""
    parser = argparse.ArgumentParser(prog="python -m metrics", description="Customer Metrics over Postgres.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    migrate = commands.add_parser("migrate", help="bring the database to the current schema; safe to repeat")
    migrate.add_argument("--remove", action="store_true", help="take back everything that migrate added")
    migrate.set_defaults(command=run_migrate)

    demo = commands.add_parser("demo", help="fill an empty database with a believable shop")
    demo.add_argument("--users", type=int, default=2_000)
    demo.add_argument("--sessions", type=int, default=40_000)
    demo.add_argument("--orders", type=int, default=12_000)
    demo.add_argument("--bookings", type=int, default=3_000)
    demo.add_argument("--seed", type=int, default=1, help="the same seed makes the same shop")
    demo.set_defaults(command=run_demo)

    run = commands.add_parser("run", help="start the dashboard, with an embedded database and demo shop if need be")
    run.add_argument("--port", type=int, choices=range(1, 65536), default=8501, metavar="PORT")
    run.set_defaults(command=run_dashboard)

    export = commands.add_parser("export", help="write customers or sessions to a file, as the pages' downloads do")
    export.add_argument("noun", choices=("customers", "sessions"))
    export.add_argument("--format", choices=("csv", "parquet"), default="csv")
    export.add_argument("--output", type=Path, help="the file; left out: standard output")
    export.add_argument("--interval", choices=INTERVALS, default="all")
    export.add_argument("--sort", choices=SORTS, default="sessions", help="of customers")
    export.add_argument("--order", choices=ORDERS, default="desc", help="of customers")
    export.add_argument("--search", default="", help="customers by name, e-mail or phone")
    export.add_argument("--activity", choices=ACTIVITIES, default="all", help="of customers")
    export.add_argument("--device", help="customers whose primary device it is")
    export.add_argument("--country", help="customers from there")
    export.add_argument("--user", type=UUID, help="sessions of one customer")
    export.set_defaults(command=run_export)

    fold = commands.add_parser(
        "fold", help="bring the counts kept of each period up to now; the endpoint does it by itself"
    )
    fold.set_defaults(command=run_fold)

    endpoint = commands.add_parser("endpoint", help="start the beacon endpoint alone")
    endpoint.set_defaults(command=run_endpoint)
    add_commands(commands)
    return parser


def run_migrate(arguments: argparse.Namespace) -> int:
    """Migrates, or takes everything back."""
    from metrics.migrate import migrate, remove

    database = open_database(load_settings())
    try:
        if arguments.remove:
            remove(database.url)
        else:
            migrate(database.url)
    finally:
        database.close()
    return 0


def run_demo(arguments: argparse.Namespace) -> int:
    """Fills the demo shop at the sizes given."""
    from metrics.demo import fill_shop

    database = open_database(load_settings())
    try:
        fill_shop(
            database.url,
            users=arguments.users,
            sessions=arguments.sessions,
            orders=arguments.orders,
            bookings=arguments.bookings,
            seed=arguments.seed,
        )
    finally:
        database.close()
    return 0


def run_dashboard(arguments: argparse.Namespace) -> int:
    """Prepares the database, then serves the dashboard until Ctrl-C."""
    from metrics.run import run_all

    return run_all(arguments.port)


def run_export(arguments: argparse.Namespace) -> int:
    """Writes the file piece by piece, whole or not at all, with a progress bar where somebody watches."""
    from metrics.files import write_file

    database = open_database(load_settings())
    try:
        write_file(
            database,
            arguments.noun,
            CustomerQuery(
                arguments.interval,
                arguments.sort,
                arguments.order,
                arguments.search,
                arguments.activity,
                arguments.device,
                arguments.country,
            ),
            user_id=arguments.user,
            kind=arguments.format,
            path=arguments.output,
        )
    finally:
        database.close()
    return 0


def run_fold(arguments: argparse.Namespace) -> int:
    """Folds once, and says how far it is."""
    from metrics.folder import Folder

    database = open_database(load_settings())
    try:
        changes = asyncio.run(Folder(database.settings, database.url).do())
        fold = database.get_fold()
        print(f"took {changes:,} changes" + (f"; kept until {fold.folded_until:%Y-%m-%d %H:%M:%S %Z}" if fold else ""))
    finally:
        database.close()
    return 0


def run_endpoint(arguments: argparse.Namespace) -> int:
    """Serves beacons until it is asked to stop."""
    from metrics.endpoint import serve
    from metrics.install import open_installation
    from metrics.stops import hear_stops

    hear_stops()
    try:
        database = open_installation()
        try:
            serve(database)
        finally:
            database.close()
    except KeyboardInterrupt:
        # The server has drained by now, and says again what it was asked.
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
