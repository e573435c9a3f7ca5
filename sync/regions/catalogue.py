"""Catalogues: ellipses as SExtractor and photutils measure them, and columns with the classes or numbers of images.

The centre of the first pixel is 1 in SExtractor and 0 in photutils; both count rows from the bottom of the displayed image, and
angles from x towards y. On the sky, angles are position angles, from north through east; the unit of semi-axes is that of the
column, else that of the column's usual name: degrees for `A_WORLD`, arcsec for `a_arcsec`. A column `a` or `semi_major` without
a unit is rejected. `KRON_RADIUS` multiplies both semi-axes if it is above 0. Catalogues of `galaxyloop export` have other
columns: see `exported_catalogue`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy import units
from astropy.table import Table
from numpy.typing import NDArray

from sync.importing.inputs.catalogue import has_positions, open_catalogue, positions
from sync.importing.inputs.item import InputError
from sync.regions.catalogue_ellipses import Ellipses
from sync.regions.exported_catalogue import is_exported, read_exported
from sync.regions.marks import Answer, Mark, MarkedImage, Problem, RegionsError

__all__ = ["Columns", "open_table", "read"]

MAX_ROWS = 5_000_000
LABEL_COLUMNS = ("label", "class", "category", "type")
NAME_COLUMNS = ("filename", "file_name", "file", "image")
ID_COLUMNS = ("content_id",)
TASK_COLUMNS = ("task", "task_id")

_X = {"x_image": 1.0, "xwin_image": 1.0, "xpeak_image": 1.0, "xcentroid": 0.0, "x_centroid": 0.0}
"""Names of columns with x, and the coordinate of the centre of the first pixel."""
_Y = {"y_image": 1.0, "ywin_image": 1.0, "ypeak_image": 1.0, "ycentroid": 0.0, "y_centroid": 0.0}
_PIXEL_AXES = (("a_image", "b_image"), ("awin_image", "bwin_image"), ("semimajor_sigma", "semiminor_sigma"))
_PIXEL_ANGLES = ("theta_image", "thetawin_image", "orientation")
_SKY_AXES = (
    ("a_world", "b_world", units.deg),
    ("awin_world", "bwin_world", units.deg),
    ("a_arcsec", "b_arcsec", units.arcsec),
    ("semi_major_arcsec", "semi_minor_arcsec", units.arcsec),
    ("semi_major", "semi_minor", None),
    ("a", "b", None),
)
_SKY_ANGLES = ("theta_j2000", "theta_sky", "thetawin_j2000", "thetawin_sky", "position_angle", "pa")
_KRON = ("kron_radius",)


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a catalogue with other than the usual names.

    Attributes
    ----------
    of_controls : mapping of str to str
        Maps the name of a control to the column with its answers, or with the labels of its objects.
    objects, answering : frozenset of str
        Names of the controls for objects, and of the controls for answers about the whole image. If `of_controls` is empty,
        columns with the names of the latter are read.
    ra, dec : str or None
        Columns of the position; None for the usual names.
    table : str or None
        Name or number of the table to read, in a file with several tables.
    """

    of_controls: Mapping[str, str]
    objects: frozenset[str] = frozenset()
    answering: frozenset[str] = frozenset()
    ra: str | None = None
    dec: str | None = None
    table: str | None = None


def read(file: Path, columns: Columns) -> tuple[list[MarkedImage], list[Problem]]:
    """Read a catalogue with ellipses, answers, or both.

    Rows with a file name, a content id or a task belong to that image. Other rows belong to the images that contain their
    position. Rows with pixel coordinates only belong to the image with the name of the file.

    Parameters
    ----------
    file : Path
    columns : Columns

    Returns
    -------
    images : list of MarkedImage
    problems : list of (str, str)
        Name of each row that is left out, and the reason.

    Raises
    ------
    RegionsError
        If the file cannot be read, or has neither ellipses nor answers.
    """
    table = open_table(file, table=columns.table)
    if len(table) > MAX_ROWS:
        raise RegionsError(f"it has {len(table):,} rows, more than the {MAX_ROWS:,} that are read: split it")
    if is_exported(table) and not columns.of_controls:
        return read_exported(table)
    return _Reader(file, table, columns).read()


