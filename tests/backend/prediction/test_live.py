"""The predictors in memory: one for each project, that of its live version."""

from __future__ import annotations

import gc
import weakref
from itertools import count

from backend.services import Services

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Calm"/><Choice value="Wild"/></Choices></View>"""
projects = count(8200)


def promote_new_version(services: Services, project: int) -> None:
    with services.registry.create_version(project, label_config=CONFIG, fingerprint="f", learned_from=1) as (folder, number):
        (folder / "heads.json").write_text("{}")
    services.registry.promote(project, number)


def test_the_predictor_of_an_earlier_version_is_freed(predicting: Services) -> None:
    """It holds decoder inputs of recent clicks: the memory of a worker would grow with each version."""
    project = next(projects)
    predicting.registry.register_project(project, label_config=CONFIG, extra_params=None)
    first = predicting.predictors.of(predicting.registry.project(project), label_config=CONFIG)
    assert predicting.predictors.of(predicting.registry.project(project), label_config=CONFIG) is first
    earlier = weakref.ref(first)
    del first
    promote_new_version(predicting, project)
    second = predicting.predictors.of(predicting.registry.project(project), label_config=CONFIG)
    gc.collect()
    assert earlier() is None
    assert second.version == predicting.registry.project(project).live_name


def test_two_projects_have_a_predictor_each(predicting: Services) -> None:
    records = [predicting.registry.register_project(next(projects), label_config=CONFIG, extra_params=None) for _ in range(2)]
    predictors = [predicting.predictors.of(project, label_config=CONFIG) for project in records]
    assert predictors[0] is not predictors[1]
    assert [predicting.predictors.of(project, label_config=CONFIG) for project in records] == predictors
