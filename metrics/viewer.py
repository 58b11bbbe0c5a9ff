"""Who is looking: every reading function asks for it."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["admin", "analyst"]


class NotAllowed(PermissionError):
    """Nobody, or somebody without the role, asked for data."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person or script that the gate let in."""

    email: str
    role: Role


def demand_viewer(viewer: object) -> None:
    """Raises NotAllowed for anything that the gate did not hand out."""
    if not isinstance(viewer, Viewer):
        raise NotAllowed(f"The viewer is {viewer!r}: ask the gate for one before asking for data")
