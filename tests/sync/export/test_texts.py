"""Labels of any characters: each file opens with its usual reader, which reads the label or a listed replacement."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pyarrow.parquet as pq
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from sync.export.texts import ECSV, FITS, UNICODE, XML, escape_text, safe_cell
from sync.geometry.shapes import Box, Mask
from sync.labelling.config import parse

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="boxes" toName="image" value="$classes"/>
</View>
"""
LABELS = [
    "🌀 ring",
    "a\x85b",
    "a\u2028b",
    "nul\x00",
    "carriage\rreturn",
    "two\nlines",
    "tab\tbed",
    "\"quoted\" 'twice'",
    "back\\slash",
    "half \ud83c",
    "bell \x07",
    " ends blank ",
    "yes",
    "no",
    "null",
    "1.5",
    "-lead",
    "key: value",
    "# comment",
    "- item",
    "{a: b}",
    "<b>&amp;]]>",
    "a,b;c",
    "=1+1",
    "galaxie à barre",
    "\x1b[31mred",
    "ring",
    "RING",
    "long " * 60 + "label",
    "ra",
    "class",
]


def tasks_with_labels(task: Say, annotation: Say) -> list[dict[str, Any]]:
    """Return a task with a box of each label; the labelling config reads its classes from the task."""
    percent = {"x": 10, "y": 10, "width": 30, "height": 30, "rotation": 0}
    regions = [
        {
            "id": f"r{number}",
            "from_name": "boxes",
            "to_name": "image",
            "type": "rectanglelabels",
            "original_width": SIZE[0],
            "original_height": SIZE[1],
            "value": {**percent, "rectanglelabels": [label]},
        }
        for number, label in enumerate(LABELS)
    ]
    return [task(annotation(*regions))]


def reasons(folder: Path) -> str:
    file = folder / "problems.csv"
    return file.read_text(encoding="utf-8") if file.exists() else ""


@pytest.mark.parametrize(
    ("format", "file", "pattern"),
    [("ecsv", "objects.ecsv", ECSV), ("votable", "objects.vot", XML), ("fits-table", "objects.fits", FITS)],
)
def test_tables_keep_or_report_each_label(
    run_export: Exported, task: Say, annotation: Say, format: str, file: str, pattern: re.Pattern[str]
) -> None:
    folder, summary = run_export(tasks_with_labels(task, annotation), format, config=parse(CONFIG))
    table = Table.read(folder / file)
    assert [str(label) for label in table["class"]] == [escape_text(label, pattern) for label in LABELS]
    changed_labels = [label for label in LABELS if escape_text(label, pattern) != label]
    assert summary.problems == len(changed_labels)
    assert all(repr(escape_text(label, pattern)) in reasons(folder).replace('""', '"') for label in changed_labels)


def test_parquet_and_coco_keep_labels(run_export: Exported, task: Say, annotation: Say) -> None:
    folder, _ = run_export(tasks_with_labels(task, annotation), "parquet", config=parse(CONFIG))
    (file,) = (folder / "data").iterdir()
    (row,) = pq.read_table(file).to_pylist()
    assert [entry["label"] for entry in row["objects"]] == [escape_text(label, UNICODE) for label in LABELS]
    folder, summary = run_export(tasks_with_labels(task, annotation), "coco", config=parse(CONFIG))
    coco = json.loads((folder / "annotations" / "train.json").read_text())
    assert [entry["name"] for entry in coco["categories"]] == LABELS
    assert summary.problems == 0