def open_table(file: Path, *, table: str | None = None) -> Table:
    """Open a catalogue as `galaxyloop import` does; columns of file names, content ids and tasks are read as texts.

    Parameters
    ----------
    file : Path
    table : str, optional
        Name or number of the table, in a file with several tables.

    Raises
    ------
    RegionsError
        If the file cannot be read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return open_catalogue(file, table=table, as_text=[*NAME_COLUMNS, *ID_COLUMNS, *TASK_COLUMNS])
    except InputError as error:
        raise RegionsError(str(error).removeprefix(f"{file} ")) from error


class _Reader:
    def __init__(self, file: Path, table: Table, columns: Columns) -> None:
        self._file = file
        self._table = table
        self._by_lower = {str(name).strip().lower(): str(name) for name in reversed(table.colnames)}
        self._columns = columns
        for control, column in columns.of_controls.items():
            if column not in table.colnames:
                raise RegionsError(f"it has no column {column!r} for {control!r}: it has {', '.join(table.colnames[:40])}")
        self._places = self._positions()

    def read(self) -> tuple[list[MarkedImage], list[Problem]]:
        ellipses = self._ellipses()
        answers = {name: column for name, column in self._columns.of_controls.items() if name not in self._columns.objects}
        if not self._columns.of_controls:
            usual = {name: self._by_lower.get(name.lower(), "") for name in sorted(self._columns.answering)}
            answers = {name: column for name, column in usual.items() if column}
        if ellipses is None and not answers:
            raise RegionsError(
                "it has neither ellipses (X_IMAGE, Y_IMAGE, A_IMAGE, B_IMAGE, THETA_IMAGE; or a position, A_WORLD, B_WORLD, "
                "THETA_J2000) nor a column of answers: name one with --column CONTROL=COLUMN"
            )
        names, contents, tasks = (self._texts(listed) for listed in (NAME_COLUMNS, ID_COLUMNS, TASK_COLUMNS))
        known = names or contents or tasks
        groups: dict[Any, MarkedImage] = {}
        problems: list[Problem] = []
        for row in range(len(self._table)):
            name = f"row {row + 1}"
            said = tuple(self._answers(row, name, answers))
            mark = None
            if ellipses is not None:
                try:
                    mark = ellipses.mark(row, name, self._labels(row), self._places[row])
                except RegionsError as error:
                    if not said:
                        problems.append((name, str(error)))
            if mark is None and not said:
                continue
            marks = () if mark is None else (mark,)
            if known:
                task = tasks[row] if tasks else ""
                key: Any = (names[row] if names else "", contents[row] if contents else "", task)
                image = MarkedImage(
                    names[row] if names and names[row] else name,
                    (names[row],) if names and names[row] else (),
                    contents[row] if contents else "",
                    int(task) if task.isdecimal() else None,
                    self._places[row] if said else None,
                )
            elif said:
                key, image = row, MarkedImage(name, position=self._places[row])
                if image.position is None:
                    problems.append((name, "it names no image: neither a position, nor a filename, content_id or task"))
                    continue
            else:
                on_sky = self._places[row] is not None
                key, image = on_sky, MarkedImage("", (self._file.name,), by_place=on_sky)
            _gather(groups, key, image, marks, said)
        return [_frozen(group) for group in groups.values()], problems

    def _positions(self) -> Sequence[tuple[float, float] | None]:
        named = self._columns.ra is not None or self._columns.dec is not None
        if not named and not has_positions(self._table):
            return [None] * len(self._table)
        try:
            found = positions(self._table, ra=self._columns.ra, dec=self._columns.dec)
        except InputError as error:
            raise RegionsError(str(error)) from error
        return [None if place is None else (place.ra, place.dec) for place in found]

    def _ellipses(self) -> Ellipses | None:
        kron = self._numbers(next((name for name in _KRON if name in self._by_lower), None))
        scale = np.where(np.isfinite(kron) & (kron > 0), kron, 1.0)
        x, y = (next((name for name in listed if name in self._by_lower), None) for listed in (_X, _Y))
        axes = next((pair for pair in _PIXEL_AXES if all(name in self._by_lower for name in pair)), None)
        if x is not None and y is not None and axes is not None:
            middles = np.stack([self._numbers(x) - _X[x], self._numbers(y) - _Y[y]], axis=1)
            a, b = (self._numbers(name) * scale for name in axes)
            return Ellipses(a, b, self._angles(_PIXEL_ANGLES), middles)
        for major, minor, unit in _SKY_AXES:
            if {major, minor} <= self._by_lower.keys() and any(place is not None for place in self._places):
                a, b = (self._degrees(name, unit) * scale for name in (major, minor))
                return Ellipses(a, b, self._angles(_SKY_ANGLES), None)
        return None

    def _numbers(self, name: str | None) -> NDArray[np.float64]:
        """Return a column as numbers, NaN for masked values; all NaN if `name` is None."""
        if name is None:
            return np.full(len(self._table), np.nan)
        column: Any = self._table[self._by_lower[name]]
        try:
            numbers: Any = np.ma.MaskedArray(getattr(column, "value", column))  # type: ignore[no-untyped-call]
            filled: NDArray[np.float64] = numbers.astype(np.float64).filled(np.nan)
        except (TypeError, ValueError) as error:
            raise RegionsError(f"its column {self._by_lower[name]} holds no numbers") from error
        return filled

    def _angles(self, listed: Sequence[str]) -> NDArray[np.float64]:
        """Return the angles of the first existing column of `listed`, degrees; 0 without one."""
        name = next((name for name in listed if name in self._by_lower), None)
        if name is None:
            return np.zeros(len(self._table))
        unit = getattr(self._table[self._by_lower[name]], "unit", None)
        return self._numbers(name) * self._factor(name, unit or units.deg)

    def _degrees(self, name: str, unit: units.Unit | None) -> NDArray[np.float64]:
        stated = getattr(self._table[self._by_lower[name]], "unit", None) or unit
        if stated is None:
            raise RegionsError(
                f"its column {self._by_lower[name]} states no unit: give it one, or name the columns a_arcsec and b_arcsec"
            )
        return self._numbers(name) * self._factor(name, stated)

    def _factor(self, name: str, unit: Any) -> float:
        try:
            return float(units.Unit(unit).to(units.deg))
        except (units.UnitConversionError, ValueError, TypeError) as error:
            raise RegionsError(f"its column {self._by_lower[name]} has the unit {unit}, which is none of angles") from error

    def _texts(self, listed: Sequence[str]) -> list[str] | None:
        """Return the texts of the first existing column of `listed`; None without one."""
        name = next((self._by_lower[name] for name in listed if name in self._by_lower), None)
        return None if name is None else [_text(value) for value in self._table[name]]

    def _labels(self, row: int) -> tuple[str, ...]:
        named = [column for control, column in self._columns.of_controls.items() if control in self._columns.objects]
        usual = [self._by_lower[name] for name in LABEL_COLUMNS if name in self._by_lower]
        return tuple(text for name in named or usual[:1] if (text := _text(self._table[name][row])))

    def _answers(self, row: int, name: str, answers: Mapping[str, str]) -> list[Answer]:
        said = []
        for control, column in answers.items():
            value = self._table[column][row]
            if value is np.ma.masked:
                continue
            number = getattr(value, "value", value)
            if isinstance(number, int | float | np.number) and not isinstance(number, bool | np.bool_):
                if np.isfinite(number):
                    said.append(Answer(name, control, float(number) if float(number) % 1 else int(number)))
            elif text := _text(value):
                said.append(Answer(name, control, text))
        return said


def _gather(groups: dict[Any, Any], key: Any, image: MarkedImage, marks: tuple[Mark, ...], said: tuple[Answer, ...]) -> None:
    """Add a row to its image. Lists become tuples at the end, so that a long catalogue takes linear time."""
    _, held, answers = groups.setdefault(key, (image, [], []))
    held.extend(marks)
    answers.extend(said)


def _frozen(group: Any) -> MarkedImage:
    image, marks, answers = group
    frozen: MarkedImage = replace(image, marks=tuple(marks), answers=tuple(answers))
    return frozen


def _text(value: Any) -> str:
    if value is np.ma.masked or value is None:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).strip()
