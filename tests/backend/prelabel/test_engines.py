"""The engine of this process and a worker of a cluster give the same predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backend.cluster.version_bundle import bundle_version
from backend.prediction.predictor import CHUNK, PredictionTask
from backend.prelabel.engines import TaskWorker, local_engine
from backend.services import Services

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="morphology" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>"""


def test_a_cluster_worker_predicts_the_same_as_this_process(
    predicting: Services, files: Any, png: Callable[..., bytes]
) -> None:
    project = predicting.registry.register_project(701, label_config=CONFIG, extra_params=None)
    tasks = [
        PredictionTask(1, {"image": files.put("/data/upload/701/1.png", png())}),
        PredictionTask(2, {"image": "/data/upload/701/missing.png"}),
    ]
    with local_engine(predicting, project) as engine:
        (local,) = engine(tasks)
    bundle = bundle_version(None, name=project.live_name, label_config=CONFIG, settings=predicting.settings)
    remote = TaskWorker(bundle).work(tasks)
    assert [task.id for task, _ in remote] == [1, 2]
    assert [(prediction.score, prediction.model_version, prediction.problem) for _, prediction in remote] == [
        (prediction.score, prediction.model_version, prediction.problem) for _, prediction in local
    ]
    assert remote[0][1].result[0]["value"] == local[0][1].result[0]["value"]
    assert "missing.png" in remote[1][1].problem


def test_tasks_are_predicted_in_batches(predicting: Services) -> None:
    project = predicting.registry.register_project(702, label_config=CONFIG, extra_params=None)
    tasks = [PredictionTask(number, {"image": "/data/upload/702/missing.png"}) for number in range(CHUNK + 1)]
    with local_engine(predicting, project) as engine:
        assert [len(batch) for batch in engine(tasks)] == [CHUNK, 1]