def as_ultralytics_reads(file: Path) -> dict[str, Any]:
    """Read a file as `ultralytics.utils.YAML.load` does (8.3), which drops undecodable bytes and nonprintable characters."""
    text = file.read_bytes().decode("utf-8", errors="ignore")
    if not text.isprintable():
        text = re.sub(r"[^\x09\x0A\x0D\x20-\x7E\x85\xA0-\uD7FF\uE000-\uFFFD\U00010000-\U0010ffff]+", "", text)
    return dict(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def test_yolo_names_open_in_ultralytics(run_export: Exported, task: Say, annotation: Say) -> None:
    folder, _ = run_export(tasks_with_labels(task, annotation), "yolo", config=parse(CONFIG))
    names = [escape_text(label, UNICODE) for label in LABELS]
    for read in (
        as_ultralytics_reads(folder / "data.yaml"),
        yaml.safe_load((folder / "data.yaml").read_text(encoding="cp1252")),
        yaml.safe_load((folder / "data.yaml").read_bytes()),
    ):
        assert read["names"] == dict(enumerate(names))
        assert read["train"] == "images/train"


def test_fits_masks_keep_or_report_each_label(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    label = "arc-en-ciel à 2\u2028"
    config = parse(
        f'<View><Image name="image" value="$image"/><BrushLabels name="masks" toName="image"><Label value={quoteattr(label)}/>'
        "</BrushLabels></View>"
    )
    mask = region("masks", ragged_mask, label="Arm", size=SIZE)
    mask["value"]["brushlabels"] = [label]
    folder, summary = run_export([task(annotation(mask))], "fits", config=config)
    (file,) = folder.glob("train/*.fits.gz")
    with fits.open(file) as hdus:
        assert hdus["OBJECTS"].data["class"][0] == r"arc-en-ciel \xe0 2\u2028"
    assert summary.problems == 1


def test_a_fits_table_lists_the_texts_that_it_cuts(run_export: Exported, task: Say, annotation: Say) -> None:
    (labelled_task,) = tasks_with_labels(task, annotation)
    labelled_task["annotations"][0]["result"][1]["value"]["rectanglelabels"] = ["long " * 500]
    labelled_task["data"] |= {"note": "x" * 1500, "short": "x" * 1000}
    folder, _ = run_export([labelled_task], "fits-table", config=parse(CONFIG))
    row = Table.read(folder / "objects.fits")[1]
    assert (row["class"], row["note"], row["short"]) == ("long " * 199 + "long", "x" * 1000, "x" * 1000)
    assert reasons(folder).count("is cut") == 2
    assert f"FITS holds 1,000 characters of a text: '{'x' * 80}'… of 1,500 is cut" in reasons(folder)


def test_fits_masks_keep_long_labels_and_texts(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    label = ("a label of many words, " * 12).rstrip()
    config = parse(
        f'<View><Image name="image" value="$image"/><BrushLabels name="masks" toName="image"><Label value={quoteattr(label)}/>'
        '<Label value="RING"/><Label value="ring"/></BrushLabels></View>'
    )
    mask = region("masks", ragged_mask, label="Arm", size=SIZE)
    mask["value"]["brushlabels"] = [label]
    folder, _ = run_export([task(annotation(mask))], "fits", config=config)
    (file,) = folder.glob("train/*.fits.gz")
    with fits.open(file) as hdus:
        hdus.verify("exception")
        assert hdus[0].header["CLASS1"] == label
        assert [hdus[0].header[f"CLASS{number}"] for number in (2, 3)] == ["RING", "ring"]
        assert hdus["OBJECTS"].data["class"][0] == label


def test_odd_texts_do_not_end_the_export(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    box = {**region("boxes", Box(1, 1, 5, 5), label="Star", size=SIZE), "id": "=half \ud83c"}
    bad_region = {**region("boxes", Box(1, 1, 5, 5), label="Star", size=SIZE), "id": "=half \ud83c"}
    bad_region["value"] = {**bad_region["value"], "rectanglelabels": ["\ud83c\x00"]}
    for format in ("coco", "yolo", "fits", "ecsv", "votable", "fits-table", "parquet", "json"):
        folder, _ = run_export([task(annotation(box, bad_region), note="\ud83c", filename="\udc80.png")], format)
        with (folder / "problems.csv").open(newline="", encoding="utf-8") as file:
            assert any(row["region"].startswith("'=half") for row in csv.DictReader(file))


@pytest.mark.parametrize("consensus", ["latest", "majority", "dawid-skene"])
def test_a_label_with_lone_surrogates_is_voted_on(run_export: Exported, task: Say, annotation: Say, consensus: str) -> None:
    (labelled_task,) = tasks_with_labels(task, annotation)
    (entry,) = labelled_task["annotations"]
    labelled_task["annotations"].append({**entry, "id": entry["id"] + 1, "completed_by": 2})
    _, summary = run_export([labelled_task], "coco", config=parse(CONFIG), consensus=consensus)
    assert summary.objects == len(LABELS)


@pytest.mark.parametrize("cell", ["-1.5", "+3", "-1e-5", "plain", "a=b", "", 3, -1.5, None])
def test_numbers_and_plain_texts_are_unchanged_in_a_csv_file(cell: object) -> None:
    assert safe_cell(cell) == cell


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd", "@sum", "\tx", "\rx", "-1+1", "+-1", "-", "＝1"])
def test_formulas_get_a_leading_quote(cell: str) -> None:
    assert safe_cell(cell) == f"'{cell}"


@given(st.text(st.characters(codec=None)))
def test_escaping_is_idempotent(text: str) -> None:
    for pattern in (ECSV, FITS, UNICODE, XML):
        assert not pattern.search(escape_text(text, pattern))
