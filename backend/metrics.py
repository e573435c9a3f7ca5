"""What the service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from backend.loop.bell import Bell
from backend.registry import Registry

__all__ = ["Metrics"]

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 100)


class Metrics:
    """Counters of one server; nothing is global, so that tests and several servers in a process do not mix."""

    def __init__(self, registry: Registry, bell: Bell) -> None:
        self.exposed = CollectorRegistry()
        self.exposed.register(_Projects(registry, bell))
        self.events = Counter("galaxyloop_events", "Events heard, by action.", ["action"], registry=self.exposed)
        self.predictions = Counter("galaxyloop_predictions", "Tasks predicted on request.", registry=self.exposed)
        self.prompts = Counter("galaxyloop_prompts", "Prompts answered.", registry=self.exposed)
        self.seconds = Histogram(
            "galaxyloop_predict_seconds",
            "Time of a request to /predict.",
            ["kind"],
            buckets=SECONDS,
            registry=self.exposed,
        )


class _Projects(Collector):
    """Reads the state of each project from the registry at every scrape."""

    def __init__(self, registry: Registry, bell: Bell) -> None:
        self._registry = registry
        self._bell = bell

    def collect(self) -> Iterator[GaugeMetricFamily]:
        live = GaugeMetricFamily("galaxyloop_live_version", "Number of the live version.", labels=["project"])
        ringing = GaugeMetricFamily("galaxyloop_bell_ringing", "1 while events wait for the loop.", labels=["project"])
        waiting = self._bell.ringing()
        for project in self._registry.projects():
            live.add_metric([str(project.id)], project.live_version)
            ringing.add_metric([str(project.id)], float(project.id in waiting))
        yield live
        yield ringing
