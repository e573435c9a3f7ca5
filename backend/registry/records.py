"""Records of projects and versions that the registry returns, and the names of versions."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, fields
from typing import Any

from sync.errors.failures import WrongCallError

__all__ = [
    "BASE",
    "BASE_NUMBER",
    "COMPARED_ON",
    "DAMAGED",
    "FIRST_ENCODER",
    "LIVE",
    "MAX_ID",
    "PROMPTS",
    "REJECTED",
    "RESTORED_PICTURES",
    "RETIRED",
    "TRAINED",
    "Effort",
    "LeaseLostError",
    "PinnedError",
    "Project",
    "RegistryError",
    "Version",
    "config_hash",
    "new_version_name",
    "title_of_head",
    "version_number",
]

BASE_NUMBER = 1
"""Number of the base version, which has the shipped heads and no folder."""
BASE = "base"
"""Verdict of the base version, whether it is live or not."""
TRAINED = "trained"
"""Verdict of a version that the gate has not compared with the live one yet."""
LIVE = "live"
"""Verdict of the live version, unless it is the base version."""
REJECTED = "rejected"
"""Verdict of a version that the gate kept from going live."""
RETIRED = "retired"
"""Verdict of a version that was live."""
FIRST_ENCODER = "676c8359f6edb334"
"""Fingerprint of the shipped encoder of the releases that did not store which encoder a head stands on."""
DAMAGED = "damaged"
"""Verdict of a version whose files differ from the checksums in its manifest."""
COMPARED_ON = "judged_on"
"""Key in a version's evidence of the number of tasks on which the gate has compared it."""
PROMPTS, RESTORED_PICTURES = "", "<restored>"
"""Names, in a version's heads, of the head for prompts and of that for restored pictures; no control can have these names."""
MAX_ID = 2**31 - 1
"""Largest id: Label Studio's ids are signed 32-bit integers. The server rejects larger ones before they reach the database."""
MAX_DIGITS = 9
"""Longest version number, in digits: the database stores it as a signed 32-bit integer."""


class RegistryError(WrongCallError, LookupError):
    """A project or version does not exist or cannot go live; the message names it and the reason."""


class LeaseLostError(RuntimeError):
    """Another worker has taken the project over."""


class PinnedError(RuntimeError):
    """The live version of the project is pinned; the message names it."""


@dataclass(frozen=True, slots=True)
class Project:
    """One project of the registry; see `ProjectRow` for the columns. `live_name` is the name of the live version."""

    id: int
    label_config: str
    extra_params: dict[str, Any]
    live_version: int
    live_name: str
    published_version: int | None
    published_tasks: int
    training_requested_at: float | None
    status: str
    status_at: float
    origin: str = ""
    away: str = ""
    away_since: float = 0.0
    pinned: bool = False
    encoder: str = ""


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts of a control's predicted regions that annotators accepted, edited and rejected, and of regions that they added.

    Attributes
    ----------
    accepted, edited, rejected : int
        Predicted regions that were submitted as they were, changed, and deleted.
    added : int
        Submitted regions without a matching predicted region.
    compared : int
        Edited regions that have an outline or a mask in both the prediction and the annotation.
    overlap : float
        Sum of the intersections over union of the `compared` regions, predicted against submitted.
    """

    accepted: int = 0
    edited: int = 0
    rejected: int = 0
    added: int = 0
    compared: int = 0
    overlap: float = 0.0

    def __add__(self, other: Effort) -> Effort:
        return Effort(*(getattr(self, field_.name) + getattr(other, field_.name) for field_ in fields(self)))

    @property
    def predicted_count(self) -> int:
        """Number of predicted regions."""
        return self.accepted + self.edited + self.rejected

    @property
    def mean_overlap(self) -> float | None:
        """Mean intersection over union of the compared regions, 0 to 1; None if none was compared."""
        return self.overlap / self.compared if self.compared else None


@dataclass(frozen=True, slots=True)
class Version:
    """One trained set of heads of one project.

    Attributes
    ----------
    number : int
        1 is the base version.
    name : str
        Name that Label Studio shows; each stored prediction has it as its model version.
    fingerprint : str
        Fingerprint of the annotations that the version was trained on; empty for a base version.
    learned_from : int
        Number of annotations that the version was trained on.
    verdict : {"base", "trained", "live", "rejected", "retired", "damaged"}
        The gate has not compared a "trained" version yet; the files of a "damaged" one differ from their checksums.
    evidence : dict
        The gate's measurements, and its reason.
    effort : dict
        Control's name to the `Effort` of annotators with the regions that this version predicted.
    heads : dict
        Control's name to the number of the version whose folder holds its head; the heads of all other controls are in this
        version's own folder. The head for prompts has the key `PROMPTS`, that for restored pictures `RESTORED_PICTURES`.
    encoder : str
        Fingerprint of the encoder that its own heads for classes and numbers were trained on; empty for a base version.
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
    encoder: str = ""

    def head_from(self, control: str) -> int:
        """Return the number of the version whose folder holds the head of `control`."""
        return self.heads.get(control, self.number)


def title_of_head(name: str) -> str:
    """Return what users read for the name of a head: the name of its control, or what the head is for."""
    return {PROMPTS: "clicks", RESTORED_PICTURES: "restored pictures"}.get(name, name)


def new_version_name(number: int, tag: str) -> str:
    """Return the name of a new version, such as `v0007-3f9a7c`; the project's `tag` makes it unique among models."""
    return f"v{number:04d}-{tag}"


def version_number(name: str) -> int:
    """Return the number of a version from its name, `v0007-3f9a7c`, `v0007` or `7`.

    Raises
    ------
    RegistryError
        If `name` does not have one of these forms.
    """
    match = re.fullmatch(rf"v?([0-9]{{1,{MAX_DIGITS}}})(-[0-9a-f]+)?", name)
    if match is None:
        raise RegistryError(f"{name!r} is not a version name: use a name such as v0007-3f9a7c, or v0007 for short")
    return int(match[1])


def config_hash(label_config: str) -> str:
    """Return a hash of a labelling config: the first 16 hexadecimal digits of its SHA-256, without surrounding white space."""
    return hashlib.sha256(label_config.strip().encode()).hexdigest()[:16]
