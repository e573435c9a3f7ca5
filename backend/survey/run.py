"""Run a survey: plan it, make the parts that are missing, here or on a Ray cluster, and write each as it comes.

Only this process writes, so a cluster needs no shared folder for what comes out; what goes in is read by the workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from backend.cluster.ray_cluster import open_cluster
from backend.cluster.version_bundle import VersionBundle
from backend.survey.description import describe
from backend.survey.errors import SurveyError
from backend.survey.folder import SurveyFolder, open_folder
from backend.survey.plan import cut_into_parts
from backend.survey.worker import Given, Job, Part, SurveyWorker
from sync.importing.inputs.collection import Collection

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
    project : int or None
        Whose heads the version holds; None: the shipped ones.
    extension : str
        Which of the images of a FITS file: see `pick_extension`.
    """

    input: str
    output: Path
    version: VersionBundle
    part_images: int
    project: int | None = None
    extension: str = ""


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
        If the folder is another run's or damaged, or a worker has another galaxyloop.
    SourceError
        If there are no images, or what they come from fails: run it again, and it goes on.
    ClusterError
        If the cluster cannot be used.
    ValueError
        If the labelling config has nothing to fill.
    """
    run = describe(wanted.input, wanted.version, part_images=wanted.part_images, extension=wanted.extension)
    # Images are named as the person named them, so by paths that start where the person stood when the run was begun.
    kept = {"folder": str(Path.cwd()), "project": wanted.project, "labelling_config_xml": wanted.version.label_config}
    found = Collection(max_bytes=wanted.version.settings.image_max_bytes).find(wanted.input)
    plan = cut_into_parts(found, images=wanted.part_images)
    made = unreadable = 0
    with open_folder(wanted.output, run, plan, kept=kept) as folder:
        done = folder.done()
        # Only the last part may be smaller, and a survey with that one done and others not is none that we made.
        known = min(len(done) * wanted.part_images, folder.images)
        if len(done) < folder.parts:
            jobs = (Job(number, tuple(spans)) for number, spans in folder.waiting(done))
            with opening((wanted.version, Path(folder.run["folder"]), run)) as make:
                for part in watch(make(jobs), folder, known):
                    planned = min(wanted.part_images, folder.images - part.number * wanted.part_images)
                    if part.images != planned:
                        raise SurveyError(f"part {part.number} has {part.images} images and not the {planned} of its plan")
                    folder.put(part.number, part.content)
                    made += part.images
                    unreadable += part.unreadable
        return Surveyed(folder.parts, folder.images, made, unreadable)
