"""Run a survey: plan it, make the parts that are missing, here or on a Ray cluster, and write each as it comes.

Only this process writes, so a cluster needs no shared folder for what comes out; what goes in is read by the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.annotators import BASE_DETECTOR, BASE_MORPHOLOGY
from backend.cache import key_of
from backend.carried import CarriedVersion
from backend.cluster import open_cluster
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from backend.records import config_hash
from backend.segmenters import BASE_SEGMENTER
from backend.survey.folder import SurveyFolder, open_folder
from backend.survey.plan import cut_into_parts
from backend.survey.predictor import Given, Job, Part, SurveyWorker
from sync.sources.collection import Collection

__all__ = ["Opening", "Surveyed", "Wanted", "here", "on_ray", "run_survey"]

Engine = Callable[[Iterable[Job]], Iterator[Part]]
Opening = Callable[[Given], AbstractContextManager[Engine]]
"""Opens what makes parts, in any order."""
Watch = Callable[[Iterator[Part], SurveyFolder, int], Iterator[Part]]
"""Gives parts on, under a bar; the number is that of the images of parts that are there already."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A survey.

    Attributes
    ----------
    input : str
        A folder, a pattern, a file, or `s3://…`: see `Collection.find`.
    output : Path
    version : CarriedVersion
        What predicts.
    part_images : int
    """

    input: str
    output: Path
    version: CarriedVersion
    part_images: int


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What stands in the folder now.

    Attributes
    ----------
    parts, images : int
        All of them.
    made : int
        Images that this run looked at; the others were there.
    unreadable : int
        Of those: rows with an error.
    """

    parts: int
    images: int
    made: int
    unreadable: int


@contextmanager
def here(given: Given) -> Iterator[Engine]:
    """Make parts in this process, one after the other."""
    worker = SurveyWorker(given)
    yield lambda jobs: map(worker.work, jobs)


def on_ray(address: str | None) -> Opening:
    """Make parts on the Ray cluster at `address`; None starts one on this machine."""

    @contextmanager
    def opening(given: Given) -> Iterator[Engine]:
        with open_cluster(address) as cluster:
            yield lambda jobs: cluster.map(SurveyWorker, given, jobs)

    return opening


def run_survey(wanted: Wanted, *, opening: Opening, watch: Watch) -> Surveyed:
    """Make the parts that the folder lacks.

    Raises
    ------
    SurveyError
        If the folder is another run's.
    SourceError
        If there are no images, or what they come from fails: run it again, and it goes on.
    ClusterError
        If the cluster cannot be used.
    ValueError
        If the labelling config has nothing to fill.
    """
    run = _describe(wanted)
    found = Collection(max_bytes=wanted.version.settings.image_max_bytes).find(wanted.input)
    made = unreadable = 0
    with open_folder(wanted.output, run, cut_into_parts(found, images=wanted.part_images)) as folder:
        done = folder.done()
        # Only the last part may be smaller, and a survey with that one done and others not is none that we made.
        known = min(len(done) * wanted.part_images, folder.images)
        if len(done) < folder.parts:
            jobs = (Job(number, tuple(spans)) for number, spans in folder.waiting(done))
            with opening((wanted.version, Path.cwd(), run)) as make:
                for part in watch(make(jobs), folder, known):
                    folder.put(part.number, part.content)
                    made += part.images
                    unreadable += part.unreadable
        return Surveyed(folder.parts, folder.images, made, unreadable)


def _describe(wanted: Wanted) -> dict[str, Any]:
    """All that decides what stands in the parts."""
    version = wanted.version
    shipped = (file for place in (BASE_DETECTOR, BASE_MORPHOLOGY, BASE_SEGMENTER) for file in sorted(place.rglob("*")))
    contents = [
        *(version.files[name] for name in sorted(version.files)),
        *(one.read_bytes() for one in shipped if one.is_file()),
    ]
    return {
        "input": wanted.input,
        "version": version.name,
        "labelling_config": config_hash(version.label_config),
        "heads": key_of(*contents),
        "encoder": fingerprint(SHIPPED_CHECKPOINT),
        "sam_checkpoint": str(version.settings.sam_checkpoint or ""),
        "images_a_part": wanted.part_images,
    }
