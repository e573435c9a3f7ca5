"""A Ray cluster as a place to work: one worker a free core, each with its own encoder, and jobs handed out as they finish.

Plain actors, not Ray Data: a job is seconds of work with a result of some megabytes, so there is nothing to shuffle or to fuse,
and the machine that asks is the only one that writes. Ray is imported only here, and only when a cluster is opened.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from backend.cluster.retries import Attempt, JobQueue

__all__ = ["Cluster", "ClusterError", "Worker", "open_cluster"]

ANSWER_WITHIN_S = 5.0
REPLACED = 3
"""So many workers that cannot start are replaced; those that died with a job always are."""
LOOK_EVERY_S = 10.0
LEFT_ALONE_S = 600.0
"""So long a cluster may have no core at all, as while further machines are started."""

Job = TypeVar("Job", contravariant=True)
Result = TypeVar("Result", covariant=True)


class ClusterError(RuntimeError):
    """A cluster that cannot be used, or whose workers died; the message is one sentence."""


class Worker(Protocol, Generic[Job, Result]):
    """What lives in a process of the cluster and does one job after the other."""

    def work(self, job: Job) -> Result:
        """Do one job."""


class Cluster:
    """A cluster that is connected to.

    Attributes
    ----------
    cores : int
        Free cores when it was opened: so many workers it gets.
    """

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self.cores = max(1, int(ray.available_resources().get("CPU", 0)))

    def map(self, worker: type[Worker[Job, Result]], given: object, jobs: Iterable[Job]) -> Iterator[Result]:
        """Do jobs; results come as they are done, in any order.

        Parameters
        ----------
        worker : type
            Made once a core, of `given`, in a process there.
        given : object
            Travels once to each machine.
        jobs : iterable
            Taken one by one, when a worker is free: it may be endless and hold nothing.

        Raises
        ------
        ClusterError
            If workers cannot start, the fourth dies with the same job, or no machine is left.
        Exception
            Whatever a job raises.
        """
        ray = self._ray
        # Ray itself would repeat a job on the same worker, within seconds, and count over the worker's life: so nothing is left
        # to it, and whatever is lost is given to another worker here.
        actor_class = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(_Actor)
        shared = ray.put((worker, given))
        queue = JobQueue(jobs)
        # Actors are held in these two alone: one that is held and has nothing to do keeps its core from another's replacement.
        # A worker gets its first job when it is ready: on a busy cluster some may never be.
        waiting: dict[Any, Any] = {}
        working: dict[Any, tuple[Any, Attempt]] = {}
        unstarted = 0
        actor: Any = None
        attempt: Attempt | None

        def hire(count: int) -> None:
            for hired in [actor_class.remote() for _ in range(count)]:
                waiting[hired.__ray_ready__.remote()] = hired

        try:
            hire(self.cores)
            while working or waiting:
                reference = self._first_of([*working, *waiting], alone=not working)
                actor, attempt = working.pop(reference) if reference in working else (waiting.pop(reference), None)
                try:
                    result = self._result(reference)
                except ClusterError:
                    actor = None
                    unstarted += attempt is None
                    if attempt is not None and not queue.give_back(attempt):
                        raise
                    if attempt is not None or unstarted <= REPLACED:
                        hire(1)
                    elif not working and not waiting:
                        raise
                    continue
                coming = queue.take()
                if coming is None:
                    actor = None
                    waiting.clear()
                else:
                    working[actor.work.remote([shared], coming.job)] = actor, coming
                if attempt is not None:
                    yield result
        finally:
            # Ray ends an actor that nobody holds, when its job is done; killed, it would say so among what we say.
            actor = None
            waiting.clear()
            working.clear()

    def _first_of(self, references: list[Any], *, alone: bool) -> Any:
        """Wait for the first of what is under way; where nobody works (`alone`), not for a cluster without machines."""
        since = time.monotonic()
        while True:
            done, _ = self._ray.wait(references, num_returns=1, timeout=LOOK_EVERY_S)
            if done:
                return done[0]
            if not alone or self._ray.cluster_resources().get("CPU", 0) >= 1:
                since = time.monotonic()
            elif time.monotonic() - since >= LEFT_ALONE_S:
                raise ClusterError(f"the Ray cluster has had no core to work on for {LEFT_ALONE_S / 60:.0f} minutes")

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, self._ray.exceptions.RayError):  # what it was given did not reach it
                raise _death(error.cause) from error
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            raise _death(error) from error


def _death(error: Exception) -> ClusterError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return ClusterError(f"a worker of the Ray cluster died: {lines[-1]}")


class _Actor:
    """What Ray starts: it makes its worker with the first job."""

    def __init__(self) -> None:
        self._worker: Any = None

    def work(self, shared: list[Any], job: Any) -> Any:
        """Do a job; the reference in `shared` leads to the worker's class and to what it is made of."""
        if self._worker is None:
            import ray

            made, given = ray.get(shared[0])
            self._worker = made(given)
        return self._worker.work(job)


@contextmanager
def open_cluster(address: str | None) -> Iterator[Cluster]:
    """Connect to a cluster, or start one on this machine, with all its cores, for as long as the block runs.

    Parameters
    ----------
    address : str or None
        Of the head node, `host:port`; None starts one here, or takes the one that this process is connected to.

    Raises
    ------
    ClusterError
        If Ray is not installed, or nothing answers at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    try:
        import ray
    except ModuleNotFoundError as error:
        raise ClusterError("--engine ray needs Ray, which is not installed here: pip install 'galaxyloop[ray]'") from error
    if ray.is_initialized():
        yield Cluster(ray)
        return
    if address is not None:
        _knock(address)
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


def _knock(address: str) -> None:
    """See whether anything listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(f"a Ray cluster's address is host:port of its head node, such as 10.0.0.7:6379, not {address!r}")
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_WITHIN_S):
            pass
    except (OSError, OverflowError) as error:
        raise ClusterError(f"no Ray cluster answers at {address}: {error}") from error
