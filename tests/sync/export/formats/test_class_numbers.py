"""The number of a class stays the same from export to export, whatever is labelled later."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sync.geometry.shapes import Box
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
    return {one["name"]: one["id"] for one in json.loads((folder / "annotations/train.json").read_text())["categories"]}


def labelled(region: Say, label: str) -> dict[str, Any]:
    drawn = region("boxes", Box(5, 5, 10, 10), label="Star", size=SIZE)
    return {**drawn, "value": {**drawn["value"], "rectanglelabels": [label]}}


def test_a_class_that_nobody_used_keeps_its_number_and_a_new_one_comes_behind(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    drawn = labelled(region, "Zebra")
    before, _ = exported([task(annotation(drawn))], "coco", config=config_of("Unused", "Zebra"))
    after, _ = exported([task(annotation(drawn))], "coco", config=config_of("Unused", "Zebra", "Apple"))
    assert numbers(before) == {"Unused": 1, "Zebra": 2}
    assert numbers(after) == {"Unused": 1, "Zebra": 2, "Apple": 3}


def test_classes_that_only_tasks_name_are_numbered_by_their_first_annotation(
    exported: Exported, task: Say, annotation: Say, region: Say
) -> None:
    first, second = annotation(labelled(region, "Zebra"), id=10), annotation(labelled(region, "Mule"), id=11)
    third = annotation(labelled(region, "Apple"), id=12)
    before, _ = exported([task(second), task(first)], "coco", config=FROM_TASKS)
    after, _ = exported([task(third, first), task(second)], "coco", config=FROM_TASKS, consensus="all")
    assert numbers(before) == {"Zebra": 1, "Mule": 2}
    assert numbers(after) == {"Zebra": 1, "Mule": 2, "Apple": 3}
