"""The number of a class is the same in every export, whatever is labelled later."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync.export import FORMATS
from sync.geometry.shapes import Box, Mask
from sync.labelling.config import parse

SIZE = (40, 30)
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


def config_of(*labels: str) -> Any:
    names = "".join(f'<Label value="{label}"/>' for label in labels)
    boxes = f'<RectangleLabels name="boxes" toName="image">{names}</RectangleLabels>'
    return parse(f'<View><Image name="image" value="$image"/>{boxes}</View>')


FROM_TASKS = parse('<View><Image name="image" value="$image"/><RectangleLabels name="boxes" toName="image" value="$c"/></View>')


def numbers(folder: Path) -> dict[str, int]:
    return {
        category["name"]: category["id"]
        for category in json.loads((folder / "annotations/train.json").read_text())["categories"]
    }


def with_label(region: Say, label: str) -> dict[str, Any]:
    box = region("boxes", Box(5, 5, 10, 10), label="Star", size=SIZE)
    return {**box, "value": {**box["value"], "rectanglelabels": [label]}}


def test_unused_classes_keep_numbers_and_new_ones_are_appended(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    box = with_label(region, "Zebra")
    before, _ = run_export([task(annotation(box))], "coco", config=config_of("Unused", "Zebra"))
    after, _ = run_export([task(annotation(box))], "coco", config=config_of("Unused", "Zebra", "Apple"))
    assert numbers(before) == {"Unused": 1, "Zebra": 2}
    assert numbers(after) == {"Unused": 1, "Zebra": 2, "Apple": 3}


def test_classes_of_the_task_data_are_numbered_by_first_use(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    first, second = annotation(with_label(region, "Zebra"), id=10), annotation(with_label(region, "Mule"), id=11)
    third = annotation(with_label(region, "Apple"), id=12)
    before, _ = run_export([task(second), task(first)], "coco", config=FROM_TASKS)
    after, _ = run_export([task(third, first), task(second)], "coco", config=FROM_TASKS, consensus="all")
    assert numbers(before) == {"Zebra": 1, "Mule": 2}
    assert numbers(after) == {"Zebra": 1, "Mule": 2, "Apple": 3}


def test_renamed_and_removed_classes_keep_other_numbers(
    run_export: Exported, task: Say, annotation: Say, region: Say, tmp_path: Path
) -> None:
    numbers_file = tmp_path / "data" / "classes.json"
    box = with_label(region, "Zebra")
    run_export([task(annotation(box))], "coco", config=config_of("Apple", "Mule", "Zebra"), class_numbers=numbers_file)
    first_folder, _ = run_export([task(annotation(box))], "coco", config=config_of("Mule", "Zebra"), class_numbers=numbers_file)
    assert numbers(first_folder) == {"Apple": 1, "Mule": 2, "Zebra": 3}
    second_folder, _ = run_export(
        [task(annotation(box))], "coco", config=config_of("Donkey", "Zebra"), class_numbers=numbers_file
    )
    assert numbers(second_folder) == {"Apple": 1, "Mule": 2, "Zebra": 3, "Donkey": 4}


def test_a_damaged_list_of_class_numbers_does_not_end_the_export(
    run_export: Exported, task: Say, annotation: Say, region: Say, tmp_path: Path
) -> None:
    numbers_file = tmp_path / "classes.json"
    numbers_file.write_text("[1, null, {")
    folder, _ = run_export(
        [task(annotation(with_label(region, "Zebra")))], "coco", config=config_of("Zebra"), class_numbers=numbers_file
    )
    assert numbers(folder) == {"Zebra": 1}
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "classes.json"
    folder, summary = run_export(
        [task(annotation(with_label(region, "Zebra")))], "coco", config=config_of("Zebra"), class_numbers=below
    )
    assert (numbers(folder), summary.problems) == ({"Zebra": 1}, 1)


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_two_exports_of_the_same_tasks_have_the_same_bytes(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask, format: str
) -> None:
    sky = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CDELT1": -1e-4, "CDELT2": 1e-4}
    regions = [region("masks", ragged_mask, label="Arm", size=SIZE), region("boxes", Box(5, 5, 9, 7), label="Star", size=SIZE)]
    tasks = [task(annotation(*regions), wcs=sky, petro_r=17.5), task(annotation(regions[0]), survey="SDSS")]
    contents = []
    for _ in range(2):
        folder, _ = run_export(tasks, format, fractions={"train": 0.5, "test": 0.5})
        contents.append({file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()})
    assert contents[0] == contents[1]
