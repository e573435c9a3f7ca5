"""Remove and report annotations that a format cannot represent, before records are written and counted.

The counts on the terminal and in the data card therefore match the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sync.export import KEEPS_ALL_CONTROLS, KINDS_OF_FORMAT, WHOLE_IMAGE
from sync.export.reading.annotations import ReportProblem
from sync.export.records import Record

__all__ = ["drop_unsupported", "formats_with", "report_foreign"]

_NAMES = {
    "box": "boxes",
    "ellipse": "ellipses",
    "keypoint": "key points",
    "mask": "masks",
    "polygon": "polygons",
    WHOLE_IMAGE: "answers about whole images",
}


def drop_unsupported(records: Iterable[Record], *, format: str, report: ReportProblem) -> Iterator[Record]:
    """Yield records without the annotations that `format` cannot represent.

    After the last record, report the number of omitted regions of each control and kind.
    """
    kinds = KINDS_OF_FORMAT[format]
    losses: Counter[tuple[str, str]] = Counter()
    for record in records:
        annotations = []
        for annotation in record.annotations:
            objects = tuple(obj for obj in annotation.objects if obj.kind in kinds)
            answers = annotation.answers if WHOLE_IMAGE in kinds else ()
            losses.update((obj.control, obj.kind) for obj in annotation.objects if obj.kind not in kinds)
            losses.update((answer.control, WHOLE_IMAGE) for answer in annotation.answers if WHOLE_IMAGE not in kinds)
            annotations.append(replace(annotation, objects=objects, answers=answers))
        yield replace(record, annotations=tuple(annotations))
    for (control, kind), number in losses.items():
        report(
            f"{number:,} of {control!r} are left out: {format} cannot represent {_NAMES[kind]}; {formats_with(kind)} can",
            task=None,
        )


def report_foreign(foreign: Counter[tuple[str, str]], *, format: str, report: ReportProblem) -> None:
    """Report the regions that only Label Studio's own JSON keeps, one line per control and type.

    Parameters
    ----------
    foreign : Counter
        Number of regions by (name of the control, type of the region); see `FirstPass.foreign`.
    format : str
        A key of `FORMATS`.
    report : callable
        Called with one sentence per control and type.
    """
    if format in KEEPS_ALL_CONTROLS:
        return
    for (name, kind), number in foreign.items():
        of = f"of {name!r} ({kind})" if name else f"of type {kind}"
        report(f"{number:,} regions {of} are left out: only json keeps regions of such controls", task=None)


def formats_with(kind: str) -> str:
    """Return the names of the formats that can represent `kind`, as a list in a sentence: "a, b and c"."""
    names = [name for name, kinds in KINDS_OF_FORMAT.items() if kind in kinds]
    return ", ".join(names[:-1]) + " and " + names[-1]
