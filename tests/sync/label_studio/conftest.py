"""Fixtures: a small Label Studio and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sync.label_studio.client import LabelStudioClient
from tests.small_label_studio import KEY, SmallLabelStudio, running


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with running() as server:
        yield server


@pytest.fixture
def client(label_studio: SmallLabelStudio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(label_studio.url, KEY, patience_s=0.2) as client:
        yield client
