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
from astropy.table import Table

from sync.importing.inputs.catalogue import has_positions, open_catalogue, positions
from sync.importing.inputs.item import InputError
from sync.regions.catalogue_ellipses import find_ellipses
from sync.regions.exported_catalogue import is_exported, read_exported
from sync.regions.marks import ImportedAnswer, Mark, MarkedImage, Problem, RegionsError
from sync.regions.table_columns import TableColumns, text_of_cell

__all__ = ["Columns", "open_table", "read"]

MAX_ROWS = 5_000_000
LABEL_COLUMNS = ("label", "class", "category", "type")
NAME_COLUMNS = ("filename", "file_name", "file", "image")
ID_COLUMNS = ("content_id",)
TASK_COLUMNS = ("task", "task_id")


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
        raise RegionsError(f"the catalogue has {len(table):,} rows, more than the {MAX_ROWS:,} that are read: split it")
    if is_exported(table) and not columns.of_controls:
        return read_exported(table)
    return _CatalogueReader(file, table, columns).read()


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


class _CatalogueReader:
    def __init__(self, file: Path, table: Table, columns: Columns) -> None:
        self._file = file
        self._table = table
        self._table_columns = TableColumns(table)
        self._columns = columns
        for control, column in columns.of_controls.items():
            if column not in table.colnames:
                raise RegionsError(
                    f"the catalogue has no column {column!r} for {control!r}: it has {', '.join(table.colnames[:40])}"
                )
        self._places = self._positions()

    def read(self) -> tuple[list[MarkedImage], list[Problem]]:
        ellipses = find_ellipses(self._table_columns, on_sky=any(place is not None for place in self._places))
        answers = {name: column for name, column in self._columns.of_controls.items() if name not in self._columns.objects}
        if not self._columns.of_controls:
            usual = {name: self._table_columns.name_of(name) for name in sorted(self._columns.answering)}
            answers = {name: column for name, column in usual.items() if column}
        if ellipses is None and not answers:
            raise RegionsError(
                "the catalogue has neither ellipses (X_IMAGE, Y_IMAGE, A_IMAGE, B_IMAGE, THETA_IMAGE; or a position, A_WORLD, "
                "B_WORLD, THETA_J2000) nor a column of answers: name one with --column CONTROL=COLUMN"
            )
        names, contents, tasks = (
            self._table_columns.texts(names_of_columns) for names_of_columns in (NAME_COLUMNS, ID_COLUMNS, TASK_COLUMNS)
        )
        names_images = names or contents or tasks
        groups: dict[Any, MarkedImage] = {}
        problems: list[Problem] = []
        for row in range(len(self._table)):
            name = f"row {row + 1}"
            row_answers = tuple(self._answers(row, name, answers))
            mark = None
            if ellipses is not None:
                try:
                    mark = ellipses.mark(row, name, self._labels(row), self._places[row])
                except RegionsError as error:
                    if not row_answers:
                        problems.append((name, str(error)))
            if mark is None and not row_answers:
                continue
            marks = () if mark is None else (mark,)
            if names_images:
                task = tasks[row] if tasks else ""
                key: Any = (names[row] if names else "", contents[row] if contents else "", task)
                image = MarkedImage(
                    names[row] if names and names[row] else name,
                    (names[row],) if names and names[row] else (),
                    contents[row] if contents else "",
                    int(task) if task.isdecimal() else None,
                    self._places[row] if row_answers else None,
                )
            elif row_answers:
                key, image = row, MarkedImage(name, position=self._places[row])
                if image.position is None:
                    problems.append((name, "the row names no image: it needs a position, a filename, a content_id or a task"))
                    continue
            else:
                on_sky = self._places[row] is not None
                key, image = on_sky, MarkedImage("", (self._file.name,), by_place=on_sky)
            _gather(groups, key, image, marks, row_answers)
        return [_freeze(group) for group in groups.values()], problems

    def _positions(self) -> Sequence[tuple[float, float] | None]:
        has_options = self._columns.ra is not None or self._columns.dec is not None
        if not has_options and not has_positions(self._table):
            return [None] * len(self._table)
        try:
            places = positions(self._table, ra=self._columns.ra, dec=self._columns.dec)
        except InputError as error:
            raise RegionsError(str(error)) from error
        return [None if place is None else (place.ra, place.dec) for place in places]

    def _labels(self, row: int) -> tuple[str, ...]:
        answer_columns = [column for control, column in self._columns.of_controls.items() if control in self._columns.objects]
        usual = self._table_columns.find(LABEL_COLUMNS)
        names = answer_columns or ([] if usual is None else [self._table_columns.name_of(usual)])
        return tuple(text for name in names if (text := text_of_cell(self._table[name][row])))

    def _answers(self, row: int, name: str, answers: Mapping[str, str]) -> list[ImportedAnswer]:
        row_answers = []
        for control, column in answers.items():
            value = self._table[column][row]
            if value is np.ma.masked:
                continue
            number = getattr(value, "value", value)
            if isinstance(number, int | float | np.number) and not isinstance(number, bool | np.bool_):
                if np.isfinite(number):
                    row_answers.append(ImportedAnswer(name, control, float(number) if float(number) % 1 else int(number)))
            elif text := text_of_cell(value):
                row_answers.append(ImportedAnswer(name, control, text))
        return row_answers


def _gather(
    groups: dict[Any, Any], key: Any, image: MarkedImage, marks: tuple[Mark, ...], answers: tuple[ImportedAnswer, ...]
) -> None:
    """Add a row to its image. Lists become tuples at the end, so that a long catalogue takes linear time."""
    _, all_marks, all_answers = groups.setdefault(key, (image, [], []))
    all_marks.extend(marks)
    all_answers.extend(answers)


def _freeze(group: Any) -> MarkedImage:
    image, marks, answers = group
    frozen: MarkedImage = replace(image, marks=tuple(marks), answers=tuple(answers))
    return frozen
