"""What a project is trained on after the gate has rejected its chosen encoder."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from backend.loop.encoders.postponement import find_postponement
from backend.loop.encoders.target import EncoderTarget
from backend.loop.examples.snapshot import SNAPSHOT_FILE
from backend.services import Services

ID = 7
CONFIG, OTHER_CONFIG = "<View/>", "<View><Image name='image' value='$image'/></View>"
TARGET = EncoderTarget("live", "chosen", "local-dir:/models/chosen")


@pytest.fixture
def services(open_services: Callable[..., Services]) -> Services:
    services = open_services()
    services.registry.register_project(ID, label_config=CONFIG, extra_params=None)
    return services


def train(services: Services, encoder: str, *, annotations: int, is_better: bool, config: str = CONFIG) -> str:
    """Write a version of so many annotations, let it go live or reject it, and return its name."""
    fingerprint = f"{encoder}-{annotations}"
    with services.registry.create_version(
        ID, label_config=config, fingerprint=fingerprint, learned_from=annotations, encoder=encoder
    ) as (folder, number):
        rows = [{"annotation": id_, "task": id_, "updated_at": "2026-01-01"} for id_ in range(annotations)]
        (folder / SNAPSHOT_FILE).write_text(json.dumps(rows))
        (folder / "heads.json").write_text("{}")
    if is_better:
        services.registry.promote(ID, number)
    else:
        services.registry.reject(ID, number, evidence={"reason": "mood is worse"})
    return services.registry.version(ID, number).name


def postponement(services: Services, *, annotations: int, target: EncoderTarget = TARGET) -> str:
    return find_postponement(services, services.registry.project(ID), target, annotations=annotations)


def test_a_chosen_encoder_is_used_at_first(services: Services) -> None:
    train(services, "live", annotations=20, is_better=True)
    assert postponement(services, annotations=20) == ""


def test_a_rejected_encoder_waits_until_the_annotations_have_grown_by_half(services: Services) -> None:
    train(services, "live", annotations=20, is_better=True)
    name = train(services, "chosen", annotations=21, is_better=False)
    reason = f"{name} on the encoder local-dir:/models/chosen was rejected; it is tried again with 32 annotations"
    assert postponement(services, annotations=21) == postponement(services, annotations=31) == reason
    assert postponement(services, annotations=32) == ""
    train(services, "live", annotations=30, is_better=False)
    assert postponement(services, annotations=31) == reason
    train(services, "chosen", annotations=40, is_better=False)
    assert "with 60 annotations" in postponement(services, annotations=50)


def test_another_encoder_or_labelling_config_is_tried_at_once(services: Services) -> None:
    train(services, "live", annotations=20, is_better=True)
    train(services, "chosen", annotations=20, is_better=False)
    assert postponement(services, annotations=20, target=EncoderTarget("live", "third", "third")) == ""
    services.registry.register_project(ID, label_config=OTHER_CONFIG, extra_params=None)
    assert postponement(services, annotations=20) == ""


def test_the_encoder_of_the_live_version_is_never_postponed(services: Services) -> None:
    train(services, "live", annotations=20, is_better=True)
    train(services, "live", annotations=30, is_better=False)
    assert postponement(services, annotations=30, target=EncoderTarget("live", "live", "shipped")) == ""
