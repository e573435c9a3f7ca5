"""`galaxyloop import-regions` reads an export back as the same regions on the same tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sync.export.image_files import ImageFile
from sync.geometry.corners import box_corners, ellipse_corners
from sync.geometry.footprint import Footprint
from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon
from sync.label_studio.tasks import Task
from sync.labelling.config import LabelConfig, parse
from sync.labelling.reading import read_region
from sync.regions.canvases import canvas_of
from sync.regions.fitting import RegionFitter
from sync.regions.formats import Reading
from sync.regions.gathering import Gathering
from sync.regions.problems import LeftOut
from sync.regions.tasks import TaskIndex

SIZE = (40, 30)
CARDS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 20.5, "CRPIX2": 15.5}
TURNED = {**CARDS, "CD1_1": -8e-5, "CD1_2": 6e-5, "CD2_1": 6e-5, "CD2_2": 8e-5, "NAXIS1": 40, "NAXIS2": 30}
IMAGE_FILE = ImageFile(b"", ".png", SIZE)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


@pytest.fixture
def regions(region: Say, ragged_mask: Mask) -> list[dict[str, Any]]:
    """Return regions of every kind, with different classes or positions within a kind."""
    return [
        region("masks", ragged_mask, label="Arm", size=SIZE),
        region("masks", ragged_mask[::-1, ::-1], label="Galaxy", size=SIZE),
        region("boxes", Box(5, 4, 12, 7), label="Star", size=SIZE),
        region("boxes", Box(20, 10, 12, 7, 25), label="Galaxy", size=SIZE),
        region("boxes", Box(25, 3, 6, 6, 20), label="Galaxy", size=SIZE),
        region("ellipses", Ellipse(20, 15, 4, 9, 30), label="Galaxy", size=SIZE),
        region("ellipses", Ellipse(10, 10, 3, 3, 0), label="Galaxy", size=SIZE),
        region("polygons", Polygon(np.array([[2.5, 3], [20, 4.25], [12, 25.5]])), label="Galaxy", size=SIZE),
        region("points", Point(11.5, 12.25), label="Nucleus", size=SIZE),
        region("morphology", ["Spiral"]),
        region("features", ["Bar", "Ring"]),
        region("tree", [("Featured", "Arms")]),
        region("redshift", 0.125),
    ]


def import_regions(folder: Path, tasks: list[dict[str, Any]], config: LabelConfig) -> tuple[dict[int, list[Any]], list[str]]:
    """Import a folder; return the regions of each task, and the report of the omitted ones."""
    task_list = [Task(task["id"], task["data"], annotated=True, annotations=1, updated_at="") for task in tasks]
    index = TaskIndex.of(task_list, config)
    left_out = LeftOut()
    gathering = Gathering(index, left_out, key="auto")
    for file in [folder] if folder.is_dir() and list(folder.rglob("labels")) else sorted(folder.rglob("*.*")):
        if file.name not in ("README.md", "tasks.csv", "problems.csv", "data.yaml") and "images" not in file.parts:
            gathering.add(file, reading(config), format="auto")
    fitting = RegionFitter(config)
    regions_of: dict[int, list[Any]] = {}
    for target in gathering.targets():
        canvas = canvas_of(target, IMAGE_FILE)
        marks = gathering.find_shown(target, canvas)
        regions = regions_of.setdefault(target.image.task.id, [])
        regions += [fitting.object_region(mark, canvas, image="image") for _, mark in marks]
        regions += [fitting.answer_region(answer) for _, answer in target.answers]
    gathering.report_not_shown()
    return regions_of, list(left_out.lines())


def reading(config: LabelConfig) -> Reading:
    from sync.regions.catalogue import Columns

    objects = frozenset(control.name for control in config.controls if control.marks_objects)
    return Reading(columns=Columns({}, objects, frozenset(control.name for control in config.controls) - objects))


def contents(regions: list[dict[str, Any]], config: LabelConfig) -> list[tuple[str, Any]]:
    """Describe regions so that equal shapes are equal: control, labels or answer, and the outline to a hundredth of a pixel."""
    descriptions: list[tuple[str, Any]] = []
    for region in regions:
        control = config.control(region["from_name"])
        assert control is not None
        if not control.marks_objects:
            descriptions.append((control.name, str(region["value"][region["type"]])))
            continue
        object_of_region = read_region(region, control, size=SIZE)
        descriptions.append((control.name, (object_of_region.labels, outline_of(object_of_region.shape))))
    return sorted(descriptions, key=str)


def outline_of(shape: Any) -> Any:
    if isinstance(shape, np.ndarray):
        return [tuple(place) for place in np.argwhere(shape).tolist()]
    if isinstance(shape, Footprint):
        return outline_of(shape.to_mask(SIZE))
    if isinstance(shape, Point):
        return (round(shape.x, 2), round(shape.y, 2))
    if isinstance(shape, Ellipse):
        shape = ellipse_corners(shape)
        low, high = shape.points.min(axis=0), shape.points.max(axis=0)  # for any order of the axes
        return tuple(np.round([*low, *high], 2).tolist())
    points = box_corners(shape).points if isinstance(shape, Box) else shape.points
    return sorted({(round(x, 2) + 0.0, round(y, 2) + 0.0) for x, y in points.tolist()})


@pytest.fixture(params=["sky", "no sky"])
def tasks(request: pytest.FixtureRequest, task: Say, annotation: Say, regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return two tasks, each with half of the regions, and one with all, identified by file name, content id or position."""
    sky: list[dict[str, Any]] = [{"wcs": {**TURNED, "CRVAL2": 2.0 + number}} for number in range(3)]
    skies = sky if request.param == "sky" else [{}, {}, {}]
    return [
        task(annotation(*regions[::2]), filename="north.fits", **skies[0]),
        task(annotation(*regions[1::2]), content_id="c0ffee", **skies[1]),
        task(annotation(*regions), filename="west.fits", content_id="bead", **skies[2]),
    ]


