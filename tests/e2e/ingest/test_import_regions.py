"""`galaxyloop import-regions` into the real Label Studio: exact masks, no duplicates after a second run, omissions reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from regions import CircleAnnulusSkyRegion, PixCoord, Regions
from typer.testing import CliRunner, Result

from backend.cli.app import app
from sync.geometry.shapes import Mask
from sync.label_studio.annotations import read_annotations
from sync.label_studio.client import LabelStudioClient, LabelStudioUnavailable
from sync.label_studio.projects import create_project, project_state
from sync.label_studio.tasks import read_tasks
from sync.labelling.config import parse
from sync.labelling.reading import read_region

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="masks" toName="image"><Label value="Galaxy"/><Label value="Star"/></BrushLabels>
  <RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels>
  <KeyPointLabels name="points" toName="image"><Label value="Galaxy"/></KeyPointLabels>
  <Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/></Choices>
</View>
"""
WIDTH, HEIGHT = 40, 30
NAMES = ("north", "south")


def sky_of(number: int) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.0 + number]
    wcs.wcs.crpix, wcs.wcs.cdelt = [WIDTH / 2 + 0.5, HEIGHT / 2 + 0.5], [-1e-4, 1e-4]
    return wcs


@pytest.fixture
def project(client: LabelStudioClient, run: Callable[..., Result], tmp_path: Path) -> int:
    """Return a project of two galaxies as FITS files, a degree apart."""
    project = create_project(client, "Regions to import", CONFIG)
    for number, name in enumerate(NAMES):
        noise = np.random.default_rng(number).normal(10, 2, (HEIGHT, WIDTH)).astype(np.float32)
        fits.writeto(tmp_path / f"{name}.fits", noise, sky_of(number).to_header())
    assert run(project, *(tmp_path / f"{name}.fits" for name in NAMES)).exit_code == 0
    return project


@pytest.fixture
def import_regions(run: Callable[..., Result], project: int) -> Callable[..., Result]:
    return lambda *words: CliRunner().invoke(app, ["import-regions", str(project), *(str(word) for word in words)])


def tasks_of(client: LabelStudioClient, project: int) -> dict[str, int]:
    return {task.data["filename"].removesuffix(".fits"): task.id for task in read_tasks(client, project)}


def masks_of(result: list[dict[str, Any]]) -> list[Mask]:
    control = parse(CONFIG).control("masks")
    assert control is not None
    return [read_region(region, control, size=(WIDTH, HEIGHT)).shape for region in result if region["from_name"] == "masks"]


def segmentation_map() -> Any:
    labels = np.zeros((HEIGHT, WIDTH), np.int32)
    labels[2:9, 3:17] = 4
    labels[4:6, 6:8] = 0
    labels[20:, 30:] = 9
    return labels


def write_coco(file: Path) -> Path:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:12, 8:30] = 1
    rle = {"size": [HEIGHT, WIDTH], "counts": coco_mask.encode(np.asfortranarray(mask))["counts"].decode()}
    polygon = [[3.2, 4.1, 30.4, 6.3, 20.2, 25.7]]
    rows = [
        {"image_id": 1, "category_id": 1, "segmentation": rle},
        {"image_id": 1, "category_id": 2, "segmentation": polygon},
        {"image_id": 1, "category_id": 3, "segmentation": polygon},
        {"image_id": 2, "category_id": 1, "bbox": [4, 5, 10, 12]},
    ]
    body = {
        "images": [{"id": 1, "file_name": "north.png", "width": WIDTH, "height": HEIGHT}, {"id": 2, "file_name": "east.png"}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(("galaxy", "Star", "comet"), start=1)],
        "annotations": [{"id": number, "iscrowd": 0, **row} for number, row in enumerate(rows, start=1)],
    }
    file.write_text(json.dumps(body))
    return file


