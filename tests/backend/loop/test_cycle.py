"""One cycle of the loop, without a training."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from backend.jobs.lease import Lease, LeaseLostError, hold_lease
from backend.loop.cycle import batch_size, run_cycle
from backend.loop.encoders.embed_ahead import Progress
from backend.loop.encoders.target import EncoderTarget
from backend.loop.examples.snapshot import take_snapshot
from backend.loop.next_step import CycleState, Step, Wait
from backend.loop.session import ProjectSession
from backend.registry.records import BASE, Project
from backend.services import Services
from tests.backend.loop.conftest import CHOICES
from tests.small_label_studio import PROJECT, SmallLabelStudio

OTHER = CHOICES.replace("Spiral", "Ring")
NO_ANNOTATIONS = take_snapshot([]).fingerprint


def cycle(services: Services, *, during: Callable[[Lease], None] = lambda _: None) -> str:
    with hold_lease(services.engine, PROJECT, seconds=30) as lease:
        assert lease is not None
        during(lease)
        return run_cycle(services, ProjectSession(services.label_studio, PROJECT), lease)


def live_name(services: Services) -> str:
    return services.registry.project(PROJECT).live_name


def train(services: Services, *, label_config: str = CHOICES, live: bool = True, encoder: str = "") -> int:
    """Write a version without a head, trained on no annotation; return its number."""
    writing = services.registry.create_version(
        PROJECT,
        label_config=label_config,
        fingerprint=NO_ANNOTATIONS,
        learned_from=1,
        encoder=encoder or services.encoders.shipped_name,
    )
    with writing as (folder, number):
        (folder / "heads.json").write_text("{}")
    if live:
        services.registry.promote(PROJECT, number)
    return number


def verdicts(services: Services) -> list[str]:
    return [version.verdict for version in services.registry.versions(PROJECT)]


def add_predicted_task(services: Services, label_studio: SmallLabelStudio, task: int) -> None:
    label_studio.predict(label_studio.add_task(task), live_name(services))


def test_a_cycle_without_a_batch_states_how_many_are_missing(
    attached_services: Services, label_studio: SmallLabelStudio
) -> None:
    add_predicted_task(attached_services, label_studio, 1)
    assert cycle(attached_services) == f"0 of 2 changed annotations gathered since {live_name(attached_services)}"


def test_a_request_to_train_without_annotations_is_answered_once(attached_services: Services) -> None:
    attached_services.registry.register_project(PROJECT, label_config="<View/>", extra_params=None)
    attached_services.pending_events.request_training(PROJECT)
    assert cycle(attached_services).startswith("not trained: ")
    assert attached_services.registry.project(PROJECT).training_requested_at is None


def test_a_request_during_a_cycle_is_answered_by_the_next_one(
    attached_services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cycle may have read the annotations before the user submitted the last one and pressed "Start Training"."""
    attached_services.registry.register_project(PROJECT, label_config="<View/>", extra_params=None)

    def request_and_take_snapshot(annotations: Any) -> Any:
        attached_services.pending_events.request_training(PROJECT)
        return take_snapshot(annotations)

    with monkeypatch.context() as patch:
        patch.setattr("backend.loop.cycle.take_snapshot", request_and_take_snapshot)
        assert not cycle(attached_services).startswith("not trained: ")
        first_request = attached_services.registry.project(PROJECT).training_requested_at
        assert first_request is not None
        assert cycle(attached_services).startswith("not trained: ")  # during which the user presses again
        second_request = attached_services.registry.project(PROJECT).training_requested_at
        assert second_request is not None
        assert second_request > first_request
    assert cycle(attached_services).startswith("not trained: ")
    assert attached_services.registry.project(PROJECT).training_requested_at is None


