"""Snapshot: the frozen list of annotations that a version is trained on.

All rules about which annotations count are here: skipped and empty annotations are left out, the newest annotation of each
annotator counts, and if a task has a ground-truth annotation, only ground truth counts. `held_out` decides which tasks are used
for validation and never for training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from backend.loop.examples.held_out import Sides
from sync.label_studio.annotations import Annotation

__all__ = ["Snapshot", "read_stamps", "take_snapshot"]

SNAPSHOT_FILE = "snapshot.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The annotations that count, ordered by task and id.

    Attributes
    ----------
    annotations : tuple of Annotation
    stamps : dict
        Annotation id to its stamp: the time of its last change and a hash of its content.
    sides : Sides
        Which tasks are held out, and which are used neither for training nor for validation.
    """

    annotations: tuple[Annotation, ...]
    stamps: dict[int, str]
    sides: Sides = field(default_factory=Sides)

    @property
    def fingerprint(self) -> str:
        """Hash of the stamps: equal snapshots have equal fingerprints."""
        return hashlib.sha256(json.dumps(sorted(self.stamps.items())).encode()).hexdigest()[:16]

    @property
    def training(self) -> tuple[Annotation, ...]:
        """Annotations that a version may be trained on."""
        other = self.sides.held_out | self.sides.set_aside
        return tuple(annotation for annotation in self.annotations if annotation.task_id not in other)

    @property
    def validation(self) -> tuple[Annotation, ...]:
        """Annotations of held-out tasks, which no version is trained on."""
        return tuple(annotation for annotation in self.annotations if annotation.task_id in self.sides.held_out)

    def changes_since(self, stamps: dict[int, str]) -> int:
        """Count the annotations that are new, changed or deleted since `stamps`."""
        times = {annotation.id: annotation.updated_at for annotation in self.annotations}
        change_count = sum(stamps.get(id_) not in (stamp, times[id_]) for id_, stamp in self.stamps.items())
        return change_count + sum(id_ not in self.stamps for id_ in stamps)

    def save(self, folder: Path) -> None:
        """Write the list of annotations into the folder of the version that was trained on it."""
        rows = [
            {
                "annotation": annotation.id,
                "task": annotation.task_id,
                "updated_at": annotation.updated_at,
                "content": _content(annotation),
            }
            for annotation in self.annotations
        ]
        (folder / SNAPSHOT_FILE).write_text(json.dumps(rows))


def read_stamps(folder: Path) -> dict[int, str]:
    """Read the stamps of a version's snapshot; empty if it has no folder (the base version) or the list is damaged.

    The lists of versions that were trained before the content was added to stamps have times only; only these are compared.
    """
    try:
        rows = json.loads((folder / SNAPSHOT_FILE).read_bytes())
        return {row["annotation"]: _stamp(row["updated_at"], row.get("content", "")) for row in rows}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def take_snapshot(annotations: Sequence[Annotation], sides: Sides | None = None) -> Snapshot:
    """Choose the annotations that count.

    Parameters
    ----------
    annotations : sequence of Annotation
        All annotations of a project in Label Studio.
    sides : Sides, optional
        Without it all tasks are training tasks.
    """
    newest: dict[tuple[int, int | None], Annotation] = {}
    for annotation in sorted(annotations, key=attrgetter("ground_truth", "updated_at", "id")):
        if not annotation.was_cancelled and annotation.result:
            newest[annotation.task_id, annotation.completed_by] = annotation
    true = {annotation.task_id for annotation in newest.values() if annotation.ground_truth}
    usable = (annotation for annotation in newest.values() if annotation.ground_truth or annotation.task_id not in true)
    annotations_in_order = tuple(sorted(usable, key=attrgetter("task_id", "id")))
    stamps = {annotation.id: _stamp(annotation.updated_at, _content(annotation)) for annotation in annotations_in_order}
    return Snapshot(annotations_in_order, stamps, sides or Sides())


def _content(annotation: Annotation) -> str:
    return f"{annotation.content} true" if annotation.ground_truth else annotation.content


def _stamp(updated_at: str, content: str) -> str:
    return f"{updated_at} {content}" if content else updated_at