def test_predictions_are_imported_exactly_and_only_once(
    client: LabelStudioClient, project: int, import_regions: Callable[..., Result], tmp_path: Path
) -> None:
    coco = write_coco(tmp_path / "instances.json")
    fits.writeto(tmp_path / "south_seg.fits", segmentation_map())
    result = import_regions(coco, tmp_path / "south_seg.fits", "--label", "Galaxy", "--model", "cutler")
    assert "2 tasks stored" in result.stdout, result.output
    assert result.exit_code == 1  # a comet, and an image that is not in the project
    assert "comet" in result.stderr
    assert "east.png" in result.stderr
    tasks = tasks_of(client, project)
    (north,), (south,) = (client.get("/api/predictions/", task=tasks[name]) for name in NAMES)
    assert {north["model_version"], south["model_version"]} == {"cutler"}
    reader = COCO(coco)
    expected_masks = [reader.annToMask(reader.anns[number]).astype(bool) for number in (1, 2)]
    assert [np.array_equal(*pair) for pair in zip(masks_of(north["result"]), expected_masks, strict=True)] == [True, True]
    labels = segmentation_map()[::-1]
    assert [np.array_equal(*pair) for pair in zip(masks_of(south["result"]), [labels == 4, labels == 9], strict=True)] == [
        True
    ] * 2
    assert project_state(client, project).model_version == "cutler"

    second_result = import_regions(coco, tmp_path / "south_seg.fits", "--label", "Galaxy", "--model", "cutler")
    assert "0 tasks stored, 2 already stored" in second_result.stdout
    import_regions(tmp_path / "south_seg.fits", "--label", "Star", "--model", "cutler")
    (new_prediction,) = client.get("/api/predictions/", task=tasks["south"])
    assert new_prediction["id"] == south["id"]
    assert {label for region in new_prediction["result"] for label in region["value"]["brushlabels"]} == {"Star"}
    import_regions(tmp_path / "south_seg.fits", "--label", "Galaxy", "--model", "other")
    assert len(client.get("/api/predictions/", task=tasks["south"])) == 2

    fits.writeto(tmp_path / "survey.fits", segmentation_map(), sky_of(1).to_header())  # a map whose name matches no task
    result = import_regions(tmp_path / "survey.fits", "--label", "Galaxy", "--model", "survey")
    assert result.exit_code == 0, result.output
    shapes = [
        prediction
        for prediction in client.get("/api/predictions/", task=tasks["south"])
        if prediction["model_version"] == "survey"
    ]
    assert [np.array_equal(*pair) for pair in zip(masks_of(shapes[0]["result"]), [labels == 4, labels == 9], strict=True)] == [
        True
    ] * 2


