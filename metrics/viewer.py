"""Who is looking: every reading function asks for it, and it decides what is masked."""

import getpass
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

Role = Literal["admin", "analyst"]


class NotAllowed(PermissionError):
    """Nobody, or somebody without the role, asked for data."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person or script that the gate let in; `reveals` is whether an admin asked to see contacts."""

    email: str
    role: Role
    reveals: bool = True

    @property
    def sees_contacts(self) -> bool:
        """Whether e-mails and phones come whole; never to an analyst."""
        return self.role == "admin" and self.reveals


def demand_viewer(viewer: object) -> None:
    """Raises NotAllowed for anything that the gate did not hand out."""
    if not isinstance(viewer, Viewer):
        raise NotAllowed(f"The viewer is {viewer!r}: ask the gate for one before asking for data")


def demand_admin(viewer: object) -> None:
    """Raises NotAllowed for everybody but an admin."""
    demand_viewer(viewer)
    assert isinstance(viewer, Viewer)
    if viewer.role != "admin":
        raise NotAllowed(f"{viewer.email} is {viewer.role}: this is for admins")


def get_masks(viewer: Viewer) -> dict[str, str]:
    """The fragments that mask contacts in a statement, or leave them: masked, they never leave the database whole."""
    if viewer.sees_contacts:
        return {"mask_email": "", "mask_phone": "", "mask_name": "", "names_only": "false"}
    return {
        "mask_email": "metrics_mask_email",
        "mask_phone": "metrics_mask_phone",
        "mask_name": "metrics_mask_name",
        "names_only": "true" if viewer.role == "analyst" else "false",
    }


def get_operator() -> Viewer:
    """Whoever may start a command here has the database's own password; the log knows the login of this machine."""
    with suppress(OSError, KeyError):
        return Viewer(f"command line: {getpass.getuser()}", "admin")
    return Viewer("command line", "admin")
