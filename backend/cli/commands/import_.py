"""`galaxyloop import`: import images into a Label Studio project from files, a catalogue or a list of URLs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.commands.import_inputs import InputOptions, open_inputs
from backend.cli.commands.import_storages import check_storage, open_storage
from backend.cli.progress import show_progress
from backend.cli.restorer import choose_psf_source, open_companion
from backend.cli.startup import read_settings
from backend.cli.terminal import (
    IMAGES_HELP,
    INCOMPLETE,
    Extension,
    Limit,
    ProjectId,
    console,
    list_left_out,
    stop,
    stop_for,
    wrong_call,
)

if TYPE_CHECKING:
    from backend.settings import Settings
    from sync.importing.importer import Companion, IngestReport
    from sync.importing.inputs.item import Item
    from sync.importing.storage.stored import Storage
    from sync.label_studio.client import LabelStudioClient

__all__ = ["import_", "lock_imports"]


def import_(
    project: ProjectId,
    paths: Annotated[list[str] | None, typer.Argument(metavar="[PATHS]...", help=IMAGES_HELP)] = None,
    catalogue: Annotated[
        Path | None, typer.Option(help="Table of positions to cut out: CSV, ECSV, VOTable, FITS or Parquet.")
    ] = None,
    mosaic: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FITS",
            help="Mosaics to cut from: a file, a folder or a quoted pattern; repeat it for each band, the bluest first.",
        ),
    ] = None,
    survey: Annotated[
        list[str] | None,
        typer.Option(
            help="HiPS survey that hips2fits cuts from; repeat it for each band, the bluest first, or name one in colours."
        ),
    ] = None,
    fov_arcsec: Annotated[float, typer.Option(help="Side of a cut-out, arcsec.")] = 60.0,
    pixels: Annotated[int, typer.Option(help="Side of a cut-out of --survey, pixels.")] = 256,
    urls: Annotated[
        Path | None, typer.Option(help="Table of image URLs; their hosts must be in GALAXYLOOP_IMAGE_HOSTS.")
    ] = None,
    url_column: Annotated[str, typer.Option(help="Column of --urls with the URLs.")] = "url",
    table: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Table joined to PATHS by --key; its columns are copied to the tasks."),
    ] = None,
    key: Annotated[str, typer.Option(help="Column of --table with file names or ids.")] = "filename",
    spectra: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of spectra (SDSS, DESI, CSV): the column spectrum names the file, else it has the image's name.",
        ),
    ] = None,
    catalogue_table: Annotated[
        str | None, typer.Option(metavar="NAME|NUMBER", help="Table to read, if the file has several.")
    ] = None,
    ra: Annotated[str | None, typer.Option(help="Column of right ascension; default: found by its name.")] = None,
    dec: Annotated[str | None, typer.Option(help="Column of declination; default: found by its name.")] = None,
    columns: Annotated[str | None, typer.Option(help="Columns to copy to the tasks, comma-separated; default: all.")] = None,
    stretch: Annotated[str, typer.Option(help="Stretch of FITS images: lupton, asinh, zscale or percentile.")] = "lupton",
    limit: Limit = None,
    extension: Extension = "",
    storage: Annotated[str, typer.Option(help="Where to store the images: uploads, local or s3.")] = "uploads",
    bucket: Annotated[str | None, typer.Option(help="Bucket of --storage s3.")] = None,
    restore: Annotated[
        bool, typer.Option("--restore", help="Also store a restored picture of each FITS image, as restored in its task.")
    ] = False,
    psf: Annotated[
        Path | None, typer.Option(metavar="FITS", help="PSF of the images for --restore; default: header, stars.")
    ] = None,
    denoise: Annotated[bool, typer.Option("--denoise", help="With --restore: only remove noise, without a PSF.")] = False,
) -> None:
    """Import images as tasks; images that the project already has are not imported again.

    The command lists unreadable images at the end, each with the reason; it imports all others, and the exit code is then 1.
    """
    settings = read_settings()
    from astropy.utils.exceptions import AstropyWarning

    from sync.images.stretches import STRETCHES
    from sync.importing.importer import image_key_of
    from sync.importing.inputs.item import InputError
    from sync.importing.spectra import attach_spectra
    from sync.importing.storage.stored import StorageError
    from sync.label_studio.client import LabelStudioClient, LabelStudioError
    from sync.label_studio.projects import project_state

    column_names = [name.strip() for name in columns.split(",") if name.strip()] if columns is not None else None
    options = InputOptions(
        paths=paths or [],
        catalogue=catalogue,
        mosaics=mosaic or [],
        surveys=survey or [],
        urls=urls,
        table=table,
        key=key,
        catalogue_table=catalogue_table,
        ra=ra,
        dec=dec,
        columns=column_names,
        url_column=url_column,
        fov_arcsec=fov_arcsec,
        pixels=pixels,
    )
    options.check()
    if psf is not None and not restore:
        wrong_call("--psf is the PSF of the images for --restore: add --restore")
    if denoise and not restore:
        wrong_call("--denoise is for the pictures of --restore: add --restore")
    for rows in (catalogue, urls, table):
        if rows is not None and not rows.exists():
            wrong_call(f"there is no file {rows}")
    if stretch not in STRETCHES:
        wrong_call(f"unknown stretch {stretch!r}: choose {', '.join(STRETCHES)}")
    if extension and catalogue is not None:
        wrong_call("--extension selects an image of a FITS file: it does not apply to cut-outs of --mosaic or --survey")
    check_storage(storage, bucket=bucket)
    psf_of = choose_psf_source(psf, denoise=denoise) if restore else None
    try:
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", AstropyWarning)  # about headers and tables that astropy repairs
            lock_imports(project, settings, stack)
            client = LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())
            stack.enter_context(client)
            total, all_items = open_inputs(options, settings, client, stack, limit=limit)
            items: Iterator[Item] = islice(all_items, limit)
            if spectra is not None:
                items = attach_spectra(items, spectra)
            image_storage = open_storage(storage, project, settings, client, bucket=bucket)
            config = project_state(client, project).label_config
            companion = None
            if psf_of is not None:
                companion = open_companion(settings, project, label_config=config, psf_of=psf_of, stretch=stretch)
                if storage == "uploads" and not companion.is_page:
                    wrong_call(
                        "Label Studio takes no uploads for a config with two images: show the restored one with "
                        'valueList="$restored", or use --storage local or s3'
                    )
            key = image_key_of(config, companion=companion)
            total = min(total, limit or total)
            report = _run(
                items,
                total,
                client,
                project,
                image_storage,
                key=key,
                stretch=stretch,
                extension=extension,
                companion=companion,
                settings=settings,
            )
    except (LabelStudioError, InputError, StorageError, ValueError) as error:
        stop_for(error)
    list_left_out(report.left_out | {f"spectrum of {name}": reason for name, reason in report.without_spectrum.items()})
    without = f", {len(report.without_spectrum)} without a spectrum" if spectra is not None else ""
    left_out = f"{len(report.left_out)} left out{without}"
    console.print(f"{report.imported_count} imported, {report.known_count} already in the project, {left_out}")
    if report.left_out or report.without_spectrum:
        raise typer.Exit(INCOMPLETE)


def lock_imports(project: int, settings: Settings, stack: ExitStack) -> None:
    """Lock the project against another import: two simultaneous imports would both create the tasks that are missing."""
    from sync.files.lock import hold_lock

    folder = settings.data_dir / "imports"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(hold_lock(folder / f"{project}.lock", wait=False))
    except BlockingIOError:
        stop(f"another import into project {project} is running: run this command again when it has ended")
    except OSError as error:
        stop(f"{folder} cannot be written ({error.strerror}): set GALAXYLOOP_DATA_DIR")


def _run(
    items: Iterator[Item],
    total: int,
    client: LabelStudioClient,
    project: int,
    storage: Storage,
    *,
    key: str,
    stretch: str,
    extension: str,
    companion: Companion | None,
    settings: Settings,
) -> IngestReport:
    """Run the import and show its progress."""
    from sync.importing.importer import ingest

    with show_progress("importing", total=total) as report:
        return ingest(
            items,
            client=client,
            project_id=project,
            storage=storage,
            image_key=key,
            stretch=stretch,
            extension=extension,
            max_pixels=settings.image_max_pixels,
            max_bytes=settings.image_max_bytes,
            companion=companion,
            progress=report.advance,
        )
