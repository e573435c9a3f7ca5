"""The services of one process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from backend.services import Services


@pytest.fixture
def with_project(services: Services) -> Services:
    services.registry.register_project(7, label_config="<View/>", extra_params=None)
    return services


def test_a_marked_project_is_queued_once(with_project: Services) -> None:
    with_project.mark([7])
    with_project.mark([7])
    assert with_project.queue.list_queued() == {7}
    assert set(with_project.pending_events.pending()) == {7}


def test_a_new_project_and_a_new_config_are_marked(services: Services) -> None:
    services.register_project(7, label_config="<View/>", extra_params=None)
    first = services.pending_events.pending()[7]
    services.pending_events.acknowledge(7, first)
    services.register_project(7, label_config="<View/>", extra_params={"batch": 3})
    assert services.pending_events.pending() == {}
    services.register_project(7, label_config="<View><Header/></View>", extra_params=None)
    assert set(services.pending_events.pending()) == {7}


def test_a_command_needs_no_debounce(with_project: Services) -> None:
    with_project.mark_now(7)
    events = with_project.pending_events.pending()[7]
    assert events.ready_at(debounce_s=60, patience_s=60) < with_project.pending_events.read_time()


def test_a_requested_training_is_recorded_and_queued(with_project: Services) -> None:
    with_project.request_training(7)
    assert with_project.registry.project(7).training_requested_at is not None
    assert with_project.queue.list_queued() == {7}


def test_opening_creates_the_data_folder(open_services: Callable[..., Services]) -> None:
    services = open_services()
    assert (services.settings.data_dir / "galaxyloop.db").is_file()


def test_the_client_uses_the_address_of_the_settings(services: Services) -> None:
    assert services.label_studio.url == services.settings.label_studio_url
