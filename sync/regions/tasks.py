"""Which task a marked image is: by content id, by number, by file name, or by its place on the sky."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.export.pictures import basename, exported_stem
from sync.label_studio.task_images import references_of
from sync.label_studio.tasks import Task
from sync.labelling.config import LabelConfig
from sync.regions.files import stem_of
from sync.regions.marks import MarkedImage, RegionsError
from sync.sky.reader import find_sky

__all__ = ["KEYS", "TaskImage", "TaskIndex"]

KEYS = ("auto", "filename", "content_id", "id", "sky")
SAME_PLACE_ARCSEC = 1.0
MOST_SAME_ARCSEC = 10.0
"""Positions no farther apart than a pixel are those of one galaxy, within these bounds."""
ROLES = re.compile(
    r"[-_. ]?(seg|segm|segmap|segmentation|masks?|labels?|labelled|instances?|inst|regions?|cat|catalog(ue)?)$", re.I
)
"""What people add to the name of an image for the file of its regions."""
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
_EXPORTED = re.compile(r"^(\d{6,})(?:-(.+))?$")
_NAMED = 5
_MEANING = {
    "auto": "name or position",
    "filename": "file name",
    "content_id": "content id",
    "id": "number",
    "sky": "position",
}


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


@dataclass
class TaskIndex:
    """The images of a project's tasks, by all that they are known by."""

    images: list[TaskImage] = field(default_factory=list)

    @classmethod
    def of(cls, tasks: Iterable[Task], config: LabelConfig) -> TaskIndex:
        """Index the images of tasks that a control annotates."""
        names = list(dict.fromkeys(name for control in config.controls for name in control.to_names))
        images = []
        for task in tasks:
            places = [(name, page) for name in names for page in range(len(references_of(task.data, config, name)))]
            for number, (name, page) in enumerate(places):
                reference = references_of(task.data, config, name)[page]
                several = len(config.image_key) > 1 or config.paged
                exported = exported_stem(task.id, (name, page) if several else None, reference)
                images.append(TaskImage(task, (name, page), reference, first=number == 0, exported=exported))
        return cls(images)

    def __post_init__(self) -> None:
        self._by_name: dict[str, list[TaskImage]] = defaultdict(list)
        self._by_stem: dict[str, list[TaskImage]] = defaultdict(list)
        self._by_content: dict[str, list[TaskImage]] = defaultdict(list)
        self._by_number: dict[int, list[TaskImage]] = defaultdict(list)
        self._by_exported = {image.exported: image for image in self.images if image.exported}
        for image in self.images:
            if image.first:
                self._by_number[image.task.id].append(image)
                if isinstance(content := image.task.data.get("content_id"), str) and content:
                    self._by_content[content].append(image)
            names = _names_of(image)
            for name in names:
                self._by_name[name].append(image)
            for stem in dict.fromkeys(stem_of(name) for name in names):
                self._by_stem[stem].append(image)
        self._sky: _Places | None = None

    def find(self, marked: MarkedImage, *, key: str = "auto") -> TaskImage:
        """Return the image of a task that a marked image is.

        Raises
        ------
        RegionsError
            If it is none, or several.
        """
        ways: dict[str, Callable[[MarkedImage], list[TaskImage]]] = {
            "content_id": self._of_content,
            "id": self._of_number,
            "filename": self._of_name,
            "sky": self._of_place,
        }
        order = ("content_id", "filename", "sky") if key == "auto" else (key,)
        exported = self.find_exported(marked)
        for way in order:
            if fitting := ways[way](marked):
                # A content id is that of a task, which may have several images.
                return exported if exported is not None and exported.task is fitting[0].task else _only(fitting)
        if key == "auto" and not marked.names and not marked.content_id and (fitting := self._of_number(marked)):
            return _only(fitting)
        raise RegionsError(f"no task of the project has its {_MEANING[key]}")

    def find_exported(self, marked: MarkedImage) -> TaskImage | None:
        """Return the image whose regions `galaxyloop export` wrote to the file of a marked image; None for any other file."""
        stems = (stem_of(name) for name in marked.names)
        return next((self._by_exported[stem] for stem in stems if stem in self._by_exported), None)

    def showing(self, positions: NDArray[np.float64]) -> list[list[TaskImage]]:
        """Return, for each position, the images that may show it: a circle around each image is looked into.

        Parameters
        ----------
        positions : ndarray, shape (n, 2)
            Right ascension and declination, ICRS degrees.
        """
        return self._places().around(positions)

    def _of_content(self, marked: MarkedImage) -> list[TaskImage]:
        contents = (marked.content_id,) if marked.content_id else tuple(map(stem_of, marked.names))
        return next((self._by_content[content] for content in contents if content in self._by_content), [])

    def _of_number(self, marked: MarkedImage) -> list[TaskImage]:
        if marked.task is not None:
            return self._by_number.get(marked.task, [])
        stems = [ROLES.sub("", stem_of(name)) for name in marked.names]
        return next((self._by_number[int(stem)] for stem in stems if stem.isdecimal() and int(stem) in self._by_number), [])

    def _of_name(self, marked: MarkedImage) -> list[TaskImage]:
        if (exported := self.find_exported(marked)) is not None:
            return [exported]
        for name in marked.names:
            base = _base(name)
            if base in self._by_name:
                return self._by_name[base]
        for name in marked.names:
            if fitting := self._of_stem(stem_of(name)):
                return fitting
        return []

    def _of_stem(self, stem: str) -> list[TaskImage]:
        if stem in self._by_stem:
            return self._by_stem[stem]
        if exported := _EXPORTED.fullmatch(stem):
            number, rest = int(exported[1]), exported[2] or ""
            fitting = self._of_stem(rest) or self._of_stem(_UPLOADED.sub("", rest)) if rest else []
            own = [image for image in self._by_number.get(number, []) if not rest or image in fitting]
            return own or fitting
        bare = ROLES.sub("", stem)
        return self._of_stem(bare) if bare and bare != stem else []

    def _of_place(self, marked: MarkedImage) -> list[TaskImage]:
        return [] if marked.position is None else self._places().at(marked.position)

    def _places(self) -> _Places:
        if self._sky is None:
            self._sky = _Places(self.images)
        return self._sky


