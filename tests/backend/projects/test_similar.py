"""Requests for similar galaxies."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from backend.projects.similar import SimilarError, clear_similar, embeddings_of_chosen, request_similar
from backend.registry.records import RegistryError
from backend.registry.task_queues import SimilarRequest, TaskQueues
from backend.services import Services
from tests.small_label_studio import PROJECT, SmallLabelStudio, running

CHOICES = """<View><Image name="image" value="$image"/>
<Choices name="morphology" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>"""


@pytest.fixture
def label_studio() -> Iterator[SmallLabelStudio]:
    with running(CHOICES) as server:
        yield server


@pytest.fixture
def known_project(label_studio: SmallLabelStudio, open_services: Callable[..., Services]) -> Services:
    """Return services with project 7, whose task 1 has an embedding and whose task 2 has none."""
    services = open_services(label_studio_url=label_studio.url)
    services.registry.register_project(PROJECT, label_config=CHOICES, extra_params=None)
    label_studio.add_task(1)
    label_studio.add_task(2)
    return services


@pytest.fixture
def predicted_project(known_project: Services, label_studio: SmallLabelStudio, png: Callable[..., bytes]) -> Services:
    path = f"/data/upload/{PROJECT}/1.png"
    label_studio.files[path] = png()
    known_project.predictors.extractor.extract_features([path], embed=True)
    return known_project


def test_a_request_is_stored_and_marks_the_project(predicted_project: Services) -> None:
    request_similar(predicted_project, PROJECT, [1, 1], limit=20)
    queues = TaskQueues(predicted_project.engine)
    assert queues.request(PROJECT) == SimilarRequest((1,), 20)
    assert PROJECT in predicted_project.pending_events.pending()
    assert clear_similar(predicted_project, PROJECT)
    assert queues.request(PROJECT) is None
    assert not clear_similar(predicted_project, PROJECT)


def test_the_embeddings_of_chosen_tasks_are_read_from_the_cache(
    predicted_project: Services, label_studio: SmallLabelStudio
) -> None:
    label_studio.requests.clear()
    assert embeddings_of_chosen(predicted_project, PROJECT, [1]).shape == (1, predicted_project.predictors.extractor.dimension)
    assert set(label_studio.requests) == {"GET /api/tasks/"}


def test_a_task_without_an_embedding_is_named(predicted_project: Services) -> None:
    with pytest.raises(SimilarError, match="task 2 of project 7 has no embedding: the worker has not predicted it yet"):
        request_similar(predicted_project, PROJECT, [1, 2])


def test_a_task_that_does_not_exist_is_named(known_project: Services) -> None:
    with pytest.raises(SimilarError, match="project 7 has no task 98, 99"):
        request_similar(known_project, PROJECT, [1, 99, 98])


def test_an_unknown_project_is_named(known_project: Services) -> None:
    with pytest.raises(RegistryError, match="project 8 is not registered here"):
        request_similar(known_project, 8, [1])
    with pytest.raises(RegistryError, match="project 8 is not registered here"):
        clear_similar(known_project, 8)


@pytest.mark.parametrize("limit", [0, 501])
def test_the_limit_is_bounded(known_project: Services, limit: int) -> None:
    with pytest.raises(SimilarError, match=f"the limit is {limit}: give a number of tasks from 1 to 500"):
        request_similar(known_project, PROJECT, [1], limit=limit)


def test_a_config_without_a_predicted_control_is_named(known_project: Services) -> None:
    known_project.registry.register_project(PROJECT, label_config="<View/>", extra_params=None)
    with pytest.raises(SimilarError, match="has no control that galaxyloop predicts"):
        embeddings_of_chosen(known_project, PROJECT, [1])
