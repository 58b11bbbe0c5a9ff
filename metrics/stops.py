"""Being asked to stop: Ctrl-C, a service manager, a terminal window that is closed."""

import signal
from types import FrameType

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def hear_stops() -> None:
    """From here on the first of them raises KeyboardInterrupt, SIGINT too: what a script starts inherits it ignored."""
    for number in STOPS:
        signal.signal(number, _interrupt)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # Once is enough: a whole process group gets it twice, from the terminal and from make, and stopping must not stop.
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt
