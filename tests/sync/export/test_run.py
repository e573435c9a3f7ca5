"""A complete export: its folder, its data card, its list of problems, Label Studio's JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from sync.export import FORMATS, writer
from sync.export.image_files import ImageFiles
from sync.export.run import ExportError, Plan, export
from sync.geometry.shapes import Box, Mask
from sync.labelling.config import LabelConfig

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


def plan(config: LabelConfig, **more: Any) -> Plan:
    options = {"format": "json", "consensus": "latest", "fractions": None, "seed": 0, "licence": "", "credit": "", **more}
    return Plan(project=7, title="Galaxies", config=config, **options)


def no_images() -> ImageFiles:
    return ImageFiles(lambda reference: pytest.fail(f"{reference} was fetched"), max_pixels=10**8)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_a_writer_and_comes_with_a_data_card(
    run_export: Exported, task: Say, annotation: Say, region: Say, format: str
) -> None:
    assert callable(writer(format).write)
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 1.0, "CRPIX2": 1.0}
    sky = {**cards, "CDELT1": -1e-4, "CDELT2": 1e-4}
    box = region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE)
    folder, summary = run_export([task(annotation(box), wcs=sky)], format)
    assert (summary.tasks, summary.objects, summary.problems) == (1, 1, 0)
    assert (folder / "README.md").is_file()
    assert not (folder / "problems.csv").exists()
    assert [file.name for file in folder.parent.iterdir()] == [folder.name]


def test_a_folder_with_content_is_rejected(config: LabelConfig, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(ExportError, match="not an empty folder"):
        export([], tmp_path / "out", plan=plan(config), image_files=no_images())
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine"]


def test_an_empty_folder_is_used(config: LabelConfig, tmp_path: Path, task: Say, annotation: Say, region: Say) -> None:
    (tmp_path / "out").mkdir()
    export([task(annotation(region("morphology", ["Spiral"])))], tmp_path / "out", plan=plan(config), image_files=no_images())
    assert (tmp_path / "out" / "train.json").is_file()


def test_an_interrupted_export_leaves_nothing(config: LabelConfig, tmp_path: Path, task: Say, annotation: Say) -> None:
    def tasks() -> Any:
        yield task(annotation())
        raise RuntimeError("Label Studio went away")

    with pytest.raises(RuntimeError, match="went away"):
        export(tasks(), tmp_path / "out", plan=plan(config), image_files=no_images())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("notes", [[], [{"id": 1, "was_cancelled": True, "result": [], "updated_at": ""}]])
def test_an_empty_project_gives_one_sentence(
    config: LabelConfig, tmp_path: Path, task: Say, notes: list[dict[str, Any]]
) -> None:
    tasks = [task(*notes)] if notes else []
    with pytest.raises(ExportError, match="project 7 has"):
        export(tasks, tmp_path / "out", plan=plan(config), image_files=no_images())
    assert list(tmp_path.iterdir()) == []


def test_problems_are_listed_with_task_annotation_region_and_reason(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    good, bad = (region("boxes", Box(1, 2, 3, 4), label="Star", size=SIZE) for _ in range(2))
    bad["value"] = {**bad["value"], "width": "wide"}
    note = annotation(good, bad)
    folder, summary = run_export([task(note)], "json")
    with (folder / "problems.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["task"], row["annotation"], row["region"]) == ("1", str(note["id"]), bad["id"])
    assert "width must be a number" in row["reason"]
    assert (summary.objects, summary.problems) == (1, 1)
    assert "Problems: 1" in (folder / "README.md").read_text()


def test_a_split_that_ends_empty_is_named(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    tasks = [task(annotation(region("morphology", ["Spiral"])))]
    folder, summary = run_export(tasks, "json", fractions={"train": 0.9, "test": 0.1})
    assert summary.empty_splits == ("test",)
    assert "**No task is in test.**" in (folder / "README.md").read_text()


def test_a_file_imported_twice_is_in_one_split(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    """Label Studio has stored it under two names; its `content_id` is the same."""
    tasks = [task(annotation(region("morphology", ["Spiral"])), content_id="0123") for _ in range(4)]
    folder, _ = run_export(tasks, "json", fractions={"train": 0.5, "test": 0.5})
    assert "1 groups, the largest of 4 tasks" in (folder / "README.md").read_text()


def test_fits_files_of_the_same_content_are_in_one_split(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    content = io.BytesIO()
    fits.PrimaryHDU(np.zeros((30, 40), dtype=np.float32)).writeto(content)
    files = {f"/data/upload/1/{number:08x}-image.fits": content.getvalue() for number in range(4)}
    tasks = [task(annotation(region("morphology", ["Spiral"])), image=name) for name in files]
    folder, _ = run_export(tasks, "json", fractions={"train": 0.5, "test": 0.5}, files=files)
    assert "1 groups, the largest of 4 tasks" in (folder / "README.md").read_text()


# --- Label Studio's JSON


def test_json_keeps_regions_and_adds_their_provenance(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask
) -> None:
    comment = {"id": "n", "from_name": "note", "to_name": "image", "type": "textarea", "value": {"text": ["odd"]}}
    submission = annotation(
        region("masks", ragged_mask, label="Arm", size=SIZE), comment, region("morphology", ["Spiral"]), by=3
    )
    folder, _ = run_export([task(submission, ra=1.5)], "json")
    (back,) = json.loads((folder / "train.json").read_text())
    assert back["data"] == {"image": "/data/upload/1/0123abcd-galaxy1.png", "ra": 1.5}
    (note,) = back["annotations"]
    assert (note["provenance"]["annotator"], note["lead_time"]) == (3, 3.5)
    provenance = [entry.pop("provenance", None) for entry in note["result"]]
    assert note["result"] == submission["result"]
    assert [origin and origin["made_by"] for origin in provenance] == ["human", None, "human"]


def test_consensus_writes_an_annotation_that_label_studio_accepts(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    notes = [annotation(region("boxes", Box(n, 2, 10, 10), label="Star", size=SIZE), by=n) for n in range(3)]
    folder, _ = run_export([task(*notes)], "json", consensus="majority")
    ((note,),) = [back["annotations"] for back in json.loads((folder / "train.json").read_text())]
    (entry,) = note["result"]
    assert (entry["from_name"], entry["type"], entry["value"]["x"]) == ("boxes", "rectanglelabels", 2.5)
    assert entry["provenance"]["annotators"] == [0, 1, 2]


def test_a_split_without_a_task_is_an_empty_list(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    folder, _ = run_export([task(annotation(region("morphology", ["Spiral"])))], "json", fractions={"train": 0.9, "test": 0.1})
    assert len(json.loads((folder / "train.json").read_text())) == 1
    assert json.loads((folder / "test.json").read_text()) == []


# --- the data card


def test_the_card_has_counts_provenance_and_credit(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    def task_with_box(label: str, by: int) -> dict[str, Any]:
        box = region("boxes", Box(1 + by, 2, 10, 10), label="Star", size=SIZE, origin="prediction" if by else "manual")
        return annotation(region("morphology", [label]), box, by=by, parent_version="v0004")

    tasks = [
        task(task_with_box("Spiral", 0), task_with_box("Spiral", 1)),
        task(task_with_box("Smooth", 0), task_with_box("Smooth", 1)),
        task(task_with_box("Spiral", 0)),
    ]
    folder, _ = run_export(
        tasks, "ecsv", licence="CC BY 4.0", credit="SDSS", fractions={"train": 0.5, "test": 0.5}, consensus="all"
    )
    card = (folder / "README.md").read_text()
    assert "Tasks: 3 exported of 3" in card
    assert "Annotations read: 5" in card
    assert "| morphology | 2 | 1.000 |" in card
    assert "| boxes | 2 | 0.818 | 100.0 % |" in card
    assert "| model | accepted | v0004 | " in card
    assert "| human | drawn |  | " in card
    assert "Licence: CC BY 4.0." in card
    assert "Credit: SDSS." in card
    assert "seed 0" in card
    assert "| `position_angle` | deg | pos.posAng | of the major axis, from north through east, 0 to 180 |" in card
    totals = [line for line in card.splitlines() if line.startswith("| box | Star |")]
    assert totals[0].endswith("| 5 | 100.0 % |")