def test_annotations_are_matched_by_sky_position_and_stored_once(
    client: LabelStudioClient,
    project: int,
    import_regions: Callable[..., Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = sky_of(1).pixel_to_world(12.3, 9.8)
    ring = CircleAnnulusSkyRegion(place, 1 * place.ra.unit / 3600, 3 * place.ra.unit / 3600)
    far_region = CircleAnnulusSkyRegion(sky_of(7).pixel_to_world(1, 1), ring.inner_radius, ring.outer_radius)
    Regions([ring, far_region]).write(tmp_path / "field.reg", format="ds9")
    (tmp_path / "classes.csv").write_text("filename,kind\nnorth.fits,spiral\nsouth.fits,comet\nwest.fits,Smooth\n")
    words = (
        tmp_path / "field.reg",
        tmp_path / "classes.csv",
        "--column",
        "class=kind",
        "--label",
        "Galaxy",
        "--as",
        "annotations",
    )
    send, requests = LabelStudioClient.send, []

    def send_one(self: LabelStudioClient, method: str, path: str, **body: Any) -> Any:
        """Store the first annotation, then fail as if Label Studio did not answer."""
        if path.endswith("/annotations/"):
            requests.append(path)
        if len(requests) > 1:
            raise LabelStudioUnavailable("it went away")
        return send(self, method, path, **body)

    with monkeypatch.context() as patch:
        patch.setattr(LabelStudioClient, "send", send_one)
        assert (import_regions(*words).exit_code, len(requests)) == (1, 2)
    result = import_regions(*words)
    assert (result.exit_code, "1 tasks stored, 1 already stored" in result.stdout) == (1, True), result.output
    for reason in (
        "no task of the project has the same",
        "is not a label of 'class'",
        "no task has an image that contains the object",
    ):
        assert reason in result.stderr
    second_result = import_regions(*words)
    assert "0 tasks stored, 2 already stored" in second_result.stdout
    tasks = tasks_of(client, project)
    notes = {note.task_id: note for note in read_annotations(client, project)}
    assert len(notes) == 2
    assert notes[tasks["north"]].result[0]["value"]["choices"] == ["Spiral"]
    region_in_pixels = Regions.read(tmp_path / "field.reg", format="ds9")[0].to_pixel(sky_of(1))
    expected_masks = region_in_pixels.to_mask(mode="center").to_image((HEIGHT, WIDTH))[::-1] > 0
    assert np.array_equal(masks_of(notes[tasks["south"]].result)[0], expected_masks)
    assert PixCoord(12, 10) not in region_in_pixels


def test_an_export_can_be_imported_again(
    client: LabelStudioClient, project: int, import_regions: Callable[..., Result], tmp_path: Path
) -> None:
    fits.writeto(tmp_path / "south_seg.fits", segmentation_map())
    write_coco(tmp_path / "instances.json")
    words = (tmp_path / "south_seg.fits", tmp_path / "instances.json", "--label", "Galaxy", "--as", "annotations")
    assert import_regions(*words).exit_code == 1
    before = {note.task_id: masks_of(note.result) for note in read_annotations(client, project)}
    for format, pattern in (("coco", "annotations/train.json"), ("fits", "train/*"), ("yolo", ".")):
        output = tmp_path / format
        result = CliRunner().invoke(app, ["export", str(project), "--format", format, "--output", str(output)])
        assert result.exit_code == 0, result.output
        result = import_regions(output / pattern, "--model", f"by way of {format}")
        assert result.exit_code == 0, result.output
        for task, masks in before.items():
            results = {item["model_version"]: item["result"] for item in client.get("/api/predictions/", task=task)}
            second_result = masks_of(results[f"by way of {format}"])
            assert [np.array_equal(*pair) for pair in zip(second_result, masks, strict=True)] == [True] * len(masks)


def test_a_limit_takes_the_first_tasks_and_reports_no_object_of_the_others(
    client: LabelStudioClient, project: int, import_regions: Callable[..., Result], tmp_path: Path
) -> None:
    """The second task has an object by name and one by its place on the sky."""
    folder = tmp_path / "regions"
    folder.mkdir()
    for name in NAMES:
        fits.writeto(folder / f"{name}_seg.fits", segmentation_map())
    (folder / "field.reg").write_text('icrs\ncircle(150.0, 3.0, 1.5")\n')
    result = import_regions(folder, "--label", "Galaxy", "--limit", 1)
    assert (result.exit_code, "1 tasks stored, 0 already stored, 0 left out" in result.stdout) == (0, True), result.output
    tasks = tasks_of(client, project)
    assert [len(client.get("/api/predictions/", task=tasks[name])) for name in NAMES] == [1, 0]
    result = import_regions(folder, "--label", "Galaxy")
    assert (result.exit_code, "1 tasks stored, 1 already stored" in result.stdout) == (0, True), result.output
    ((south,), regions) = (client.get("/api/predictions/", task=tasks["south"]), 3)
    assert len(south["result"]) == regions


def test_wrong_calls_exit_with_2(import_regions: Callable[..., Result], tmp_path: Path) -> None:
    write_coco(tmp_path / "a.json")
    for words in (
        ("--model", "v0007-3f9a7c"),
        ("--model", "v0007-3f9a7c (annotated)"),
        ("--control", "nothing"),
        ("--label", "Comet"),
        ("--column", "class"),
        ("--classes", tmp_path / "missing.csv"),
    ):
        result = import_regions(tmp_path / "a.json", *words)
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1), (words, result.output)