@pytest.mark.parametrize("is_rejected", [False, True])
def test_after_its_rejection_a_chosen_encoder_is_not_trained_on(
    attached_services: Services, monkeypatch: pytest.MonkeyPatch, is_rejected: bool
) -> None:
    live = train(attached_services)
    if is_rejected:
        attached_services.registry.reject(PROJECT, train(attached_services, live=False, encoder="chosen"), evidence={})
    current = attached_services.registry.version(PROJECT, live).encoder
    target = EncoderTarget(current, "chosen", "local-dir:/models/chosen")
    encoders = []

    def decide(state: CycleState) -> Step:
        encoders.append(state.encoder)
        return Wait("")

    with monkeypatch.context() as patch:
        patch.setattr("backend.loop.cycle.find_target", lambda services, project: target)
        patch.setattr("backend.loop.cycle.embed_ahead", lambda *arguments, **options: Progress(0, 0))
        patch.setattr("backend.loop.cycle.decide", decide)
        patch.setattr("backend.loop.encoders.postponement.read_stamps", lambda folder: {1: "", 2: ""})
        outcome = cycle(attached_services)
    assert encoders == [current if is_rejected else "chosen"]
    assert ("was rejected; it is tried again with 3 annotations" in outcome) == is_rejected


def test_a_renamed_version_is_shown(attached_services: Services, label_studio: SmallLabelStudio) -> None:
    label_studio.backends[1]["title"] = "renamed by a user"
    label_studio.project["model_version"] = "renamed by a user"
    cycle(attached_services)
    assert label_studio.backends[1]["title"] == label_studio.project["model_version"] == live_name(attached_services)


@pytest.mark.slow
def test_a_version_of_the_earlier_config_is_restored(attached_services: Services, label_studio: SmallLabelStudio) -> None:
    earlier = train(attached_services)
    attached_services.registry.register_project(PROJECT, label_config=OTHER, extra_params=None)
    train(attached_services, label_config=OTHER)
    label_studio.project["label_config"] = CHOICES
    assert "is live again: it was made for this labelling config" in cycle(attached_services)
    assert attached_services.registry.project(PROJECT).live_version == earlier


def test_a_version_of_another_config_does_not_reach_the_gate(
    attached_services: Services, label_studio: SmallLabelStudio
) -> None:
    attached_services.registry.register_project(PROJECT, label_config=OTHER, extra_params=None)
    train(attached_services, label_config=OTHER, live=False)
    assert "was rejected: it was trained for another labelling config" in cycle(attached_services)
    assert verdicts(attached_services) == [BASE, "rejected"]


def test_a_damaged_live_version_is_replaced_first(attached_services: Services) -> None:
    number = train(attached_services)
    (attached_services.registry.path(PROJECT, number) / "heads.json").write_text("damaged")
    assert re.match(r"v0002-\w+ is damaged .*: v0001-\w+ is live in its place; 0 of 2", cycle(attached_services))
    assert attached_services.registry.project(PROJECT).live_version == 1


def test_a_cycle_that_lost_its_lease_publishes_nothing(attached_services: Services, label_studio: SmallLabelStudio) -> None:
    label_studio.backends[1]["title"] = "renamed by a user"
    with pytest.raises(LeaseLostError, match=f"project {PROJECT} was taken over by another worker"):
        cycle(attached_services, during=lambda lease: lease.set())
    assert label_studio.backends[1]["title"] == "renamed by a user"


@pytest.mark.parametrize(
    ("extra_params", "size"),
    [
        ({}, 10),
        ({"batch": 25}, 25),
        ({"batch": 0}, 10),
        ({"batch": "25"}, 10),
        ({"batch": True}, 10),
        ({"batch": 25.0}, 25),
        ({"batch": float("inf")}, 10),
    ],
)
def test_the_batch_size_of_the_project_precedes_the_setting(extra_params: dict[str, object], size: int) -> None:
    project = Project(1, "", extra_params, 1, "v0001", None, 0, training_requested_at=None, status="", status_at=0.0)
    assert batch_size(project, default=10) == size
