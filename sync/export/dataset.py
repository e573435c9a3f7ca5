"""What every format writer is told of the data set besides its records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sync.errors.images import ImageError
from sync.export.data_columns import DataColumn
from sync.export.pictures import Picture
from sync.export.reading.statements import Report
from sync.export.records import Record
from sync.export.tally import Tally

__all__ = ["Dataset", "readable_pictures"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A project on its way out.

    Attributes
    ----------
    project : int
    title : str
    labels : tuple of str
        Classes of the objects, in the labelling config's order; their places are the class numbers of COCO (from 1), YOLO (from
        0) and FITS (from 1).
    keypoint_labels : tuple of str
        Those that a KeyPointLabels control offers.
    kinds : frozenset of str
        Kinds of objects that occur, as `DrawnObject.kind` names them.
    outlined : frozenset of str
        Classes of which a mask, a polygon or an ellipse was drawn somewhere.
    data_columns : tuple of DataColumn
        What the tasks' data hold besides the images.
    splits : tuple of str
        Names of the splits, ``("train",)`` where nothing is split.
    report : callable
        Takes what a writer has to leave out.
    tally : Tally
        Counts the records on their way to the writer.
    """

    project: int
    title: str
    labels: tuple[str, ...]
    keypoint_labels: tuple[str, ...]
    kinds: frozenset[str]
    outlined: frozenset[str]
    data_columns: tuple[DataColumn, ...]
    splits: tuple[str, ...]
    report: Report
    tally: Tally

    def leave_out(self, record: Record, reason: str) -> None:
        """List a whole record that the writer cannot write, and count it no longer."""
        self.report(reason, task=record.task)
        self.tally.take_back(record)


def readable_pictures(records: Iterable[Record], dataset: Dataset) -> Iterator[tuple[Record, Picture | None]]:
    """Yield records with their images; None, and a line in the list of problems, where one cannot be had."""
    for record in records:
        if isinstance(record.picture, ImageError):
            dataset.report(f"the image is missing: {record.picture}", task=record.task)
            yield record, None
        else:
            yield record, record.picture
