"""Methods of the pre-labelling benchmark: the command, locally and on Ray, and Label Studio's own action.

Every method starts without cached images or predictions. The worker is stopped, so that it does not publish at the same time;
the server runs, because Label Studio's action sends requests to it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loop.bulk import RETRIEVE
from benchmarks.loop.fixture import LabelStudioFixture
from sync.label_studio.client import LabelStudioClient

__all__ = ["LOCAL", "RAY", "RETRIEVE_ACTION", "SURVEY", "Measured", "measure_projects", "measure_surveys", "open_ray"]

LOCAL, RAY, SURVEY = "galaxyloop prelabel", "galaxyloop prelabel --engine ray", "galaxyloop survey"
RETRIEVE_ACTION = "Label Studio's Retrieve Predictions"
ACTION_WITHIN_S = 900.0
CLUSTER = """
import sys, ray
ray.init("local", num_cpus=int(sys.argv[1]), include_dashboard=False, log_to_driver=False, configure_logging=False)
print(ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of one method.

    Attributes
    ----------
    workers : int or None
        Number of workers of the cluster; None without a cluster.
    seconds : float
        Duration of the command or the action, with start and loading of models, without the start of the cluster.
    stored : int
        Images with a prediction afterwards.
    """

    method: str
    workers: int | None
    config: str
    images: int
    seconds: float
    stored: int


def measure_projects(
    fixture: LabelStudioFixture, config: str, *, tasks: int, clusters: dict[int, str], rounds: int
) -> Iterator[Measured]:
    """Pre-label one project with every method, alternately."""
    settings = fixture.services.settings
    project = fixture.project(f"{config}.xml", tasks=tasks)
    fixture.attach(project)
    with LabelStudioClient(
        settings.label_studio_url, settings.label_studio_api_key.get_secret_value(), timeout_s=ACTION_WITHIN_S
    ) as patient:
        for _ in range(rounds):
            for workers in (None, *clusters):
                _forget(fixture, project)
                words = [str(project), *_engine(clusters, workers)]
                seconds = _run(fixture, ["prelabel", *words])
                method = LOCAL if workers is None else RAY
                yield Measured(method, workers, config, tasks, seconds, fixture.count_stored(project, 1))
            _forget(fixture, project)
            began = time.monotonic()
            all_tasks = {"selectedItems": {"all": True, "excluded": []}, "project": str(project)}
            patient.send("POST", RETRIEVE.format(project), json=all_tasks)
            seconds = time.monotonic() - began
            yield Measured(RETRIEVE_ACTION, None, config, tasks, seconds, fixture.count_stored(project, 1))


def measure_surveys(
    fixture: LabelStudioFixture, config: str, crops: list[Path], *, images: int, clusters: dict[int, str], rounds: int
) -> Iterator[Measured]:
    """Survey a folder of files with every engine, alternately; if there are more images than crops, crops repeat."""
    folder, out = crops[0].parent / f"survey-{images}", crops[0].parent / "survey-out"
    folder.mkdir()
    for number in range(images):
        os.link(crops[number % len(crops)], folder / f"{number:06d}.png")
    # At least four parts per worker, so that workers finish at about the same time.
    size = max(1, images // (4 * max(clusters)))
    for _ in range(rounds):
        for workers in (None, *clusters):
            shutil.rmtree(out, ignore_errors=True)
            words = ["survey", str(folder), "--output", str(out), "--config", config, "--part-images", str(size)]
            seconds = _run(fixture, [*words, *_engine(clusters, workers)])
            yield Measured(SURVEY, workers, config, images, seconds, _rows(out))
    shutil.rmtree(out, ignore_errors=True)


@contextmanager
def open_ray(workers: int) -> Iterator[str]:
    """Start a cluster with `workers` cores on this machine in its own process, and yield its address."""
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            yield holder.stdout.readline().strip()
        finally:
            holder.stdin.close()


def _engine(clusters: dict[int, str], workers: int | None) -> list[str]:
    return [] if workers is None else ["--engine", "ray", "--ray-address", clusters[workers]]


def _run(fixture: LabelStudioFixture, words: list[str]) -> float:
    """Run the command and return its seconds."""
    settings = fixture.services.settings
    environment = os.environ | {
        "LABEL_STUDIO_URL": settings.label_studio_url,
        "LABEL_STUDIO_API_KEY": settings.label_studio_api_key.get_secret_value(),
        "GALAXYLOOP_DATA_DIR": str(settings.data_dir),
        "GALAXYLOOP_PORT": str(settings.port),
        "RAY_AUTH_MODE": "token",  # as in the clusters of `open_ray`; Ray creates the token
    }
    began = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "backend.cli", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"galaxyloop {' '.join(words)} failed: {process.stderr}")
    return seconds


def _forget(fixture: LabelStudioFixture, project: int) -> None:
    """Delete the project's predictions and the cached data of its images."""
    for folder in (fixture.services.settings.cache_dir, fixture.services.settings.data_dir / "maps"):
        shutil.rmtree(folder, ignore_errors=True)
    if fixture.count_stored(project, 1):
        body = {"model_version": fixture.name_of(project, 1)}
        fixture.client.send("DELETE", f"/api/projects/{project}/model-versions/", json=body, repeatable=True)
        fixture.client.send("PATCH", f"/api/projects/{project}/", json=body, repeatable=True)


def _rows(out: Path) -> int:
    import pyarrow.parquet as parquet

    return sum(parquet.ParquetFile(file).metadata.num_rows for file in out.glob("part-*.parquet"))
