"""Publication: first the predictions, then the name, then the pruning."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest

from backend.loop.publication.publish import prune_old, publish
from backend.loop.publication.stored_predictions import StoredPredictions
from backend.services import Services
from sync.label_studio.annotations import read_annotations
from sync.label_studio.attach import NotAttachedError
from sync.label_studio.projects import project_state
from sync.label_studio.tasks import read_tasks
from tests.small_label_studio import PROJECT, SmallLabelStudio

IMPORT = f"POST /api/projects/{PROJECT}/import/predictions"


def run(services: Services) -> int:
    client = services.label_studio
    return publish(
        services,
        services.registry.project(PROJECT),
        project_state(client, PROJECT),
        read_annotations(client, PROJECT),
        tasks=read_tasks(client, PROJECT),
        predictions=StoredPredictions(),
    )


def prune(services: Services, *, lease: threading.Event | None = None) -> int:
    annotations = read_annotations(services.label_studio, PROJECT)
    return prune_old(services, services.registry.project(PROJECT), annotations, lease or threading.Event())


def new_version(services: Services) -> str:
    """Make a version without a head live; return its name."""
    label_config = services.registry.project(PROJECT).label_config
    with services.registry.create_version(PROJECT, label_config=label_config, fingerprint="f", learned_from=1) as (
        folder,
        number,
    ):
        (folder / "heads.json").write_text("{}")
    services.registry.promote(PROJECT, number)
    return services.registry.project(PROJECT).live_name


def test_missing_predictions_are_stored_before_the_backend_is_renamed(
    with_images: Services, label_studio: SmallLabelStudio
) -> None:
    label_studio.backends[1]["title"] = "v0000"
    assert run(with_images) == 3
    requests = label_studio.requests
    assert requests.index(IMPORT) < requests.index("PATCH /api/ml/1")
    assert label_studio.backends[1]["title"] == with_images.registry.project(PROJECT).live_name


def test_a_published_version_is_not_published_again(with_images: Services, label_studio: SmallLabelStudio) -> None:
    run(with_images)
    label_studio.requests.clear()
    assert run(with_images) == 0
    assert not [request for request in label_studio.requests if not request.startswith("GET")]


def test_a_task_with_another_image_keeps_the_id_of_its_prediction(
    with_images: Services, label_studio: SmallLabelStudio
) -> None:
    run(with_images)
    before = label_studio.predictions()
    label_studio.tasks[1]["data"] = label_studio.tasks[2]["data"]
    assert run(with_images) == 1
    assert label_studio.predictions() == before


def test_an_unreadable_image_gets_an_empty_prediction_and_is_retried(
    with_images: Services, label_studio: SmallLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = label_studio.files.pop(f"/data/upload/{PROJECT}/1.png")
    assert run(with_images) == 3
    assert label_studio.tasks[1]["predictions"][0]["result"] == []
    monkeypatch.setattr("backend.loop.publication.outdated.RETRY_FAILED_S", 0.0)
    assert run(with_images) == 0
    label_studio.files[f"/data/upload/{PROJECT}/1.png"] = image
    assert run(with_images) == 1
    assert label_studio.tasks[1]["predictions"][0]["result"] != []


def test_a_version_that_was_rolled_back_meanwhile_is_not_shown(with_images: Services, label_studio: SmallLabelStudio) -> None:
    new_version(with_images)
    stale = with_images.registry.project(PROJECT)
    with_images.registry.promote(PROJECT, 1)
    client = with_images.label_studio
    publish(
        with_images,
        stale,
        project_state(client, PROJECT),
        [],
        tasks=read_tasks(client, PROJECT),
        predictions=StoredPredictions(),
    )
    assert "PATCH /api/ml/1" not in label_studio.requests


def test_a_detached_project_is_an_error(with_images: Services, label_studio: SmallLabelStudio) -> None:
    label_studio.backends.clear()
    with pytest.raises(NotAttachedError):
        run(with_images)


# -- pruning --


@pytest.fixture
def three_versions(with_images: Services, label_studio: SmallLabelStudio) -> list[str]:
    """Return names of three versions, each with a prediction of task 1; the last one is live."""
    names = [with_images.registry.project(PROJECT).live_name, new_version(with_images), new_version(with_images)]
    for name in names:
        label_studio.predict(1, name)
    return names


def versions_of_task_1(label_studio: SmallLabelStudio) -> list[str]:
    return [version for _, version in label_studio.predictions()[1]]


def test_the_live_and_the_previous_version_are_kept(
    with_images: Services, label_studio: SmallLabelStudio, three_versions: list[str]
) -> None:
    assert prune(with_images) == 1
    assert versions_of_task_1(label_studio) == three_versions[1:]


def test_a_recent_annotation_postpones_pruning(
    with_images: Services, label_studio: SmallLabelStudio, three_versions: list[str]
) -> None:
    label_studio.annotate(2, [], updated_at=datetime.now(UTC).isoformat())
    assert prune(with_images) == 0
    assert versions_of_task_1(label_studio) == three_versions


def test_pruning_stops_when_the_lease_is_lost(
    with_images: Services, label_studio: SmallLabelStudio, three_versions: list[str]
) -> None:
    lease = threading.Event()
    lease.set()
    assert prune(with_images, lease=lease) == 0
    assert versions_of_task_1(label_studio) == three_versions
