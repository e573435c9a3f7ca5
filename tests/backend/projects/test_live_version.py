"""A user makes a version live, pins it and removes the pin."""

from __future__ import annotations

import pytest

from backend.projects.live_version import DamagedVersionError, make_live, pin, unpin
from backend.registry.records import Project, RegistryError
from backend.services import Services

CONFIG = "<View/>"
PROJECT = 7


@pytest.fixture
def project(services: Services) -> Services:
    """Return services with project 7: version 1 is the base version, 2 is retired, 3 is live."""
    services.registry.register_project(PROJECT, label_config=CONFIG, extra_params=None)
    for _ in range(2):
        writing = services.registry.create_version(PROJECT, label_config=CONFIG, fingerprint="f", learned_from=9)
        with writing as (folder, number):
            (folder / "heads.json").write_text("{}")
        services.registry.promote(PROJECT, number)
    return services


def known_project(services: Services) -> Project:
    return services.registry.project(PROJECT)


def test_a_version_goes_live_and_a_cycle_is_requested(project: Services) -> None:
    assert make_live(project, PROJECT, "v0002").number == known_project(project).live_version == 2
    assert set(project.pending_events.pending()) == {PROJECT}


def test_the_live_version_is_pinned(project: Services) -> None:
    assert pin(project, PROJECT).number == 3
    assert known_project(project).pinned


def test_another_version_goes_live_and_is_pinned(project: Services) -> None:
    assert pin(project, PROJECT, "v0002").number == 2
    assert (known_project(project).live_version, known_project(project).pinned) == (2, True)


def test_a_version_that_cannot_go_live_is_not_pinned(project: Services) -> None:
    (project.registry.path(PROJECT, 2) / "heads.json").write_text("damaged")
    with pytest.raises(DamagedVersionError, match="v0002"):
        pin(project, PROJECT, "v0002")
    with pytest.raises(RegistryError, match="v0009"):
        pin(project, PROJECT, "v0009")
    assert (known_project(project).live_version, known_project(project).pinned) == (3, False)


def test_a_failed_pin_keeps_the_earlier_pin(project: Services) -> None:
    pin(project, PROJECT)
    with pytest.raises(RegistryError, match="v0009"):
        pin(project, PROJECT, "v0009")
    assert known_project(project).pinned


def test_a_rollback_moves_the_pin(project: Services) -> None:
    pin(project, PROJECT)
    make_live(project, PROJECT, "v0001")
    assert (known_project(project).live_version, known_project(project).pinned) == (1, True)


def test_unpin_keeps_the_live_version(project: Services) -> None:
    pin(project, PROJECT)
    assert unpin(project, PROJECT).number == 3
    assert not known_project(project).pinned


def test_an_unknown_project_is_named(services: Services) -> None:
    for act in (pin, unpin):
        with pytest.raises(RegistryError, match="project 99"):
            act(services, 99)
    with pytest.raises(RegistryError, match="project 99"):
        make_live(services, 99, "v0001")
