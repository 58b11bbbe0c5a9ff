"""The commands that look after an installation: check, rebuild, prune, erase, reset, export-person and keys."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from tqdm import tqdm

from metrics.check import check
from metrics.database import Database, open_database
from metrics.keys import add_key, list_keys, revoke_key
from metrics.privacy import erase_customer, export_person, reset_all_sessions, reset_customer
from metrics.rebuild import count_customers_to_rebuild, rebuild
from metrics.retention import count_prunable, prune_sessions
from metrics.settings import load_settings
from metrics.viewer import get_operator

ALL = "all"


def add_commands(commands: Any) -> None:
    """Their words, to the parser of all commands."""
    command = commands.add_parser("check", help="is this installation sound? Exit 1 and one sentence for each finding")
    command.add_argument("--full", action="store_true", help="count every customer anew, not a sample")
    command.set_defaults(command=run_check)

    command = commands.add_parser("rebuild", help="count every summary and every rollup anew, while the shop goes on")
    command.set_defaults(command=run_rebuild)

    command = commands.add_parser("prune", help="remove the detail of old sessions; counts of all time stay")
    command.add_argument("--days", type=read_days, help="how many days stay; left out: METRICS_RETENTION_DAYS")
    command.add_argument("--dry-run", action="store_true", help="only say how many would leave")
    command.add_argument("--archive", type=Path, metavar="DIR", help="write what leaves there first, as Parquet")
    command.set_defaults(command=run_prune)

    command = commands.add_parser("erase", help="erase a person for good, with a receipt")
    command.add_argument("user", type=UUID, metavar="USER", help="the customer's id")
    command.add_argument("--dry-run", action="store_true", help="only say what would go")
    command.set_defaults(command=run_erase)

    command = commands.add_parser("reset", help="forget a customer's visits, or everybody's; orders and reviews stay")
    command.add_argument("user", type=read_user_or_all, metavar="USER|all", help="the customer's id, or all")
    command.add_argument("--dry-run", action="store_true", help="only say what would go, of one customer")
    command.add_argument("--yes", action="store_true", help="really forget the visits of all")
    command.set_defaults(command=run_reset)

    command = commands.add_parser("export-person", help="write all that is known of a person as JSON")
    command.add_argument("user", type=UUID, metavar="USER", help="the customer's id")
    command.set_defaults(command=run_export_person)

    command = commands.add_parser("keys", help="make, list and revoke keys of the JSON API")
    deeds = command.add_subparsers(required=True, metavar="add|list|revoke")
    add = deeds.add_parser("add", help="make a key, and show it this once")
    add.add_argument("name", help="whose key it is")
    add.add_argument("--role", choices=("admin", "analyst"), default="analyst", help="an analyst's contacts are masked")
    add.set_defaults(command=run_add_key)
    listing = deeds.add_parser("list", help="list every key there ever was")
    listing.set_defaults(command=run_list_keys)
    revoke = deeds.add_parser("revoke", help="end a key")
    revoke.add_argument("name", help="the key's name")
    revoke.set_defaults(command=run_revoke_key)


def read_days(text: str) -> int:
    """A whole number of days, 1 or more."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= 36_500):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days: use a whole number from 1 to 36500")
    return int(text)


def read_user_or_all(text: str) -> UUID | str:
    """The id of a customer, or all."""
    if text == ALL:
        return text
    with suppress(ValueError):
        return UUID(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no id: use the id of a customer, or all")


@contextmanager
def _open() -> Iterator[Database]:
    database = open_database(load_settings())
    try:
        yield database
    finally:
        database.close()


def run_check(arguments: argparse.Namespace) -> int:
    """Prints what is not as it should be; 1 where there is such a thing."""
    with _open() as database:
        findings = list(check(database, full=arguments.full))
    for finding in findings:
        print(finding)
    if not findings:
        print("all is well")
    return 1 if findings else 0


def run_rebuild(arguments: argparse.Namespace) -> int:
    """Counts everything anew, with a progress bar where somebody watches."""
    with _open() as database:
        total = count_customers_to_rebuild(database)
        with tqdm(total=total, desc="customers", disable=not sys.stderr.isatty()) as progress:
            written = rebuild(database, progress.update)
    print(f"counted {written:,} customers anew, and every period")
    return 0


def run_prune(arguments: argparse.Namespace) -> int:
    """Removes old sessions, or says how many it would."""
    with _open() as database:
        due = count_prunable(database, get_operator(), days=arguments.days)
        until = f"that were over before {due.until:%Y-%m-%d %H:%M:%S %Z}"
        if arguments.dry_run:
            print(f"would remove {due.sessions:,} sessions {until}; counts of all time would stay")
            return 0
        with tqdm(total=due.sessions, desc="sessions", disable=not sys.stderr.isatty()) as progress:
            pruned = prune_sessions(
                database, get_operator(), days=arguments.days, archive=arguments.archive, report=progress.update
            )
    print(f"removed {pruned.sessions:,} sessions {until}; counts of all time stay")
    for file in pruned.files:
        print(f"archived in {file}")
    return 0


def run_erase(arguments: argparse.Namespace) -> int:
    """Erases, and prints the receipt as JSON."""
    with _open() as database:
        receipt = erase_customer(database, get_operator(), arguments.user, dry_run=arguments.dry_run)
    print(json.dumps(receipt.write(), indent=2))
    return 0


def run_reset(arguments: argparse.Namespace) -> int:
    """Forgets visits, and prints the receipt as JSON; everybody's only with --yes."""
    if arguments.user == ALL and not arguments.yes:
        print("This forgets every visit of everybody: add --yes if that is what you want", file=sys.stderr)
        return 1
    with _open() as database:
        if arguments.user == ALL:
            receipt = reset_all_sessions(database, get_operator())
        else:
            receipt = reset_customer(database, get_operator(), arguments.user, dry_run=arguments.dry_run)
    print(json.dumps(receipt.write(), indent=2))
    return 0


def run_export_person(arguments: argparse.Namespace) -> int:
    """Writes the person's data to standard output."""
    with _open() as database:
        print(export_person(database, get_operator(), arguments.user))
    return 0


def run_add_key(arguments: argparse.Namespace) -> int:
    """Shows the key: nobody can again."""
    with _open() as database:
        print(add_key(database, arguments.name, arguments.role))
    print("Keep it now: only its hash is stored.", file=sys.stderr)
    return 0


def run_list_keys(arguments: argparse.Namespace) -> int:
    """One line a key."""
    with _open() as database:
        for key in list_keys(database):
            end = f", revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else ""
            print(f"{key.name}: {key.role}, made {key.created_at:%Y-%m-%d}{end}")
    return 0


def run_revoke_key(arguments: argparse.Namespace) -> int:
    """From now on it opens nothing."""
    with _open() as database:
        revoke_key(database, arguments.name)
    print(f"{arguments.name} opens nothing any more")
    return 0
