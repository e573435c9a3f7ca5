"""Jobs on a Ray cluster: each one once, in any order, and an error message if a cluster cannot be used."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.cluster.ray_cluster import ClusterError, open_cluster
from backend.cluster.retries import MOST_RETRIES

DEADLINE_S = 60.0


@pytest.fixture
def worker() -> type[Any]:
    """Return a class that adds a job to a given number; it is defined here so that Ray sends it by value."""

    class Adder:
        def __init__(self, argument: int) -> None:
            self.argument = argument

        def work(self, job: int) -> int:
            if job < 0:
                raise KeyError("no negative jobs")
            return self.argument + job

    return Adder


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Yield a port that is bound but does not listen."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield int(listener.getsockname()[1])


@pytest.mark.usefixtures("ray_cluster")
def test_every_job_is_done_once(worker: type[Any]) -> None:
    with open_cluster(None) as cluster:
        assert sorted(cluster.map(worker, 100, range(7))) == list(range(100, 107))


@pytest.mark.usefixtures("ray_cluster")
def test_without_jobs_no_result_is_returned(worker: type[Any]) -> None:
    with open_cluster(None) as cluster:
        assert list(cluster.map(worker, 100, ())) == []


@pytest.mark.usefixtures("ray_cluster")
def test_jobs_are_read_when_a_worker_is_free(worker: type[Any]) -> None:
    jobs_taken = []

    def jobs() -> Iterator[int]:
        for number in range(1000):
            jobs_taken.append(number)
            yield number

    with open_cluster(None) as cluster:
        results = cluster.map(worker, 0, jobs())
        next(results)
        assert len(jobs_taken) <= 2 * cluster.cores + 1
        results.close()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("ray_cluster")
def test_the_exception_of_a_job_is_raised_unchanged(worker: type[Any]) -> None:
    with open_cluster(None) as cluster, pytest.raises(KeyError, match="no negative jobs"):
        list(cluster.map(worker, 0, [-1]))


@pytest.mark.usefixtures("ray_cluster")
def test_dead_workers_are_replaced_and_their_jobs_repeated(tmp_path: Path) -> None:
    class DiesOfEveryThirdJobOnce:
        def __init__(self, argument: str) -> None:
            self.traces = Path(argument)

        def work(self, job: int) -> int:
            trace = self.traces / str(job)
            if job % 3 == 0 and not trace.exists():
                trace.touch()
                os._exit(1)
            return job

    with open_cluster(None) as cluster:
        assert sorted(cluster.map(DiesOfEveryThirdJobOnce, str(tmp_path), range(24))) == list(range(24))
    assert len(list(tmp_path.iterdir())) == 8  # more deaths of workers than the retries of one job


@pytest.mark.usefixtures("ray_cluster")
def test_a_job_that_kills_its_workers_raises_an_error(tmp_path: Path) -> None:
    class Dies:
        def __init__(self, argument: str) -> None:
            self.traces = Path(argument)

        def work(self, job: int) -> int:
            (self.traces / str(os.getpid())).touch()
            os._exit(1)

    with open_cluster(None) as cluster, pytest.raises(ClusterError, match="a worker of the Ray cluster died"):
        list(cluster.map(Dies, str(tmp_path), [1]))
    assert len(list(tmp_path.iterdir())) == 1 + MOST_RETRIES


MACHINES_LEAVE = """
import threading, time
import ray
from ray.cluster_utils import Cluster
from backend.cluster.ray_cluster import open_cluster

machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
ray.init(machines.address, log_to_driver=False, configure_logging=False)

class Slow:
    def __init__(self, argument):
        pass
    def work(self, job):
        time.sleep(2)
        return job

def jobs(leaving, how):
    # The machine leaves when each has one of the last two jobs: the other's worker must take up both.
    yield 0
    threading.Timer(1, lambda: machines.remove_node(leaving, allow_graceful=how)).start()
    yield 1

for how in (True, False):
    leaving = machines.add_node(num_cpus=1)
    machines.wait_for_nodes()
    while ray.available_resources().get("CPU") != 2:  # those of the time before let go of theirs
        time.sleep(0.1)
    with open_cluster(None) as cluster:
        print("done:", cluster.cores, sorted(cluster.map(Slow, None, jobs(leaving, how))), flush=True)
ray.shutdown()
machines.shutdown()
"""


@pytest.mark.slow
def test_the_work_continues_after_a_machine_has_left_the_cluster() -> None:
    """Run in a separate process, with a cluster of two machines that this process is not connected to."""
    lines = [
        line for line in run_in_process(MACHINES_LEAVE).splitlines() if line.startswith("done:")
    ]  # Ray logs the failure too
    assert lines == ["done: 2 [0, 1]"] * 2


def run_in_process(script: str, **environment: str) -> str:
    """Run Python in a process that is not connected to a cluster, and return its output."""
    process = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | environment, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


REFUSED = """
from backend.cluster.ray_cluster import ClusterError, open_cluster
try:
    with open_cluster({address!r}):
        pass
except ClusterError as error:
    print(error)
"""


@pytest.mark.slow
def test_an_address_without_an_answer_is_rejected_without_delay(silent_port: int) -> None:
    began = time.monotonic()
    message = run_in_process(REFUSED.format(address=f"127.0.0.1:{silent_port}"))
    assert message.startswith(f"no Ray cluster answers at 127.0.0.1:{silent_port}")
    assert len(message.splitlines()) == 1
    assert time.monotonic() - began < 20


@pytest.mark.slow
@pytest.mark.parametrize("address", ["nonsense", "ray://host:port", ":6379"])
def test_an_invalid_address_is_rejected_in_one_sentence(address: str) -> None:
    assert "host:port of its head node" in run_in_process(REFUSED.format(address=address))


def test_a_missing_extra_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ModuleNotFoundError('no ray here')")
    message = run_in_process(REFUSED.format(address=None), PYTHONPATH=str(tmp_path))
    assert message == "--engine ray needs Ray, which is not installed here: pip install 'galaxyloop[ray]'"


def test_a_process_connects_to_a_cluster_by_its_address(ray_cluster: str, worker: Callable[..., Any]) -> None:
    script = "from backend.cluster.ray_cluster import open_cluster\n"
    script += f"with open_cluster({ray_cluster!r}) as cluster: print(cluster.cores)"
    assert run_in_process(script) == "2"


@pytest.mark.slow
def test_ray_is_imported_only_when_a_cluster_is_opened() -> None:
    modules = "backend.cli.app, backend.prelabel.project, backend.survey.run"
    assert run_in_process(f"import sys, {modules}; print('ray' in sys.modules)") == "False"
