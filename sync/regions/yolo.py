"""YOLO: a folder with one label file per image, for detection, segmentation, oriented boxes (OBB) or key points.

All coordinates are fractions of the image's width and height. The reader uses only the class names and `kpt_shape` of
`data.yaml`, and ignores the folders that it lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sync.errors.controls import quote
from sync.regions.files import read_text
from sync.regions.marks import Mark, MarkedImage, Problem, RegionsError
from sync.regions.yolo_boxes import drop_boxes_of_outlines
from sync.regions.yolo_lines import edges_of_box, edges_of_outline, parse_words, read_line

__all__ = ["is_folder", "read"]

MAX_DESCRIPTION_BYTES = 2**20
MAX_LABEL_BYTES = 64 * 2**20
MAX_FILES = 1_000_000
DESCRIPTIONS = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAME_LISTS = ("classes.txt", "obj.names", "names.txt")
"""Files that older tools write instead of `data.yaml`, with one name per line."""
NO_LABELS = frozenset({*NAME_LISTS, "train.txt", "val.txt", "test.txt", "readme.txt", "requirements.txt", "notes.txt"})


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
                raise RegionsError(f"the folder has more than the {MAX_FILES:,} label files that are read: split it")
            try:
                marks = tuple(_marks(file, str(file.relative_to(folder)), names, points, problems))
            except RegionsError as error:
                problems.append((str(file.relative_to(folder)), str(error)))
                continue
            images.append(MarkedImage(str(file.relative_to(folder)), (file.name,), marks=marks))
    if not images and not problems:
        raise RegionsError("the folder has no label files of YOLO: labels/**/*.txt, next to data.yaml")
    if len(sets) > 1:
        images = drop_boxes_of_outlines(images, box=edges_of_box, outline=edges_of_outline)
    return images, problems


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
            lines = read_text(folder / name, limit=MAX_DESCRIPTION_BYTES).splitlines()
            return dict(enumerate(line.strip() for line in lines)), None
    return {}, None


def _of_yaml(file: Path) -> tuple[dict[int, str], tuple[int, int] | None]:
    import yaml

    try:
        content = yaml.safe_load(read_text(file, limit=MAX_DESCRIPTION_BYTES))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RegionsError(f"{file.name} is not valid YAML: {str(error).splitlines()[0] if str(error) else error!r}") from error
    raw_names = content.get("names") if isinstance(content, dict) else None
    if isinstance(raw_names, list):
        raw_names = dict(enumerate(raw_names))
    names = {}
    for number, name in (raw_names or {}).items() if isinstance(raw_names, dict) else ():
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
    file: Path, file_name: str, names: dict[int, str], points: tuple[int, int] | None, problems: list[Problem]
) -> Iterator[Mark]:
    for number, line in enumerate(read_text(file, limit=MAX_LABEL_BYTES).splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            kind, numbers = parse_words(words)
            labels = (names.get(kind, str(kind)),) if names else ()  # class numbers are useless without names
            yield from read_line(f"line {number}", labels, numbers, points)
        except RegionsError as error:
            problems.append((f"{file_name}, line {number}", str(error)))
