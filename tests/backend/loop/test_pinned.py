"""A pinned version stays live: further versions are trained and compared, and their evidence is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from backend.jobs.lease import hold_lease
from backend.loop.cycle import run_cycle
from backend.loop.session import ProjectSession
from backend.projects.live_version import make_live, pin, unpin
from backend.registry.records import BASE
from backend.services import Services
from sync.controls import choices
from sync.labelling.config import parse
from tests.small_label_studio import PROJECT, SmallLabelStudio

# Labels that the shipped head does not know, so that the first trained version goes live.
CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="mood" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
(CONTROL,) = parse(CONFIG).controls
LARGE, SMALL = ((100, 50, 18),), ((100, 50, 4), (40, 30, 3), (160, 70, 3), (60, 75, 3))

pytestmark = pytest.mark.slow


def cycle(services: Services) -> str:
    with hold_lease(services.engine, PROJECT, seconds=600) as lease:
        assert lease is not None
        return run_cycle(services, ProjectSession(services.label_studio, PROJECT), lease)


@pytest.fixture
def annotated_project(
    label_studio: SmallLabelStudio, open_services: Callable[..., Services], png: Callable[..., bytes]
) -> Services:
    """Return services with sixteen annotated tasks of two kinds, and no trained version."""
    services = open_services(label_studio_url=label_studio.url, batch=2)
    label_studio.project["label_config"] = CONFIG
    name = services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None).live_name
    label_studio.project["model_version"] = name
    label_studio.backends[1] = {"id": 1, "url": services.settings.public_url, "title": name, "auth_method": "NONE"}
    for task in range(1, 17):
        label_studio.files[f"/data/upload/{PROJECT}/{task}.png"] = png(spots=(LARGE, SMALL)[task % 2], seed=task)
        label_studio.add_task(task)
        annotate(label_studio, task)
    return services


def annotate(label_studio: SmallLabelStudio, task: int, **fields: Any) -> None:
    region = choices.encode([("Calm", "Wild")[task % 2]], control=CONTROL)
    label_studio.annotate(task, [region | {"id": f"r{task}"}], **fields)


def verdicts(services: Services) -> list[str]:
    return [version.verdict for version in services.registry.versions(PROJECT)]


def test_a_better_version_is_rejected_while_the_live_one_is_pinned(annotated_project: Services) -> None:
    base = pin(annotated_project, PROJECT)
    outcome = cycle(annotated_project)
    assert f"was rejected: version {base.name} is pinned, or it would have gone live: " in outcome
    _, version = annotated_project.registry.versions(PROJECT)
    assert version.verdict == "rejected"
    assert str(version.evidence["reason"]).startswith(f"version {base.name} is pinned")
    assert "mood" in version.evidence["controls"]
    assert version.heads == {"mood": 2}
    assert annotated_project.registry.project(PROJECT).live_version == 1
    # The user makes it live later: the pin moves.
    make_live(annotated_project, PROJECT, version.name)
    assert verdicts(annotated_project) == [BASE, "live"]
    assert annotated_project.registry.project(PROJECT).pinned


def test_without_the_pin_the_same_version_goes_live(annotated_project: Services) -> None:
    pin(annotated_project, PROJECT)
    unpin(annotated_project, PROJECT)
    assert "went live" in cycle(annotated_project)
    assert annotated_project.registry.project(PROJECT).live_version == 2


def test_a_pin_does_not_keep_a_version_of_another_config(annotated_project: Services, label_studio: SmallLabelStudio) -> None:
    pin(annotated_project, PROJECT)
    label_studio.project["label_config"] = CONFIG.replace("Wild", "Stormy")
    outcome = cycle(annotated_project)
    project = annotated_project.registry.project(PROJECT)
    assert "went live" in outcome
    assert project.live_version == 2
    assert project.pinned
