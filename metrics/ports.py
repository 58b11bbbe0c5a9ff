"""Where a process listens: a socket of its own, or one sentence that says why not."""

import socket

BACKLOG = 2048
ENDPOINT_ADVICE = "choose another with METRICS_ENDPOINT_PORT=8512"


class PortTaken(OSError):
    """Nothing can listen there; the message says why and what to do."""


def listen(host: str, port: int, advice: str) -> socket.socket:
    """A bound socket; PortTaken with that advice."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        sentence = f"Port {port} of {host} cannot be used ({error.strerror}): stop what listens there, or {advice}"
        raise PortTaken(sentence) from None
