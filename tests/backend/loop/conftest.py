"""Fixtures: a small Label Studio with one project, and services that work with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from backend.services import Services
from tests.small_label_studio import PROJECT, SmallLabelStudio, running

CHOICES = """<View><Image name="image" value="$image"/>
<Choices name="morphology" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>"""


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with running(CHOICES) as server:
        yield server


@pytest.fixture
def attached_services(label_studio: SmallLabelStudio, open_services: Callable[..., Services]) -> Services:
    """Return services with project 7, to which the backend is attached."""
    services = open_services(label_studio_url=label_studio.url, webhook_debounce_s=0, batch=2)
    project = services.registry.register_project(PROJECT, label_config=CHOICES, extra_params=None)
    label_studio.backends[1] = {
        "id": 1,
        "url": services.settings.public_url,
        "title": project.live_name,
        "auth_method": "NONE",
    }
    label_studio.project["model_version"] = project.live_name
    return services
