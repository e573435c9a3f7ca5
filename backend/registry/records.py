"""Projects and versions as the registry tells of them, and how they are named."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, fields
from typing import Any

from sync.errors.failures import WrongCallError

__all__ = [
    "BASE",
    "BASE_NUMBER",
    "DAMAGED",
    "LIVE",
    "MAX_ID",
    "RETIRED",
    "TRAINED",
    "Effort",
    "LeaseLostError",
    "Project",
    "RegistryError",
    "Version",
    "config_hash",
    "new_version_name",
    "version_number",
]

BASE_NUMBER = 1
"""Of the version that has the shipped heads, and no folder."""
BASE = "base"
"""Verdict of that version, whether it is live or not."""
TRAINED = "trained"
"""Verdict of a version that the gate has not compared with the live one yet."""
LIVE = "live"
"""Verdict of the live version, unless it is the base version."""
RETIRED = "retired"
"""Verdict of a version that was live."""
DAMAGED = "damaged"
"""Verdict of a version whose files are not as they were written."""
MAX_ID = 2**31 - 1
"""Label Studio's ids are 32-bit integers; a larger one would be refused by the database, not by us."""
MAX_DIGITS = 9
"""Of a version's number, which the database keeps as an integer of 32 bits."""


class RegistryError(WrongCallError, LookupError):
    """A project or version that does not exist or cannot go live; the message says which and why."""


class LeaseLostError(RuntimeError):
    """Another worker has taken the project over."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project as the registry knows it; see `ProjectRow` for the columns. `live_name` is the name of the live version."""

    id: int
    label_config: str
    extra_params: dict[str, Any]
    live_version: int
    live_name: str
    published_version: int | None
    published_tasks: int
    training_requested: bool
    status: str
    status_at: float
    origin: str = ""
    away: str = ""
    away_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Effort:
    """What annotators did with a control's predicted regions.

    Attributes
    ----------
    accepted, edited, rejected : int
        Predicted regions that were submitted as they were, changed, and deleted.
    added : int
        Regions that were submitted and that no predicted one stands behind.
    compared : int
        Edited regions that have an outline or a mask on both sides.
    overlap : float
        Sum of their intersections over unions, of what was predicted and what was submitted.
    """

    accepted: int = 0
    edited: int = 0
    rejected: int = 0
    added: int = 0
    compared: int = 0
    overlap: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def predicted(self) -> int:
        """How many regions were predicted."""
        return self.accepted + self.edited + self.rejected

    @property
    def mean_overlap(self) -> float | None:
        """Mean intersection over union of the edited regions; None where none has one."""
        return self.overlap / self.compared if self.compared else None


@dataclass(frozen=True, slots=True)
class Version:
    """One trained set of heads of one project.

    Attributes
    ----------
    number : int
        1 is the base version.
    name : str
        What Label Studio shows, and what predictions carry.
    fingerprint : str
        Of the annotations it was trained on; empty for a base version.
    learned_from : int
        Annotations it was trained on.
    verdict : {"base", "trained", "live", "rejected", "retired", "damaged"}
        "trained" has not been judged yet; of a "damaged" one the files are not as they were written.
    evidence : dict
        What the gate measured, and its reason.
    effort : dict
        Control's name to what annotators did with the regions that this version predicted.
    heads : dict
        Control's name to the number of the version whose folder holds its head; a control that is not named has its own. The
        head for prompts stands under `backend.prediction.project_heads.PROMPTS`.
    """

    project_id: int
    number: int
    name: str
    created_at: float
    config_hash: str
    fingerprint: str
    learned_from: int
    verdict: str
    evidence: dict[str, Any]
    effort: dict[str, Effort] = field(default_factory=dict)
    heads: dict[str, int] = field(default_factory=dict)

    def head_from(self, control: str) -> int:
        """Number of the version whose folder holds a control's head."""
        return self.heads.get(control, self.number)


def new_version_name(number: int, tag: str) -> str:
    """Name a version that is made now, `v0007-3f9a7c`; `tag` is the project's, so that no other model's name is the same."""
    return f"v{number:04d}-{tag}"


def version_number(name: str) -> int:
    """Read the number of a version from its name, `v0007-3f9a7c`, `v0007` or `7`.

    Raises
    ------
    RegistryError
        If `name` is no version name.
    """
    match = re.fullmatch(rf"v?([0-9]{{1,{MAX_DIGITS}}})(-[0-9a-f]+)?", name)
    if match is None:
        raise RegistryError(f"{name!r} is no version name; versions are called like v0007-3f9a7c, or v0007 for short")
    return int(match[1])


def config_hash(label_config: str) -> str:
    """Name a labelling config by its content."""
    return hashlib.sha256(label_config.strip().encode()).hexdigest()[:16]
