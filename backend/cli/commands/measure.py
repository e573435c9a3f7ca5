"""`galaxyloop measure`: measure the objects of images and write a catalogue, without a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.engine import Engine, EngineOption, RayAddress, check_engine
from backend.cli.output import open_output, reject_input
from backend.cli.progress import track_rate
from backend.cli.psf_option import read_psf_option
from backend.cli.startup import read_settings
from backend.cli.terminal import (
    Extension,
    ImagePaths,
    Limit,
    console,
    end_with_left_out,
    list_left_out,
    notices,
    stop,
    stop_for,
    wrong_call,
)

if TYPE_CHECKING:
    from backend.measurement.model_folder import ModelFolder
    from backend.measurement.worker import FileResult, MeasurementJob, MeasureOptions
    from sync.importing.inputs.images import InputImages

    Run = Callable[[Iterable[MeasurementJob]], Iterator[FileResult]]

__all__ = ["measure"]

SUFFIXES = (".ecsv", ".fits", ".vot", ".xml", ".csv")
"""Keys of `backend.measurement.catalogue.FORMATS`, repeated so that a wrong call does not import it."""
PREFETCH = 4
"""Images that are read before they are measured."""


class ObjectChoice(StrEnum):
    """Names of the choices of objects."""

    all = "all"
    central = "central"


def measure(
    paths: ImagePaths,
    catalogue: Annotated[Path, typer.Option(help="File to write: .ecsv, .fits, .vot, .xml (VOTable) or .csv.")],
    psf: Annotated[
        Path | None, typer.Option(help="FITS file with the PSF, or one for each band; default: header, stars.")
    ] = None,
    seeing_arcsec: Annotated[
        float | None, typer.Option(min=0.01, max=60, help="FWHM of a star, where neither the header nor stars give a PSF.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(help="Folder for the model and the residual of each object: FITS files and PNG sheets.")
    ] = None,
    objects: Annotated[
        ObjectChoice, typer.Option(help="Measure all objects of an image, or the one in its middle.")
    ] = ObjectChoice.all,
    no_indices: Annotated[
        bool,
        typer.Option("--no-indices", help="Without concentration, asymmetries, smoothness, Gini and M20: most of the time."),
    ] = False,
    band: Annotated[str, typer.Option(help="Band of FITS files with several; default: r, else i, else the middle one.")] = "",
    zero_point: Annotated[float | None, typer.Option(help="AB magnitude of one unit, for files without it.")] = None,
    pixel_scale_arcsec: Annotated[
        float | None, typer.Option(min=1e-4, max=600, help="Pixel scale, for files without sky coordinates.")
    ] = None,
    extension: Extension = "",
    limit: Limit = None,
    engine: EngineOption = Engine.local,
    ray_address: RayAddress = None,
) -> None:
    """Measure the objects of images: Sersic model through the PSF, magnitude and morphological indices, each with its error.

    Files that cannot be measured are listed and left out. See docs/measure.md.
    """
    check_engine(engine, ray_address)
    suffix = catalogue.suffix.lower()
    if suffix not in SUFFIXES:
        wrong_call(f"the catalogue {catalogue} must end in one of {', '.join(SUFFIXES)}")
    settings = read_settings()
    from backend.cli.image_files import open_images

    images = open_images(paths, limit=limit, max_bytes=settings.image_max_bytes)
    reject_input(catalogue, [psf, *(span.source for span in images.spans)])
    if models is not None and models.exists() and not models.is_dir():
        wrong_call(f"{models} is a file: name a folder for --models")
    from backend.heads.structure.measurement import NO_PSF
    from backend.measurement.catalogue import make_table, write_catalogue
    from backend.measurement.model_folder import ModelFolder
    from backend.measurement.psf_choice import PsfOptions
    from backend.measurement.science import DISPLAY_BAND
    from backend.measurement.worker import MeasureOptions
    from sync.images.zero_point import is_zero_point

    if zero_point is not None and not is_zero_point(zero_point):
        wrong_call(f"--zero-point {zero_point:g} is a placeholder and no zero point: leave it out, and there is no magnitude")
    options = MeasureOptions(
        psf=PsfOptions(() if psf is None else read_psf_option(psf), seeing_arcsec),
        band=band,
        extension=extension,
        pixel_scale_arcsec=pixel_scale_arcsec,
        zero_point=zero_point,
        with_indices=not no_indices,
        only_central=objects is ObjectChoice.central,
        with_models=models is not None,
        max_pixels=settings.image_max_pixels,
    )
    with open_output(catalogue) as file:
        folder = None if models is None else ModelFolder(models)
        results = _measure_images(images, options, folder, engine=engine, ray_address=ray_address)
        rows = [row for result in results for row in result.rows]
        left_out = {name: reason for result in results for name, reason in result.left_out.items()}
        if not rows:
            list_left_out(left_out)
            stop(f"no object of {len(images)} images could be measured")
        write_catalogue(make_table(rows), file, suffix)
    for problem in (problem for result in results for problem in result.problems):
        notices.print(problem, highlight=False, soft_wrap=True)
    blurred_count = sum(row.measured_object.psf_source == NO_PSF and row.measured_object.band != DISPLAY_BAND for row in rows)
    if blurred_count:
        text = f"{blurred_count:,} objects have no PSF (see --psf, --seeing-arcsec): their sizes are those of the blurred image"
        notices.print(text, highlight=False, soft_wrap=True)
    measured_count = sum(bool(result.rows) for result in results)
    console.print(f"{catalogue}: {len(rows):,} objects of {measured_count:,} files", highlight=False, soft_wrap=True)
    end_with_left_out(left_out)


def _measure_images(
    images: InputImages, options: MeasureOptions, folder: ModelFolder | None, *, engine: Engine, ray_address: str | None
) -> list[FileResult]:
    """Measure images, and write the models of their objects as they are finished; return the results in order."""
    from backend.cluster.ray_cluster import ClusterError
    from backend.images.local import prefetch_files
    from backend.measurement.worker import MeasurementJob

    results = []
    contents = prefetch_files(images, lambda item: item.read(), ahead=PREFETCH)
    jobs = (MeasurementJob(number, item.name, content) for number, (item, content) in enumerate(contents))
    try:
        with _open_engine(engine, ray_address, options) as run:
            for result in track_rate(run(jobs), "measuring", total=len(images)):
                if folder is not None:
                    folder.add(result.stamps)
                    result.stamps.clear()
                results.append(result)
        if folder is not None:
            folder.close()
    except ClusterError as error:
        stop_for(error)
    except OSError as error:
        stop(f"the models cannot be written: {error.strerror or error}")
    return sorted(results, key=lambda result: result.number)


@contextmanager
def _open_engine(engine: Engine, ray_address: str | None, options: MeasureOptions) -> Iterator[Run]:
    from backend.measurement.worker import MeasureWorker

    if engine is Engine.local:
        worker = MeasureWorker(options)
        yield lambda jobs: map(worker.work, jobs)
        return
    from backend.cluster.ray_cluster import open_cluster

    with open_cluster(ray_address) as cluster:
        yield lambda jobs: cluster.map(MeasureWorker, options, jobs)