class _Places:
    """Middles and radii of the images on the sky, as the tasks' data say."""

    def __init__(self, images: Sequence[TaskImage]) -> None:
        from scipy.spatial import cKDTree

        self._images: list[TaskImage] = []
        places: list[tuple[float, float]] = []
        radii: list[float] = []
        scales: list[float] = []
        for image in images:
            place = _place_of(image.task.data) if image.first else None
            if place is not None:
                self._images.append(image)
                places.append(place[:2])
                scales.append(place[2])
                radii.append(_radius_deg(image.task.data, place[2]))
        self._radii = np.array(radii)
        self._same = np.clip(np.array(scales), SAME_PLACE_ARCSEC, MOST_SAME_ARCSEC) / 3600
        self._tree: Any = cKDTree(_unit(np.array(places))) if places else None

    def at(self, position: tuple[float, float]) -> list[TaskImage]:
        """Return the images with their middle at a position."""
        if self._tree is None:
            return []
        point = _unit(np.array([position]))[0]
        near = np.array(sorted(self._tree.query_ball_point(point, _chord(float(self._same.max())))), dtype=np.intp)
        apart = np.linalg.norm(np.asarray(self._tree.data)[near] - point, axis=1)
        return [self._images[number] for number in near[apart <= _chord(self._same[near])].tolist()]

    def around(self, positions: NDArray[np.float64]) -> list[list[TaskImage]]:
        """Return, for each position, the images within whose radius it lies."""
        if self._tree is None or not len(positions):
            return [[] for _ in positions]
        points = _unit(positions)
        near: list[list[int]] = list(self._tree.query_ball_point(points, _chord(float(self._radii.max()))))
        found = []
        for point, numbers in zip(points, near, strict=True):
            order = np.array(sorted(numbers), dtype=np.intp)
            apart = np.linalg.norm(np.asarray(self._tree.data)[order] - point, axis=1)
            found.append([self._images[number] for number in order[apart <= _chord(self._radii[order])].tolist()])
        return found


def _place_of(data: dict[str, Any]) -> tuple[float, float, float] | None:
    """Return right ascension and declination of a task, degrees, and the width of a pixel, arcsec, 0 where unknown.

    Tasks that were not made by `galaxyloop import` may have the `wcs` alone.
    """
    ra, dec, scale = (_number(data.get(key)) for key in ("ra", "dec", "pixel_scale_arcsec"))
    if (ra is None or dec is None or scale is None) and isinstance(cards := data.get("wcs"), dict):
        sky, _ = find_sky(cards)
        if sky is not None and sky.size is not None:
            middle = sky.positions((sky.size[0] - 1) / 2, (sky.size[1] - 1) / 2)[0].tolist()
            ra, dec = (ra, dec) if ra is not None and dec is not None else middle
            scale = sky.pixel_scale_arcsec if scale is None else scale
    if ra is None or dec is None or not np.isfinite([ra, dec]).all() or not abs(dec) <= 90:
        return None
    return ra, dec, max(scale or 0.0, 0.0)


def _radius_deg(data: dict[str, Any], scale_arcsec: float) -> float:
    """How far the corners of an image lie from its middle, degrees, with room to spare."""
    cards = data.get("wcs")
    if not isinstance(cards, dict):
        return 0.0
    sides = [side if type(side) is int and 0 < side < 10**6 else 0 for side in (cards.get("NAXIS1"), cards.get("NAXIS2"))]
    # A catalogue's position may lie off the middle of its cut-out: anywhere on it.
    return min(1.1 * float(np.hypot(sides[0], sides[1])) * scale_arcsec / 3600, 180.0)


def _unit(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    ra, dec = np.radians(positions[:, 0]), np.radians(positions[:, 1])
    vectors: NDArray[np.float64] = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    return vectors


def _chord(degrees: Any) -> Any:
    return 2 * np.sin(np.radians(degrees) / 2)


def _number(value: Any) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else np.nan
    except (OverflowError, ValueError):
        return None
    return number if np.isfinite(number) else None


def _only(fitting: list[TaskImage]) -> TaskImage:
    if len(fitting) > 1:
        numbers = list(dict.fromkeys(image.task.id for image in fitting))
        named = ", ".join(map(str, numbers[:_NAMED])) + ", …" * (len(numbers) > _NAMED)
        raise RegionsError(f"several images of the project may be meant (tasks {named})")
    return fitting[0]


def _names_of(image: TaskImage) -> list[str]:
    """Return the file names of an image: that of its import, and that of its picture."""
    given = image.task.data.get("filename") if image.first else None
    picture = _base(basename(image.reference))
    names = [given if isinstance(given, str) else "", picture, _UPLOADED.sub("", picture)]
    return list(dict.fromkeys(_base(name) for name in names if name))


def _base(name: str) -> str:
    return PurePosixPath(name.replace("\\", "/")).name
