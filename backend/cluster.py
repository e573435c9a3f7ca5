"""A Ray cluster as a place to work: one worker a free core, each with its own encoder, and jobs handed out as they finish.

Plain actors, not Ray Data: a job is seconds of work with a result of some megabytes, so there is nothing to shuffle or to fuse,
and the machine that asks is the only one that writes. Ray is imported only here, and only when a cluster is opened.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Cluster", "ClusterError", "Worker", "open_cluster"]

ANSWER_WITHIN_S = 5.0
RESTARTS = 3
"""How often a worker that died, as when its machine ran out of memory, is started again, and its job with it."""

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
            If a worker cannot start, or dies again and again.
        Exception
            Whatever a job raises.
        """
        ray = self._ray
        actor_class = ray.remote(num_cpus=1, max_restarts=RESTARTS, max_task_retries=RESTARTS)(_Actor)
        shared = ray.put((worker, given))
        actors = [actor_class.remote() for _ in range(self.cores)]
        # A worker gets its first job when it is ready: on a busy cluster some may never be.
        waiting: dict[Any, Any] = {actor.__ray_ready__.options(max_task_retries=0).remote(): actor for actor in actors}
        working: dict[Any, Any] = {}
        remaining = iter(jobs)
        actor: Any = None
        more = True
        try:
            while working or (more and waiting):
                (reference,), _ = ray.wait([*working, *(waiting if more else ())], num_returns=1)
                done = reference in working
                actor = working.pop(reference) if done else waiting.pop(reference)
                result = self._result(reference)
                for job in remaining:
                    working[actor.work.remote([shared], job)] = actor
                    break
                else:
                    more = False
                if done:
                    yield result
        finally:
            # Ray ends an actor that nobody holds, when its job is done; killed, it would say so among what we say.
            actor = None
            for held in (actors, waiting, working):
                held.clear()

    def _result(self, reference: Any) -> Any:
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except self._ray.exceptions.RayError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise ClusterError(f"a worker of the Ray cluster died: {lines[-1]}") from error


class _Actor:
    """What Ray starts, and starts again where it died: it makes its worker with the first job."""

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
