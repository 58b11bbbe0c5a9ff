"""Starts what `make run` shows, keeps it together, and stops all of it cleanly."""

import socket
import subprocess
import sys
import time
from contextlib import ExitStack

from metrics.database import DatabaseError
from metrics.install import open_installation
from metrics.migrate import migrate
from metrics.settings import PROJECT, Settings, load_settings
from metrics.stops import hear_stops

HOST = "127.0.0.1"
STOP_SECONDS = 15


class PortTaken(DatabaseError):
    """Somebody else listens there already."""


def run_all(port: int) -> int:
    """Serves dashboard and endpoint on this machine until asked to stop: 0 then, else the code of the one that died."""
    settings = load_settings()
    check_port(HOST, port, "choose another with python -m metrics run --port 8511")
    check_port(settings.endpoint_host, settings.endpoint_port, "choose another with METRICS_ENDPOINT_PORT=8512")
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


def check_port(host: str, port: int, advice: str) -> None:
    """Raises PortTaken, in one sentence, before anything is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise PortTaken(f"Port {port} is in use: stop what listens there, or {advice}") from None
