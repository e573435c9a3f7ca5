"""Input of a format's writer besides the records: the project's classes and columns, and the callbacks of the export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.export.data_columns import DataColumn
from sync.export.image_files import ImageFile
from sync.export.quantity_columns import QuantityColumn
from sync.export.reading.annotations import ReportProblem
from sync.export.records import Record

__all__ = ["Dataset"]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Properties of a whole data set.

    Attributes
    ----------
    project : int
    title : str
    labels : tuple of str
        Classes of the objects, as `number_labels` orders them; their positions are the class numbers of COCO (from 1), YOLO
        (from 0) and FITS (from 1).
    keypoint_labels : tuple of str
        Classes of the KeyPointLabels controls.
    kinds : frozenset of str
        Kinds of objects that occur, as in `DrawnObject.kind`.
    outlined_classes : frozenset of str
        Classes with at least one mask, polygon or ellipse.
    data_columns : tuple of DataColumn
        Columns of the tasks' data besides the images.
    splits : tuple of str
        Names of the splits; ``("train",)`` for a data set without splits.
    report : callable
        Called with a sentence for each item that a writer leaves out or changes.
    on_written : callable
        Called with each record that a writer has written.
    quantities : tuple of QuantityColumn
        Physical quantities that the Number controls hold.
    """

    project: int
    title: str
    labels: tuple[str, ...]
    keypoint_labels: tuple[str, ...]
    kinds: frozenset[str]
    outlined_classes: frozenset[str]
    data_columns: tuple[DataColumn, ...]
    splits: tuple[str, ...]
    report: ReportProblem
    on_written: Callable[[Record], None]
    quantities: tuple[QuantityColumn, ...] = ()

    def write_each(self, records: Iterable[Record], write: Callable[[Record], object]) -> None:
        """Write records one by one; report those for which `write` raises an exception.

        Parameters
        ----------
        records : iterable of Record
        write : callable
            Writes a whole record, or raises before it has changed a file that other records share.

        Raises
        ------
        RunError, OSError
            If the failure concerns the whole run, such as a full disk.
        """
        for record in records:
            self.write_together([record], partial(write, record))

    def write_together(self, records: Sequence[Record], write: Callable[[], object]) -> None:
        """Write the images of one task; report each of them if `write` raises an exception.

        Parameters
        ----------
        records : sequence of Record
            The images of the task.
        write : callable
            Writes all of them, or raises before it has changed a file that other records share.

        Raises
        ------
        RunError, OSError
            If the failure concerns the whole run, such as a full disk.
        """
        outcome = attempt(write)
        for record in records:
            if isinstance(outcome, ImageError):
                self.report(f"the image is left out: {outcome}", task=record.task)
            else:
                self.on_written(record)

    def image_file_of(self, record: Record) -> ImageFile | None:
        """Return the image file of a record; if it is missing, report it and return None."""
        if isinstance(record.image_file, ImageError):
            self.report(f"the image is missing: {record.image_file}", task=record.task)
            return None
        return record.image_file
