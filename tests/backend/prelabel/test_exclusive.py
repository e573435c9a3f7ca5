"""Pre-labelling stores only under the lease of the project."""

from __future__ import annotations

import logging
import threading

import pytest

from backend.jobs.lease import hold_lease, holder
from backend.prelabel.errors import PrelabelError
from backend.prelabel.exclusive import exclusive_project
from backend.registry.records import Project
from backend.services import Services


@pytest.fixture
def project(services: Services) -> Project:
    return services.registry.register_project(7, label_config="<View/>", extra_params=None)


def test_the_lease_is_held_in_the_block_and_free_afterwards(services: Services, project: Project) -> None:
    with exclusive_project(services, project):
        assert holder(services.engine, 7) is not None
    assert holder(services.engine, 7) is None


def test_pre_labelling_waits_for_another_process_and_names_it(
    services: Services, project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("backend.prelabel.exclusive.RETRY_S", 0.01)
    is_taken, release = threading.Event(), threading.Event()

    def hold() -> None:
        with hold_lease(services.engine, 7, seconds=30):
            is_taken.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_taken.wait(10)
    threading.Timer(0.1, release.set).start()
    with caplog.at_level(logging.WARNING), exclusive_project(services, project):
        assert release.is_set()
    thread.join()
    assert "project 7 is used by process" in caplog.text
    assert len(caplog.records) == 1


def test_a_new_live_version_raises_an_error(services: Services, project: Project) -> None:
    with services.registry.create_version(7, label_config="<View/>", fingerprint="f", learned_from=1) as (folder, number):
        (folder / "heads.json").write_text("{}")
    services.registry.promote(7, number)
    sentence = r"v0002-\w+ went live while v0001-\w+ predicted: run galaxyloop prelabel 7 again"
    with pytest.raises(PrelabelError, match=sentence), exclusive_project(services, project):
        pass
