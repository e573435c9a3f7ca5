"""Image sizes: Label Studio stores shapes in percent of the image, and an export converts them to pixels of the image file.

The size in a region may be that of a thumbnail, or missing. The export therefore opens every image with shapes once, and
prefetches images while it processes earlier tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sync.controls.region import read_size
from sync.errors.controls import ControlError
from sync.errors.images import ImageError
from sync.export import WITH_IMAGES, WITHOUT_PIXELS
from sync.export.image_files import ImageFile, ImageFiles
from sync.export.reading.annotations import ReportProblem, shape_regions, stated_size
from sync.export.reading.images import number_of, reference_of
from sync.geometry.shapes import Size
from sync.labelling.config import LabelConfig

__all__ = ["SizedTasks", "report_stated"]

Task = Mapping[str, Any]

PERCENT_OF: Size = (1000, 1000)
"""Placeholder (width, height) for formats that keep percentages, if the image's size is unknown."""


class SizedTasks:
    """Yields tasks with their images and image sizes.

    Parameters
    ----------
    image_files : ImageFiles
    config : LabelConfig
    format : str
        A key of `FORMATS`. It decides which images are opened: some formats contain the files, some keep percentages.
    """

    def __init__(self, image_files: ImageFiles, config: LabelConfig, *, format: str) -> None:
        self._image_files = image_files
        self._config = config
        self._format = format
        self._sizes: dict[int, Size | None] = {}

    def sizes(self, tasks: Iterable[Task], *, is_needed: Callable[[Task], bool]) -> Iterator[tuple[Task, Size | None]]:
        """Yield tasks with the sizes of their images, (width, height) in pixels; None if not `is_needed` or unknown."""
        for task, image_file in self._image_files.prefetch(
            tasks, lambda task: self._reference(task) if is_needed(task) else None
        ):
            if image_file is not None:
                self._sizes[number_of(task)] = image_file.size if isinstance(image_file, ImageFile) else None
            yield task, self._size(task, image_file)

    def image_files(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, ImageFile | ImageError | None, Size | None]]:
        """Yield tasks with their images and sizes.

        Yields
        ------
        (mapping, ImageFile or ImageError or None, (width, height) or None)
            The error if the image cannot be read, and None if it is not needed; the size in pixels, and None if it is unknown.
        """
        for task, image_file in self._image_files.prefetch(tasks, self._reference_or_known):
            # Use the size of the first pass, even if the image can be read only now: votes refer to the shapes of that pass.
            is_known = number_of(task) in self._sizes
            yield task, image_file, self._sizes[number_of(task)] if is_known else self._size(task, image_file)

    def _reference_or_known(self, task: Task) -> str | None:
        if self._format not in WITH_IMAGES and self._sizes.get(number_of(task)):
            return None
        return self._reference(task)

    def _reference(self, task: Task) -> str | None:
        """Return the reference of a task's image, or None if it need not be opened."""
        has_shapes = next(shape_regions(task, self._config), None) is not None
        percent = self._format in WITHOUT_PIXELS and stated_size(task, self._config) is not None
        if self._format not in WITH_IMAGES and (not has_shapes or percent):
            return None
        return reference_of(task, self._config)

    def _size(self, task: Task, image_file: ImageFile | ImageError | None) -> Size | None:
        if isinstance(image_file, ImageFile):
            return image_file.size
        return (stated_size(task, self._config) or PERCENT_OF) if self._format in WITHOUT_PIXELS else None


def report_stated(task: Task, config: LabelConfig, *, size: Size, report: ReportProblem) -> None:
    """Report, once per task, that its regions state another size than that of the image file, whose pixels the export uses."""
    for region in shape_regions(task, config):
        try:
            stated_dimensions = read_size(region)
        except ControlError:
            continue
        if stated_dimensions != size:
            actual_text, stated_text = ("x".join(map(str, each)) for each in (size, stated_dimensions))
            report(f"the image file has {actual_text} pixels, and the annotated one had {stated_text}", task=task.get("id"))
            return
