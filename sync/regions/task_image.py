"""One image of a task, as regions are matched to it."""

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
        Of the picture.
    first : bool
        Whether it is the first image of the task, which `ra`, `dec` and `wcs` of the data are of.
    exported : str
        The name, without a suffix, of its files in a data set that `galaxyloop export` wrote.
    """

    task: Task
    image: tuple[str, int]
    reference: str
    first: bool
    exported: str = ""

    @property
    def key(self) -> tuple[int, str, int]:
        """What tells it from all others."""
        return self.task.id, *self.image
