"""The snapshot: the frozen list of annotations that a version is trained on, and what of them is a label.

Every rule about what counts stands here: skipped and empty annotations teach nothing, the newest annotation of each annotator
counts, and one task in five is kept aside for good to judge versions by, chosen by its id so that it never changes sides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sync.annotations import Annotation

__all__ = ["JUDGED_ONE_IN", "Snapshot", "is_judge", "take_snapshot"]

JUDGED_ONE_IN = 5
"""One task in so many is never trained on."""
SNAPSHOT_FILE = "snapshot.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Annotations that count, ordered by task and id.

    Attributes
    ----------
    stamps : dict
        Annotation id to its stamp, the time of its last change and its content: what makes two snapshots differ.
    """

    annotations: tuple[Annotation, ...]
    stamps: dict[int, str]

    @property
    def fingerprint(self) -> str:
        """Name the snapshot by its content."""
        return hashlib.sha256(json.dumps(sorted(self.stamps.items())).encode()).hexdigest()[:16]

    @property
    def training(self) -> tuple[Annotation, ...]:
        """What a version may learn from."""
        return tuple(annotation for annotation in self.annotations if not is_judge(annotation.task_id))

    @property
    def judging(self) -> tuple[Annotation, ...]:
        """What no version ever learns from."""
        return tuple(annotation for annotation in self.annotations if is_judge(annotation.task_id))

    def changes_since(self, stamps: dict[int, str]) -> int:
        """Count the annotations that are new, changed or deleted since `stamps`."""
        changed = sum(stamps.get(one.id) not in (self.stamps[one.id], one.updated_at) for one in self.annotations)
        return changed + sum(id_ not in self.stamps for id_ in stamps)

    def save(self, folder: Path) -> None:
        """Write the list beside the version that it made."""
        rows = [
            {"annotation": one.id, "task": one.task_id, "updated_at": one.updated_at, "content": one.content}
            for one in self.annotations
        ]
        (folder / SNAPSHOT_FILE).write_text(json.dumps(rows))


def read_stamps(folder: Path) -> dict[int, str]:
    """Read the stamps of a version's snapshot; none where the version has no folder (the base version).

    Versions made before stamps held the content have times alone: they tell as much as they did then.
    """
    try:
        rows = json.loads((folder / SNAPSHOT_FILE).read_text())
    except FileNotFoundError:
        return {}
    return {row["annotation"]: _stamp(row["updated_at"], row.get("content", "")) for row in rows}


def is_judge(task_id: int) -> bool:
    """Tell whether a task is kept aside for judging."""
    return hashlib.sha256(str(task_id).encode()).digest()[0] % JUDGED_ONE_IN == 0


def take_snapshot(annotations: Sequence[Annotation]) -> Snapshot:
    """Choose the annotations that count.

    Parameters
    ----------
    annotations : sequence of Annotation
        All of a project, as Label Studio has them.
    """
    newest: dict[tuple[int, int | None], Annotation] = {}
    for annotation in sorted(annotations, key=lambda one: (one.updated_at, one.id)):
        if not annotation.was_cancelled and annotation.result:
            newest[annotation.task_id, annotation.completed_by] = annotation
    chosen = tuple(sorted(newest.values(), key=lambda one: (one.task_id, one.id)))
    return Snapshot(chosen, {one.id: _stamp(one.updated_at, one.content) for one in chosen})


def _stamp(updated_at: str, content: str) -> str:
    return f"{updated_at} {content}" if content else updated_at
