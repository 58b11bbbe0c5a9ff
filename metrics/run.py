"""Starts what `make run` shows, keeps it together, and stops all of it cleanly."""

import signal
import socket
import subprocess
import sys
from contextlib import suppress
from types import FrameType

from metrics.database import DatabaseError
from metrics.install import open_installation
from metrics.migrate import migrate
from metrics.settings import PROJECT

HOST = "127.0.0.1"
# Ctrl-C, a service manager, and a terminal window that is closed.
STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class PortTaken(DatabaseError):
    """Somebody else listens there already."""


def run_all(port: int) -> int:
    """Serves the dashboard on loopback until it is asked to stop: 0 then, else the dashboard's own exit code."""
    check_port(port)
    for number in STOPS:
        # SIGINT too: what a script starts in the background inherits it ignored.
        signal.signal(number, _interrupt)
    try:
        return _serve(port)
    except KeyboardInterrupt:
        # While the shop was being filled: nothing is half done, the next start fills it.
        return 0


def _serve(port: int) -> int:
    database = open_installation()
    try:
        if database.settings.database_url:
            # A shop's own database: the schema is part of the set-up; its rows are not touched, and no demo goes there.
            migrate(database.url)
        command = [sys.executable, "-m", "streamlit", "run", "app.py"]
        flags = [f"--server.port={port}", f"--server.address={HOST}", "--server.headless=true"]
        # Its own group: Ctrl-C reaches this process alone, which then asks the child to stop.
        child = subprocess.Popen([*command, *flags], cwd=PROJECT, start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            print(f"Customer Metrics: http://{HOST}:{port}  (Ctrl-C stops it, the data stays)", flush=True)
            while True:
                # Not one long wait: a signal that reaches the pool's thread would leave this one asleep for ever.
                with suppress(subprocess.TimeoutExpired):
                    return child.wait(timeout=1)
        except KeyboardInterrupt:
            print("Stopping ...", flush=True)
            return 0
        finally:
            _stop(child)
    finally:
        database.close()


def _stop(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(timeout=15)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def check_port(port: int) -> None:
    """Raises PortTaken, in one sentence, before anything is started."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise PortTaken(
                f"Port {port} is in use: stop what listens there, or choose another with "
                "python -m metrics run --port 8511"
            ) from None


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # Once is enough: a whole process group gets it twice, from the terminal and from make, and stopping must not stop.
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
