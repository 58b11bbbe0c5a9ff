"""Starts what `make run` shows, keeps it together, and stops all of it cleanly."""

import subprocess
import sys
import time
from contextlib import ExitStack

from metrics.install import open_installation
from metrics.migrate import migrate
from metrics.ports import ENDPOINT_ADVICE, listen
from metrics.settings import PROJECT, Settings, load_settings
from metrics.stops import hear_stops

HOST = "127.0.0.1"
STOP_SECONDS = 15


def run_all(port: int) -> int:
    """Serves dashboard and endpoint on this machine until asked to stop: 0 then, else the code of the one that died."""
    settings = load_settings()
    # Before anything is started: what cannot listen is said at once.
    listen(HOST, port, "choose another with python -m metrics run --port 8511").close()
    listen(settings.endpoint_host, settings.endpoint_port, ENDPOINT_ADVICE).close()
    hear_stops()
    try:
        return _serve(port)
    except KeyboardInterrupt:
        # While the shop was being filled: nothing is half done, the next start fills it.
        return 0


def _serve(port: int) -> int:
    database = open_installation()
    try:
        settings = database.settings
        if settings.database_url:
            # A shop's own database: the schema is part of the set-up; its rows are not touched, and no demo goes there.
            migrate(database.url)
        flags = [f"--server.port={port}", f"--server.address={HOST}", "--server.headless=true"]
        commands = {
            "dashboard": ["streamlit", "run", "app.py", *flags],
            "endpoint": ["metrics", "endpoint"],
        }
        with ExitStack() as stack:
            children = {name: _start(stack, command) for name, command in commands.items()}
            try:
                _say_where(settings, port)
                return _watch(children)
            except KeyboardInterrupt:
                print("Stopping ...", flush=True)
                return 0
    finally:
        database.close()


def _start(stack: ExitStack, command: list[str]) -> "subprocess.Popen[bytes]":
    # Its own group: Ctrl-C reaches this process alone, which then asks the child to stop.
    child = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=PROJECT, start_new_session=True, stdout=subprocess.DEVNULL
    )
    stack.callback(_stop, child)
    return child


def _say_where(settings: Settings, port: int) -> None:
    endpoint = f"http://{settings.endpoint_host}:{settings.endpoint_port}"
    print(f"Customer Metrics: http://{HOST}:{port}  (Ctrl-C stops it, the data stays)", flush=True)
    print(f"Beacon endpoint:  {endpoint}", flush=True)
    if not settings.database_url:
        print(f"Demo shop:        {endpoint}/demo", flush=True)


def _watch(children: dict[str, "subprocess.Popen[bytes]"]) -> int:
    # Short waits: a signal that reaches the pool's thread would leave a long one asleep for ever.
    while True:
        for name, child in children.items():
            code = child.poll()
            if code is not None:
                print(f"The {name} stopped by itself (exit code {code}): stopping the rest", file=sys.stderr)
                return code or 1
        time.sleep(0.5)


def _stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