CATALOGUE = {"boxes", "ellipses", "points", "morphology", "features", "tree", "redshift"}
KINDS = {
    "coco": {"masks", "boxes", "ellipses", "polygons", "points", "morphology", "features", "tree", "redshift"},
    "ds9": {"masks", "boxes", "ellipses", "polygons", "points"},
    "ecsv": CATALOGUE,
    "fits-table": CATALOGUE,
    "votable": CATALOGUE,
}
"""Controls whose regions a format stores without loss."""


@pytest.mark.parametrize("format", KINDS)
def test_exported_regions_are_imported_unchanged(
    run_export: Exported, config: LabelConfig, tasks: list[dict[str, Any]], format: str
) -> None:
    folder, _ = run_export(tasks, format, objects="separate")
    regions_of, lines = import_regions(folder, tasks, config)
    for task in tasks:
        expected = [region for region in task["annotations"][0]["result"] if region["from_name"] in KINDS[format]]
        regions = [region for region in regions_of[task["id"]] if region["from_name"] in KINDS[format]]
        assert contents(regions, config) == contents(expected, config)
    if "masks" in KINDS[format]:
        assert lines == []
        assert sum(map(len, regions_of.values())) == sum(
            region["from_name"] in KINDS[format] for task in tasks for region in task["annotations"][0]["result"]
        )
    else:
        assert len(lines) == 2
        assert all("has only the measures of a" in line for line in lines)


def footprint_of(shape: Any) -> list[tuple[int, ...]]:
    if isinstance(shape, np.ndarray):
        return [tuple(place) for place in np.argwhere(shape).tolist()]
    polygon = Polygon(ellipse_corners(shape).points) if isinstance(shape, Ellipse) else shape
    return footprint_of(Footprint.of_polygon(polygon, SIZE).to_mask(SIZE))


@pytest.mark.parametrize("format", ["fits", "yolo"])
def test_exported_outlines_are_imported_with_the_same_pixels(
    run_export: Exported,
    config: LabelConfig,
    task: Say,
    annotation: Say,
    region: Say,
    regions: list[dict[str, Any]],
    format: str,
) -> None:
    """YOLO has a box around each of them in `detect/` as well: only the drawn box is read back as a box."""
    outlines = [region for region in regions if region["from_name"] in ("masks", "ellipses", "polygons")]
    box = region("boxes", Box(2, 2, 19, 24), label="Galaxy", size=SIZE)
    tasks = [task(annotation(*outlines, box), filename="north.fits")]
    folder, _ = run_export(tasks, format, objects="separate")
    brushes = parse(
        '<View><Image name="image" value="$image"/><BrushLabels name="masks" toName="image"><Label value="Galaxy"/>'
        '<Label value="Arm"/></BrushLabels><RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/>'
        "</RectangleLabels></View>"
    )
    regions_of, lines = import_regions(folder, tasks, brushes)
    assert lines == []
    masks = [shape_of(region, brushes) for region in regions_of[1] if region["from_name"] == "masks"]
    assert sorted(map(footprint_of, masks)) == sorted(footprint_of(shape_of(region, config)) for region in outlines)
    boxes = [region for region in regions_of[1] if region["from_name"] == "boxes"]
    assert contents(boxes, brushes) == (contents([box], config) if format == "yolo" else [])


def shape_of(region: dict[str, Any], config: LabelConfig) -> Any:
    control = config.control(region["from_name"])
    assert control is not None
    return read_region(region, control, size=SIZE).shape
