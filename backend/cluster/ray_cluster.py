"""Jobs on a Ray cluster, with one worker per free core; a worker gets its next job when it has finished one.

Workers are actors; Ray Data is not used: a job takes seconds and returns a few megabytes, no step shuffles or fuses data, and
only the calling process writes. Only this module imports Ray, and only when it opens a cluster.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from backend.cluster.retries import Attempt, RetryQueue

__all__ = ["Cluster", "ClusterError", "Worker", "open_cluster"]

ANSWER_WITHIN_S = 5.0
MOST_FAILED_STARTS = 3
"""Largest number of replaced workers that failed to start; workers that died with a job are replaced without this limit."""
CHECK_EVERY_S = 10.0
NO_CORE_S = 600.0
"""Longest time that a cluster may have no core at all, for example while machines are started."""

Job = TypeVar("Job", contravariant=True)
Result = TypeVar("Result", covariant=True)


class ClusterError(RuntimeError):
    """A cluster cannot be used, or its workers died; the message is one sentence."""


class Worker(Protocol, Generic[Job, Result]):
    """An object in a process of the cluster that runs jobs one after the other."""

    def work(self, job: Job) -> Result:
        """Run one job and return its result."""


class Cluster:
    """A connection to a cluster.

    Attributes
    ----------
    cores : int
        Number of free cores when the cluster was opened, and of workers that `map` starts.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self.cores = max(1, int(ray.available_resources().get("CPU", 0)))

    def map(self, worker: type[Worker[Job, Result]], argument: object, jobs: Iterable[Job]) -> Iterator[Result]:
        """Run jobs; yield their results as they are finished, in any order.

        Parameters
        ----------
        worker : type
            Called with `argument` once per core, in a process of the cluster.
        argument : object
            Argument of `worker`, sent once to each machine.
        jobs : iterable
            Read when a worker is free, so it may be endless.

        Raises
        ------
        ClusterError
            If workers cannot start, if `MOST_RETRIES` + 1 workers died with the same job, or if no machine is left.
        Exception
            The exception that a job raised.
        """
        run = _Run(self._ray, worker, argument, RetryQueue(jobs))
        try:
            run.start_workers(self.cores)
            yield from run.results()
        finally:
            run.release()


class _Run:
    """The actors of one call of `Cluster.map`, by the Ray reference of their start or of their current job.

    Only `_starting` and `_working` refer to actors: Ray ends an actor without references, and an idle actor with a reference
    would occupy the core of its replacement. An actor gets its first job when it is ready, since on a busy cluster some actors
    may never start.
    """

    def __init__(self, ray: Any, worker: type[Worker[Any, Any]], argument: object, queue: RetryQueue) -> None:
        self._ray = ray
        # Ray would repeat a job on the same worker within seconds, and count failures over the worker's life. Its retries are
        # therefore disabled, and `RetryQueue` assigns lost jobs to other workers.
        self._actor_class = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        self._worker_and_argument = ray.put((worker, argument))
        self._queue = queue
        self._starting: dict[Any, Any] = {}
        self._working: dict[Any, tuple[Any, Attempt]] = {}
        self._failed_starts = 0

    def start_workers(self, count: int) -> None:
        for actor in [self._actor_class.remote() for _ in range(count)]:
            self._starting[actor.__ray_ready__.remote()] = actor

    def results(self) -> Iterator[Any]:
        while self._working or self._starting:
            reference = self._wait()
            if reference in self._starting:
                self._finish_start(reference)
            else:
                yield from self._finish_job(reference)

    def release(self) -> None:
        """Remove the references to the actors, which Ray ends when their jobs are done; killing them would print messages."""
        self._starting.clear()
        self._working.clear()

    def _finish_start(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        try:
            self._result(reference)
        except ClusterError:
            self._failed_starts += 1
            if self._failed_starts <= MOST_FAILED_STARTS:
                self.start_workers(1)
            elif not self._working and not self._starting:
                raise
        else:
            self._assign_job(actor)

    def _finish_job(self, reference: Any) -> Iterator[Any]:
        """Yield the result of a job, unless its worker died and another one repeats it."""
        actor, attempt = self._working.pop(reference)
        try:
            result = self._result(reference)
        except ClusterError:
            del actor
            if not self._queue.return_job(attempt):
                raise
            self.start_workers(1)
            return
        self._assign_job(actor)
        del actor
        yield result

    def _assign_job(self, actor: Any) -> None:
        attempt = self._queue.take()
        if attempt is None:
            self._starting.clear()  # no jobs are left
        else:
            self._working[actor.work.remote([self._worker_and_argument], attempt.job)] = actor, attempt

    def _wait(self) -> Any:
        """Return the reference of the next actor that is ready or done; without cores, wait at most `NO_CORE_S`."""
        since = time.monotonic()
        while True:
            ready_jobs, _ = self._ray.wait([*self._working, *self._starting], num_returns=1, timeout=CHECK_EVERY_S)
            if ready_jobs:
                return ready_jobs[0]
            if self._working or self._ray.cluster_resources().get("CPU", 0) >= 1:
                since = time.monotonic()
            elif time.monotonic() - since >= NO_CORE_S:
                raise ClusterError(f"the Ray cluster has had no core to work on for {NO_CORE_S / 60:.0f} minutes")

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, self._ray.exceptions.RayError):  # Ray could not deliver the job's arguments
                raise _worker_error(error.cause) from error
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise _worker_error(error) from error


def _worker_error(error: Exception) -> ClusterError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ClusterError(f"a worker of the Ray cluster died: {lines[-1]}")


class _Actor:
    """The actor that Ray starts; it creates its worker with the first job."""

    def __init__(self) -> None:
        self._worker: Any = None

    def work(self, worker_parts: list[Any], job: Any) -> Any:
        """Run a job; `worker_parts` holds a Ray reference to the worker's class and its argument."""
        if self._worker is None:
            import ray

            worker_class, argument = ray.get(worker_parts[0])
            self._worker = worker_class(argument)
        return self._worker.work(job)


@contextmanager
def open_cluster(address: str | None) -> Iterator[Cluster]:
    """Connect to a cluster, or start one with all cores of this machine, until the block ends.

    Parameters
    ----------
    address : str or None
        Address of the head node, `host:port`; None starts a local cluster. An existing connection of this process is used in
        both cases.

    Raises
    ------
    ClusterError
        If Ray is not installed, or the cluster cannot be reached or used.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would send usage statistics
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ClusterError("--engine ray needs Ray, which is not installed here: pip install 'galaxyloop[ray]'") from error
    if ray.is_initialized():
        yield Cluster(ray)
        return
    if address is not None:
        _check_address(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    try:
        ray.init(address, **quiet) if address is not None else ray.init("local", include_dashboard=False, **quiet)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        hint = "" if address is None else "; one that asks for a token needs RAY_AUTH_MODE=token and ~/.ray/auth_token here too"
        reason = str(error).splitlines()[0]
        raise ClusterError(f"the Ray cluster at {address or 'this machine'} cannot be used: {reason}{hint}") from error
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Check that a server listens at the address, since Ray would try to connect for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(f"a Ray cluster's address is host:port of its head node, such as 10.0.0.7:6379, not {address!r}")
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_WITHIN_S):
            pass
    except (OSError, OverflowError) as error:
        raise ClusterError(f"no Ray cluster answers at {address}: {error}") from error
