"""Prometheus metrics of the server."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from backend.jobs.heartbeat import KINDS, read_processes
from backend.jobs.pending import PendingEvents
from backend.registry.store import Registry
from backend.server.coverage import Coverage
from backend.server.report_metrics import ReportMetrics
from backend.server.worker_metrics import WorkerMetrics

__all__ = ["Metrics"]

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100)


class Metrics:
    """Metrics of one server; none is global, so that several servers in a process, as in tests, count separately."""

    def __init__(self, registry: Registry, pending_events: PendingEvents, coverage: Coverage) -> None:
        self.collectors = CollectorRegistry()
        self.collectors.register(_Projects(registry, pending_events, coverage))
        self.collectors.register(_Processes(registry.engine))
        self.collectors.register(ReportMetrics(registry))
        self.collectors.register(WorkerMetrics(registry))
        self.events = Counter("galaxyloop_events", "Events received, by action.", ["action"], registry=self.collectors)
        self.predictions = Counter("galaxyloop_predictions", "Tasks predicted on request.", registry=self.collectors)
        self.prompts = Counter("galaxyloop_prompts", "Prompts answered.", registry=self.collectors)
        self.seconds = Histogram(
            "galaxyloop_predict_seconds",
            "Time of a request to /predict.",
            ["kind"],
            buckets=SECONDS,
            registry=self.collectors,
        )


class _Projects(Collector):
    """Reads the state of each project from the registry at every scrape."""

    def __init__(self, registry: Registry, pending_events: PendingEvents, coverage: Coverage) -> None:
        self._registry = registry
        self._pending_events = pending_events
        self._coverage = coverage

    def collect(self) -> Iterator[GaugeMetricFamily]:
        live = GaugeMetricFamily("galaxyloop_live_version", "Number of the live version.", labels=["project"])
        pending = GaugeMetricFamily("galaxyloop_events_pending", "1 while events wait for the loop.", labels=["project"])
        wait = GaugeMetricFamily("galaxyloop_events_wait_seconds", "Time that events wait for the loop.", labels=["project"])
        lacking = GaugeMetricFamily(
            "galaxyloop_tasks_without_prediction",
            "Tasks still to do without a prediction of the live version; absent while Label Studio does not answer.",
            labels=["project"],
        )
        waiting_s = self._pending_events.waiting_s()
        for project in self._registry.projects():
            labels = [str(project.id)]
            live.add_metric(labels, project.live_version)
            pending.add_metric(labels, float(project.id in waiting_s))
            wait.add_metric(labels, waiting_s.get(project.id, 0.0))
            task_count = None if project.away else self._coverage.of(project.id, project.live_name)
            if task_count is not None:
                lacking.add_metric(labels, task_count)
        yield from (live, pending, wait, lacking)


class _Processes(Collector):
    """Reads the running processes from the heartbeats at every scrape."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        alive = GaugeMetricFamily("galaxyloop_processes_alive", "Processes that run and do not hang.", labels=["kind"])
        last_seen = GaugeMetricFamily(
            "galaxyloop_last_seen_seconds",
            "Time since the last heartbeat of any; absent where there was none.",
            labels=["kind"],
        )
        for kind in KINDS:
            processes = read_processes(self._engine, kind)
            alive.add_metric([kind], sum(process.alive for process in processes))
            if processes:
                last_seen.add_metric([kind], min(process.seen_s for process in processes))
        yield from (alive, last_seen)
