"""A record that a writer rejects is one entry of the list of problems; the records before and after it are written."""

from __future__ import annotations

import gzip
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.errors.images import ImageError
from sync.export import FORMATS, writer
from sync.export.data_columns import DataColumn
from sync.export.dataset import Dataset
from sync.export.drawn_objects import DrawnObject, Provenance
from sync.export.image_files import ImageFile
from sync.export.records import Answer, ParsedAnnotation, Record
from sync.export.run import ExportError, _write
from sync.export.sky import Sky
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Point, Polygon

SIZE = (40, 30)
CARDS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 20.5, "CRPIX2": 15.5}
SKY = Sky.of_task({"wcs": {**CARDS, "CDELT1": -1e-4, "CDELT2": 1e-4, "NAXIS1": 40, "NAXIS2": 30}})
MADE = Provenance("human", "drawn", "", (1,), (5,), "2026-11-01T10:00:00Z")
REGION = {"id": "r", "from_name": "boxes", "type": "rectanglelabels", "value": {}}
BOX = DrawnObject("r", "boxes", "Galaxy", Box(5, 5, 10, 10), SIZE, None, MADE, REGION)
MASK = replace(BOX, control="masks", shape=Footprint(3, 4, np.ones((5, 6), dtype=bool)))
ANSWER = Answer("morphology", ("Spiral",), None, None, MADE, {"id": "a", "from_name": "morphology"})
FORMATS_WITH_TASKS = sorted(FORMATS.keys() - {"moc"})


def record_of(task: int, *objects: DrawnObject, answers: tuple[Answer, ...] = (), **changes: Any) -> Record:
    annotation = ParsedAnnotation(5, 1, MADE.time, objects, answers, tuple(obj.region for obj in objects))
    image_file = ImageFile(b"\x89PNG", ".png", SIZE)
    record = Record(task, {"image": "a.png", "n": 1}, "a.png", SIZE, SKY, "train", (annotation,), image_file, number=task)
    return replace(record, **changes)


@dataclass
class Outcome:
    """The tasks that a writer has written, and the reasons for the omitted ones."""

    tasks: list[int] = field(default_factory=list)
    reasons: dict[object, list[str]] = field(default_factory=dict)

    def report(self, reason: str, *, task: object, annotation: object = None, region: object = None) -> None:
        self.reasons.setdefault(task, []).append(reason)

    def add(self, record: Record) -> None:
        self.tasks.append(record.task)


def write_records(format: str, records: list[Record], folder: Path) -> Outcome:
    outcome = Outcome()
    dataset = Dataset(
        project=7,
        title="Galaxies",
        labels=("Galaxy", "Star"),
        keypoint_labels=(),
        kinds=frozenset({"box", "mask"}),
        outlined_classes=frozenset({"Galaxy"}),
        data_columns=(DataColumn("n", int),),
        splits=("train",),
        report=outcome.report,
        on_written=outcome.add,
    )
    writer(format).write(iter(records), folder, dataset=dataset)
    return outcome


def tasks_in(folder: Path, format: str) -> set[int]:
    """Read the task numbers in the files of a format."""
    if format == "coco":
        return {image["id"] for image in json.loads((folder / "annotations/train.json").read_text())["images"]}
    if format == "json":
        return {task["id"] for task in json.loads((folder / "train.json").read_text())}
    if format == "parquet":
        return {row["task"] for file in (folder / "data").iterdir() for row in pq.read_table(file).to_pylist()}
    if format in ("ecsv", "votable", "fits-table"):
        (file,) = folder.glob("objects.*")
        return set(Table.read(file)["task"].tolist())
    pattern = {"yolo": "detect/labels/*/*.txt", "fits": "train/*.fits.gz", "ds9": "regions/*/*.reg"}[format]
    files = list(folder.glob(pattern))
    assert all(gzip.decompress(file.read_bytes())[:6] == b"SIMPLE" for file in files if format == "fits")
    return {int(file.name[:6]) for file in files}


NUMBERS = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-9, 1e300, -1e300, None, "wide", 10**400])
SIDES = st.sampled_from([0, -1, 2**63, math.nan, None, "wide"])
THINGS = st.sampled_from([None, b"\xff", object(), {1, 2}, 1j, [[]], {"a": object()}, 2**70, "\ud83c", "x" * 5000, ("a", 1)])


