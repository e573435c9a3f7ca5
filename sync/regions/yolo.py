"""YOLO: a folder with one label file per image, for detection, segmentation, oriented boxes (OBB) or key points.

All coordinates are fractions of the image's width and height. The reader uses only the class names and `kpt_shape` of
`data.yaml`, and ignores the folders that it lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sync.errors.controls import quote
from sync.geometry.shapes import Box, Point, Polygon
from sync.regions.files import read_text
from sync.regions.marks import Canvas, Drawn, Mark, MarkedImage, Problem, RegionsError
from sync.regions.yolo_boxes import drop_boxes_of_outlines

__all__ = ["is_folder", "read"]

MAX_DESCRIPTION_BYTES = 2**20
MAX_LABEL_BYTES = 64 * 2**20
MAX_FILES = 1_000_000
DESCRIPTIONS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAME_LISTS = ("classes.txt", "obj.names", "names.txt")
"""Files that older tools write instead of `data.yaml`, with one name per line."""
NO_LABELS = frozenset({*NAME_LISTS, "train.txt", "val.txt", "test.txt", "readme.txt", "requirements.txt", "notes.txt"})
BOX, TURNED = 4, 8
"""Counts of numbers of an upright box, and of the four corners of an oriented box."""
FAR = 10.0
"""Largest absolute value of a fraction."""
RIGHT_ANGLE_PX = 0.02
"""Largest deviation of the corners of an oriented box from a rectangle, pixels; it grows in proportion with sides over 100
pixels. Files usually have six digits."""


def is_folder(folder: Path) -> bool:
    """Return whether a folder, or one of its direct subfolders, contains label files of YOLO."""
    return any(True for _ in _sets(folder))


def read(folder: Path) -> tuple[list[MarkedImage], list[Problem]]:
    """Read a data set: a folder with `data.yaml`, or a folder with several such folders.

    Returns
    -------
    images : list of MarkedImage
    problems : list of (str, str)
        File and number of each line that is left out, and the reason.

    Raises
    ------
    RegionsError
        If the folder has no label file, or if its `data.yaml` is invalid.
    """
    images: list[MarkedImage] = []
    problems: list[Problem] = []
    sets = list(_sets(folder))
    for place in sets:
        names, points = _description(place)
        for file in _label_files(place):
            if len(images) == MAX_FILES:
                raise RegionsError(f"it has more than the {MAX_FILES:,} files of labels that are read: split it")
            try:
                marks = tuple(_marks(file, str(file.relative_to(folder)), names, points, problems))
            except RegionsError as error:
                problems.append((str(file.relative_to(folder)), str(error)))
                continue
            images.append(MarkedImage(str(file.relative_to(folder)), (file.name,), marks=marks))
    if not images and not problems:
        raise RegionsError("it holds no label file of YOLO: labels/**/*.txt, with data.yaml beside it, is read")
    if len(sets) > 1:
        images = drop_boxes_of_outlines(images, box=_edges_of_box, outline=_edges_of_outline)
    return images, problems


def _edges_of_box(mark: Mark) -> NDArray[np.float64] | None:
    if not (isinstance(mark.draw, partial) and mark.draw.func is _draw_box):
        return None
    numbers: NDArray[np.float64] = mark.draw.args[0]
    middle, half = numbers[:2], numbers[2:] / 2
    edges: NDArray[np.float64] = np.concatenate([middle - half, middle + half])
    return edges


def _edges_of_outline(mark: Mark) -> NDArray[np.float64] | None:
    if not (isinstance(mark.draw, partial) and mark.draw.func is _draw_corners):
        return None
    corners: NDArray[np.float64] = mark.draw.args[0]
    edges: NDArray[np.float64] = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return edges


def _sets(folder: Path) -> Iterator[Path]:
    """Yield the folder if it is a data set, else its direct subfolders that are."""
    if _is_set(folder):
        yield folder
        return
    below = sorted(place for place in folder.iterdir() if place.is_dir()) if folder.is_dir() else []
    yield from (place for place in below if _is_set(place))


def _is_set(folder: Path) -> bool:
    if any((folder / name).is_file() for name in (*DESCRIPTIONS, *NAME_LISTS)):
        return True
    return next(iter(_label_files(folder)), None) is not None and (folder / "labels").is_dir()


def _label_files(folder: Path) -> Iterator[Path]:
    """Yield label files: those below a folder `labels`, else all. Links to files outside the folder are skipped."""
    inside = folder.resolve()
    files = sorted(folder.rglob("*.txt"))
    below = [file for file in files if "labels" in file.relative_to(folder).parts[:-1]]
    for file in below or files:
        if file.name.lower() not in NO_LABELS and file.is_file() and file.resolve().is_relative_to(inside):
            yield file


def _description(folder: Path) -> tuple[dict[int, str], tuple[int, int] | None]:
    """Return the class names, and the number of key points per object and of values per key point; None without key points."""
    for name in DESCRIPTIONS:
        if (folder / name).is_file():
            return _of_yaml(folder / name)
    for name in NAME_LISTS:
        if (folder / name).is_file():
            listed = read_text(folder / name, most=MAX_DESCRIPTION_BYTES).splitlines()
            return dict(enumerate(line.strip() for line in listed)), None
    return {}, None


def _of_yaml(file: Path) -> tuple[dict[int, str], tuple[int, int] | None]:
    import yaml

    try:
        content = yaml.safe_load(read_text(file, most=MAX_DESCRIPTION_BYTES))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RegionsError(f"{file.name} is no YAML: {str(error).splitlines()[0] if str(error) else error!r}") from error
    listed = content.get("names") if isinstance(content, dict) else None
    if isinstance(listed, list):
        listed = dict(enumerate(listed))
    names = {}
    for number, name in (listed or {}).items() if isinstance(listed, dict) else ():
        if not str(number).isdecimal() or isinstance(name, list | dict):
            raise RegionsError(
                f"{file.name} must name its classes as a list or by their numbers, not {quote(number)}: {quote(name)}"
            )
        names[int(number)] = str(name)
    shape = content.get("kpt_shape") if isinstance(content, dict) else None
    points = None
    if isinstance(shape, list) and len(shape) == 2 and all(type(side) is int for side in shape):
        points = (shape[0], shape[1]) if shape[0] > 0 and shape[1] in (2, 3) else None
    return names, points


def _marks(
    file: Path, shown: str, names: dict[int, str], points: tuple[int, int] | None, problems: list[Problem]
) -> Iterator[Mark]:
    for number, line in enumerate(read_text(file, most=MAX_LABEL_BYTES).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            kind, numbers = _parsed(words)
            labels = (names.get(kind, str(kind)),) if names else ()  # class numbers are useless without names
            yield from _of_line(f"line {number}", labels, numbers, points)
        except RegionsError as error:
            problems.append((f"{shown}, line {number}", str(error)))


def _parsed(words: list[str]) -> tuple[int, NDArray[np.float64]]:
    try:
        kind = float(words[0])
        numbers = np.array([float(word) for word in words[1:]])
    except ValueError:
        raise RegionsError(f"it must hold numbers, not {quote(' '.join(words))}") from None
    if not (math.isfinite(kind) and kind >= 0 and kind % 1 == 0):
        raise RegionsError(f"its class must be a whole number from 0, not {quote(words[0])}")
    if not (np.abs(numbers) <= FAR).all():  # False for NaN
        raise RegionsError("its numbers must be fractions of the picture's sides, 0 to 1; are they pixels?")
    return int(kind), numbers


def _of_line(
    name: str, labels: tuple[str, ...], numbers: NDArray[np.float64], points: tuple[int, int] | None
) -> Iterator[Mark]:
    if points is not None:
        count, width = points
        if len(numbers) - BOX != count * width:
            raise RegionsError(f"it has {len(numbers)} numbers, and kpt_shape asks for {BOX + count * width}")
        for place, row in enumerate(numbers[BOX:].reshape(count, width).tolist(), start=1):
            if (width < 3 and (row[0] or row[1])) or (width == 3 and row[2] > 0):
                yield Mark(f"{name}, key point {place}", partial(_draw_point, row[0], row[1]), labels)
        numbers = numbers[:BOX]
    # In a prediction the last value is the probability, which makes the number of values odd.
    score = None
    if len(numbers) % 2 and len(numbers) > BOX:
        score, numbers = float(numbers[-1]), numbers[:-1]
        if not 0 <= score <= 1:
            raise RegionsError(f"its probability must lie between 0 and 1, not {score:g}")
    if len(numbers) == BOX:
        yield Mark(name, partial(_draw_box, numbers), labels, score=score)
    elif len(numbers) >= 6 and len(numbers) % 2 == 0:
        yield Mark(name, partial(_draw_corners, numbers.reshape(-1, 2)), labels, score=score)
    else:
        raise RegionsError(
            f"it has {len(numbers)} numbers after its class: 4 are a box, and 6 or more the corners of an outline"
        )


def _draw_point(x: float, y: float, canvas: Canvas) -> Drawn:
    return Drawn(Point(x * canvas.size[0], y * canvas.size[1]))


def _draw_box(numbers: NDArray[np.float64], canvas: Canvas) -> Drawn:
    x, y, width, height = (numbers * (*canvas.size, *canvas.size)).tolist()
    return Drawn(Box(x - width / 2, y - height / 2, width, height))


def _draw_corners(fractions: NDArray[np.float64], canvas: Canvas) -> Drawn:
    corners = fractions * canvas.size
    return Drawn((turned_box(corners) if len(corners) * 2 == TURNED else None) or Polygon(corners))


def turned_box(corners: NDArray[np.float64]) -> Box | None:
    """Return the box with the given corners.

    Parameters
    ----------
    corners : ndarray, shape (4, 2)
        Corners (x, y) in order, clockwise or counter-clockwise, pixels.

    Returns
    -------
    Box or None
        None if the corners are not those of a rectangle.
    """
    first, second, third, last = corners
    along, down = second - first, last - first
    if along[0] * down[1] - along[1] * down[0] < 0:  # counter-clockwise
        along, down = down, along
    width, height = float(np.hypot(*along)), float(np.hypot(*down))
    off: Any = RIGHT_ANGLE_PX * max(1.0, width / 100, height / 100)
    if not width or not height or np.abs(first + along + down - third).max() > off:
        return None
    if abs(float(along @ down)) > off * max(width, height):
        return None
    rotation = math.degrees(math.atan2(along[1], along[0])) % 360.0
    if min(rotation % 90, 90 - rotation % 90) < 1e-3:
        low, high = corners.min(axis=0), corners.max(axis=0)
        return Box(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return Box(float(first[0]), float(first[1]), width, height, rotation)
