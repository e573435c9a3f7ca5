"""Runs a survey: plans it, computes the missing parts in this process or on a Ray cluster, and writes each part.

Only this process writes, so a cluster needs no shared output folder; the workers read the images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backend.cluster.ray_cluster import open_cluster
from backend.cluster.version_bundle import VersionBundle
from backend.survey.catalogue import CatalogueFiles
from backend.survey.description import describe
from backend.survey.errors import SurveyError
from backend.survey.folder import SurveyFolder, open_folder
from backend.survey.plan import divide_into_parts, limit_images
from backend.survey.worker import SurveyJob, SurveyPart, SurveyWorker, WorkerArguments
from sync.importing.inputs.collection import Collection

__all__ = ["EngineFactory", "SurveyPlan", "SurveyResult", "local_engine", "ray_engine", "run_survey"]

Engine = Callable[[Iterable[SurveyJob]], Iterator[SurveyPart]]
EngineFactory = Callable[[WorkerArguments], AbstractContextManager[Engine]]
"""Function that opens an engine; an engine yields parts in any order."""
Progress = Callable[[Iterator[SurveyPart], SurveyFolder, int], Iterator[SurveyPart]]
"""Function that yields the given parts and shows a progress bar; the number counts the images of existing parts."""


@dataclass(frozen=True, slots=True)
class SurveyPlan:
    """A survey to run.

    Attributes
    ----------
    input : str
        A folder, a pattern, a file, or `s3://…`: see `Collection.find`.
    output : Path
    version : VersionBundle
        The version that predicts.
    part_images : int
        Images per part.
    project : int or None
        Project whose heads predict; None: the shipped heads.
    extension : str
        Which image of a FITS file: see `pick_extension`.
    limit : int or None
        Largest number of images: the first ones of the input.
    catalogue : CatalogueFiles
        What is known of the galaxies beside the images.
    """

    input: str
    output: Path
    version: VersionBundle
    part_images: int
    project: int | None = None
    extension: str = ""
    limit: int | None = None
    catalogue: CatalogueFiles = field(default_factory=CatalogueFiles)


@dataclass(frozen=True, slots=True)
class SurveyResult:
    """The content of the folder after a run.

    Attributes
    ----------
    parts, images : int
        Totals of the plan.
    predicted_images : int
        Images that this run predicted; the others existed before.
    unreadable : int
        Those of them that could not be read: rows with an error.
    """

    parts: int
    images: int
    predicted_images: int
    unreadable: int


@contextmanager
def local_engine(arguments: WorkerArguments) -> Iterator[Engine]:
    """Compute parts in this process, one after the other."""
    worker = SurveyWorker(arguments)
    yield lambda jobs: map(worker.work, jobs)


def ray_engine(address: str | None) -> EngineFactory:
    """Return a factory for an engine on the Ray cluster at `address`; None starts a cluster on this machine."""

    @contextmanager
    def open_engine(arguments: WorkerArguments) -> Iterator[Engine]:
        with open_cluster(address) as cluster:
            yield lambda jobs: cluster.map(SurveyWorker, arguments, jobs)

    return open_engine


def run_survey(survey: SurveyPlan, *, open_engine: EngineFactory, progress: Progress) -> SurveyResult:
    """Compute and write the missing parts.

    Parameters
    ----------
    survey : SurveyPlan
    open_engine : callable
        `local_engine`, or `ray_engine(address)`.
    progress : callable
        Shows a progress bar.

    Raises
    ------
    SurveyError
        If the folder belongs to another run or is damaged, or a worker has another galaxyloop.
    InputError
        If there are no images, or the disk or bucket fails; a second run continues.
    ClusterError
        If the cluster cannot be used.
    ValueError
        If the labelling config has no control that galaxyloop predicts.
    """
    version, part_images = survey.version, survey.part_images
    run = describe(
        survey.input,
        version,
        part_images=part_images,
        extension=survey.extension,
        limit=survey.limit,
        catalogue=survey.catalogue,
    )
    # Ids of images are paths as the user wrote them: relative ones start in the folder in which the run was started.
    state = {"folder": str(Path.cwd()), "project": survey.project, "labelling_config_xml": version.label_config}
    spans = limit_images(Collection(max_bytes=version.settings.image_max_bytes).find(survey.input), survey.limit)
    predicted_count = unreadable = 0
    with open_folder(survey.output, run, divide_into_parts(spans, images=part_images), state=state) as folder:
        finished_parts = folder.finished_parts()
        known_images = min(
            len(finished_parts) * part_images, folder.images
        )  # only the last part is smaller, and it is computed last
        if len(finished_parts) < folder.parts:
            jobs = (SurveyJob(number, tuple(spans)) for number, spans in folder.missing_parts(finished_parts))
            with open_engine((version, Path(folder.run["folder"]), run)) as make_parts:
                for part in progress(make_parts(jobs), folder, known_images):
                    planned_images = min(part_images, folder.images - part.number * part_images)
                    if part.images != planned_images:
                        raise SurveyError(
                            f"part {part.number} has {part.images} images and not the {planned_images} of its plan"
                        )
                    folder.write_part(part.number, part.content)
                    predicted_count += part.images
                    unreadable += part.unreadable
        return SurveyResult(folder.parts, folder.images, predicted_count, unreadable)