@st.composite
def shapes(draw: Callable[[Any], Any]) -> Any:
    x, y, width, height, rotation = (draw(NUMBERS | st.floats(0, 30)) for _ in range(5))
    points = np.array(
        [[draw(st.sampled_from([math.nan, math.inf, 1e300, 5.0])) for _ in range(2)] for _ in range(draw(st.integers(0, 4)))]
    )
    return draw(
        st.sampled_from(
            [
                Box(x, y, width, height, rotation),
                Ellipse(x, y, width, height, rotation),
                Point(x, y),
                Polygon(points),
                Footprint(-5, 28, np.ones((9, 9), dtype=bool)),
                Footprint(3, 3, np.zeros((0, 0), dtype=bool)),
                Footprint(3, 3, np.zeros((2, 2), dtype=bool)),
                None,
            ]
        )
    )


@st.composite
def hostile_records(draw: Callable[[Any], Any]) -> Record:
    changes: dict[str, Any] = {}
    obj = BOX
    for name, values in {
        "shape": shapes(),
        "label": st.sampled_from(["Nebula", "", None, 3, "\ud83c\x00"]),
        "size": st.tuples(SIDES, SIDES),
        "probability": NUMBERS,
        "provenance": st.just(None) | st.builds(replace, st.just(MADE), annotators=st.just(("me", None)), time=THINGS),
        "region": THINGS,
        "id": THINGS,
    }.items():
        if draw(st.integers(0, 3)) == 0:
            changes[name] = draw(values)
    obj = replace(obj, **changes)
    of_record: dict[str, Any] = {}
    for name, values in {
        "size": st.tuples(SIDES, SIDES) | st.none(),
        "data": THINGS | st.fixed_dictionaries({"n": THINGS, "filename": THINGS}),
        "reference": THINGS,
        "image_file": THINGS | st.just(ImageError("HTTP 404")),
        "sky": st.none() | st.just(Sky()),
    }.items():
        if draw(st.integers(0, 5)) == 0:
            of_record[name] = draw(values)
    answer = replace(ANSWER, labels=draw(st.sampled_from([(), ("Spiral",), (None,), (b"x",), 3])))
    return record_of(2, obj, answers=draw(st.sampled_from([(), (answer,)])), **of_record)


@pytest.mark.parametrize("format", FORMATS_WITH_TASKS)
@settings(max_examples=12)
@given(hostile=hostile_records())
def test_an_unwritable_record_is_listed_and_others_are_written(format: str, hostile: Record) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outcome = write_records(format, [record_of(1, BOX, MASK), hostile, record_of(3, MASK)], folder)
        assert set(outcome.tasks) >= {1, 3}
        assert 2 in outcome.tasks or len([reason for reason in outcome.reasons[2] if "left out" in reason]) == 1
        assert tasks_in(folder, format) - {2} == {1, 3}


@settings(max_examples=12)
@given(hostile=hostile_records())
def test_a_moc_omits_records_without_a_position(hostile: Record) -> None:
    with tempfile.TemporaryDirectory() as name:
        outcome = write_records("moc", [record_of(1, BOX), hostile, record_of(3, MASK)], Path(name))
        assert set(outcome.tasks) >= {1, 3}
        assert (Path(name) / "images.fits").stat().st_size > 0


class _Endless:
    """Records whose iterator fails after the first, as for a format that cannot be completed."""

    def __iter__(self) -> Iterator[Record]:
        yield record_of(1, BOX)
        raise KeyError("no such thing")


@pytest.mark.parametrize("format", ["coco", "parquet", "votable"])
def test_a_failing_writer_gives_one_sentence(format: str, tmp_path: Path) -> None:
    dataset = Dataset(
        project=7, title="", labels=("Galaxy",), keypoint_labels=(), kinds=frozenset(), outlined_classes=frozenset(),
        data_columns=(), splits=("train",), report=Outcome().report, on_written=Outcome().add,
    )  # fmt: skip
    with pytest.raises(ExportError, match=rf"^the {format} files cannot be completed \(KeyError: 'no such thing'\)$"):
        _write(_Endless(), tmp_path, dataset=dataset, format=format)
