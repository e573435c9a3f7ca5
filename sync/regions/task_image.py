"""One image of a task, to which marked images are matched."""

from __future__ import annotations

from dataclasses import dataclass

from sync.label_studio.tasks import Task

__all__ = ["TaskImage"]


@dataclass(frozen=True, slots=True)
class TaskImage:
    """One image of a task.

    Attributes
    ----------
    task : Task
    image : (str, int)
        Name of the Image tag, and number of the page from 0.
    reference : str
        Reference of the image file.
    first : bool
        Whether it is the first image of the task. `ra`, `dec` and `wcs` in the task's data describe the first image.
    export_name : str
        Name, without a suffix, of its files in a data set of `galaxyloop export`.
    """

    task: Task
    image: tuple[str, int]
    reference: str
    first: bool
    export_name: str = ""

    @property
    def key(self) -> tuple[int, str, int]:
        """Unique key: number of the task, name of the Image tag, number of the page."""
        return self.task.id, *self.image
