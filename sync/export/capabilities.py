"""Removes and reports what a format cannot represent, before records are written and counted.

So the counts on the terminal and in the data card are those of the files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from sync.export import KEEPS_ALL_CONTROLS, KINDS_OF_FORMAT, WHOLE_IMAGE
from sync.export.reading.statements import Report
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


def drop_unsupported(records: Iterable[Record], *, format: str, report: Report) -> Iterator[Record]:
    """Yield records with what `format` can represent; report at the end how many regions of each control are left out."""
    kinds = KINDS_OF_FORMAT[format]
    lost: Counter[tuple[str, str]] = Counter()
    for record in records:
        statements = []
        for said in record.statements:
            objects = tuple(one for one in said.objects if one.kind in kinds)
            answers = said.answers if WHOLE_IMAGE in kinds else ()
            lost.update((one.control, one.kind) for one in said.objects if one.kind not in kinds)
            lost.update((one.control, WHOLE_IMAGE) for one in said.answers if WHOLE_IMAGE not in kinds)
            statements.append(replace(said, objects=objects, answers=answers))
        yield replace(record, statements=tuple(statements))
    for (control, kind), number in lost.items():
        report(
            f"{number:,} of {control!r} are left out: {format} has no place for {_NAMES[kind]}, {formats_with(kind)} have",
            task=None,
        )


def report_foreign(foreign: Counter[tuple[str, str]], *, format: str, report: Report) -> None:
    """Report the regions of controls that are kept in Label Studio's own JSON alone, one line a control.

    Parameters
    ----------
    foreign : Counter
        By (name of the control, type of its regions); see `FirstPass.foreign`.
    format : str
    report : callable
    """
    if format in KEEPS_ALL_CONTROLS:
        return
    for (name, kind), number in foreign.items():
        of = f"of {name!r} ({kind})" if name else f"of type {kind}"
        report(f"{number:,} regions {of} are left out: of such controls only json keeps what was said", task=None)


def formats_with(kind: str) -> str:
    """Name the formats that have a place for a kind of thing, as a sentence lists them."""
    names = [name for name, kinds in KINDS_OF_FORMAT.items() if kind in kinds]
    return ", ".join(names[:-1]) + " and " + names[-1]
