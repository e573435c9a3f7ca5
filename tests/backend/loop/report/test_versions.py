"""Which versions a report shows, and which held-out images they are scored on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.loop.report.versions import select_versions
from backend.registry.records import BASE, DAMAGED, LIVE, RETIRED, Version, config_hash
from tests.backend.loop.report.conftest import CLASSES, ReportedProject

CONFIG = config_hash(CLASSES)


def version(number: int, *, verdict: str = RETIRED, config: str = CONFIG) -> Version:
    return Version(7, number, f"v{number:04d}", 0.0, config, "f", 10 * (number - 1), verdict, {})


def numbers(versions: list[Version], *, live: int) -> list[int]:
    return [each.number for each in select_versions(versions, live, config=CONFIG)]


def test_few_versions_are_all_shown() -> None:
    assert numbers([version(1, verdict=BASE), version(2), version(3, verdict=LIVE)], live=3) == [1, 2, 3]


def test_of_many_versions_the_live_and_newest_ones_and_a_spread_are_shown() -> None:
    versions = [version(1, verdict=BASE), *(version(number) for number in range(2, 41))]
    shown_numbers = numbers(versions, live=20)
    assert len(shown_numbers) == 9
    assert {1, 20, 37, 38, 39, 40} <= set(shown_numbers)
    assert shown_numbers == sorted(shown_numbers)


def test_versions_of_another_config_and_damaged_ones_are_left_out() -> None:
    versions = [version(1, verdict=BASE, config="other"), version(2, config="other"), version(3, verdict=DAMAGED), version(4)]
    assert numbers(versions, live=4) == [1, 4]
    assert numbers(versions, live=2) == [1, 2, 4]


@pytest.mark.slow
def test_a_damaged_version_is_left_out_of_the_report(make_project: Callable[[str], ReportedProject]) -> None:
    project = make_project(CLASSES)
    snapshot = project.annotate(range(1, 31))
    damaged_version = project.train(snapshot)
    project.train(project.annotate(range(1, 41)))
    for file in project.services.registry.path(project.id, damaged_version).rglob("*.safetensors"):
        file.write_bytes(b"damaged")
    report = project.report(project.annotate(range(1, 41)))
    assert [each.number for each in report.controls[0].versions] == [1, 3]


@pytest.mark.slow
def test_images_that_a_version_was_trained_on_are_not_scored(make_project: Callable[[str], ReportedProject]) -> None:
    project = make_project(CLASSES)
    snapshot = project.annotate(range(1, 61))
    project.train(snapshot)
    before = project.report(snapshot)
    ground_truth = [annotation for annotation in snapshot.annotations if annotation.task_id <= 4]
    after = project.report(project.mark_ground_truth(snapshot, {annotation.task_id for annotation in ground_truth}))
    held_out_later = after.held_out - before.held_out
    assert held_out_later > 0
    assert after.controls[0].held_out == after.held_out - held_out_later
