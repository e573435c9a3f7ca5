"""Annotations that cannot be read are listed by task and reason, in their current state."""

from __future__ import annotations

from typing import Any

import pytest

from backend.loop.examples.unreadable import note_problems
from backend.registry.records import Project
from backend.registry.unreadable import Unreadable, UnreadableList
from backend.services import Services
from sync.label_studio.annotations import Annotation

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/></Choices>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""


def box(**value: Any) -> dict[str, Any]:
    numbers = {"x": 20, "y": 20, "width": 15, "height": 30, "rectanglelabels": ["Galaxy"]} | value
    return {"from_name": "boxes", "to_name": "image", "type": "rectanglelabels", "value": numbers}


def choice(label: str) -> dict[str, Any]:
    return {"from_name": "class", "to_name": "image", "type": "choices", "value": {"choices": [label]}}


def annotation(id_: int, *regions: dict[str, Any], task: int = 0) -> Annotation:
    return Annotation(id_, task or id_, {"image": "a.png"}, list(regions), "2026-01-01T00:00:00Z", id_, False, None, None)


@pytest.fixture
def project(services: Services) -> Project:
    return services.registry.register_project(7, label_config=CONFIG, extra_params=None)


def list_problems(services: Services, project: Project, *annotations: Annotation) -> list[Unreadable]:
    note_problems(services, project, annotations, readings={})
    return UnreadableList(services.engine).of(project.id)


def test_readable_annotations_are_not_listed(services: Services, project: Project) -> None:
    assert list_problems(services, project, annotation(1, box(), choice("Spiral")), annotation(2, choice("Smooth"))) == []


def test_an_unreadable_region_is_listed_with_its_reason(services: Services, project: Project) -> None:
    (problem,) = list_problems(services, project, annotation(1, box(x="left"), box(), choice("Spiral")), annotation(2, box()))
    assert problem == Unreadable(1, 1, "boxes", "x must be a number, not 'left'", True)


def test_a_task_with_another_readable_annotation_is_not_left_out(services: Services, project: Project) -> None:
    unreadable = annotation(1, box(width=0), task=5)
    (problem,) = list_problems(services, project, unreadable, annotation(2, box(), task=5))
    assert not problem.left_out
    (problem,) = list_problems(services, project, unreadable, annotation(3, box(width=-1), task=6))[:1]
    assert problem.left_out


def test_a_corrected_annotation_is_no_longer_listed(services: Services, project: Project) -> None:
    assert len(list_problems(services, project, annotation(1, choice("Nebula")))) == 1
    assert list_problems(services, project, annotation(1, choice("Spiral"))) == []


def test_annotations_are_read_again_after_a_config_change(services: Services, project: Project) -> None:
    assert list_problems(services, project, annotation(1, choice("Smooth"))) == []
    project_of_new_config = services.registry.register_project(
        7, label_config=CONFIG.replace("Smooth", "Dusty"), extra_params=None
    )
    assert [problem.control for problem in list_problems(services, project_of_new_config, annotation(1, choice("Smooth")))] == [
        "class"
    ]
