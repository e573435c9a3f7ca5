"""Fixtures: a project with classes whose images the small Label Studio serves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.services import Services
from tests.small_label_studio import PROJECT, SmallLabelStudio


@pytest.fixture
def with_images(attached_services: Services, label_studio: SmallLabelStudio, png: Callable[..., bytes]) -> Services:
    """Add three open tasks with images and without predictions."""
    for task in (1, 2, 3):
        label_studio.add_task(task)
        label_studio.files[f"/data/upload/{PROJECT}/{task}.png"] = png(seed=task)
    return attached_services
