"""`galaxyloop restore`: deconvolve and denoise FITS images with their PSF, without a server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import open_output
from backend.cli.progress import show_step, track_items
from backend.cli.restorer import check_psf_options, choose_psf_source, open_restorer, plan_shares
from backend.cli.startup import open_existing_services, read_settings
from backend.cli.terminal import Extension, ImagePaths, Limit, console, end_with_left_out, stop_for
from backend.registry.records import MAX_ID

if TYPE_CHECKING:
    from backend.heads.restoration.fits_files import RestoredFile
    from backend.heads.restoration.restorer import Restorer
    from backend.heads.structure.plane import PsfOf
    from backend.settings import Settings
    from sync.importing.inputs.item import Item

__all__ = ["restore"]


def restore(
    paths: ImagePaths,
    output: Annotated[Path, typer.Option(help="FITS file to write, .fits; a folder for several images.")],
    psf: Annotated[
        Path | None,
        typer.Option(
            metavar="FITS", help="PSF on the pixel scale of the images, or one for each band; default: header, stars."
        ),
    ] = None,
    denoise: Annotated[bool, typer.Option("--denoise", help="Only remove noise, at the resolution of the image.")] = False,
    project: Annotated[
        int | None, typer.Option(min=1, max=MAX_ID, help="Project whose annotators judged restored pictures; default: none.")
    ] = None,
    limit: Limit = None,
    extension: Extension = "",
) -> None:
    """Deconvolve and denoise images; write the restored image, and its uncertainty as the extension UNCERT.

    A restored image has a Gaussian PSF of 2 pixels (FWHM), the coordinates and the unit of the input, and an unbiased flux.
    Without --psf, the PSF is that of the header or of the stars of each image; --denoise removes the noise only. The command
    lists images that cannot be restored at the end, each with the reason; it restores all others, and the exit code is then 1.
    """
    check_psf_options(psf, denoise=denoise)
    settings = read_settings()
    from backend.cli.image_files import open_images
    from backend.cli.output_names import name_outputs

    images = open_images(paths, limit=limit, max_bytes=settings.image_max_bytes)
    targets = name_outputs(images, output, words=paths, suffix=".fits", inputs=[psf] if psf is not None else [])
    with show_step("loading the model"):
        psf_of = choose_psf_source(psf, denoise=denoise)
        restorer = open_restorer()
    if project is not None:
        restorer = restorer.with_share(_share_of(project, settings))
    from sync.errors.failures import attempt
    from sync.errors.images import ImageError

    left_out: dict[str, str] = {}
    for item, target in track_items(zip(images, targets, strict=True), "restoring", total=len(images)):
        result = attempt(partial(_restore, item, restorer, psf_of, psf, extension=extension, settings=settings))
        if isinstance(result, ImageError):
            left_out[item.name] = str(result)
            continue
        with open_output(target) as file:
            file.write(result.content)
        if len(images) == 1:
            console.print(_line(target, result), highlight=False, soft_wrap=True)
    if len(images) > 1:
        console.print(f"{output}: {len(images) - len(left_out)} restored, {len(left_out)} left out", highlight=False)
    end_with_left_out(left_out)


def _share_of(project_id: int, settings: Settings) -> float:
    """Return the share of the correction of the live version of a project; end the command if there is no such project."""
    from backend.registry.records import RegistryError

    try:
        project = open_existing_services(settings).registry.project(project_id)
    except RegistryError as error:
        stop_for(error)
    return plan_shares(settings, project_id, label_config=project.label_config).live


def _restore(
    item: Item, restorer: Restorer, psf_of: PsfOf, psf_path: Path | None, *, extension: str, settings: Settings
) -> RestoredFile:
    from backend.heads.restoration.fits_files import restore_file
    from sync.images.fits_extraction import pick_extension

    name = psf_path.name if psf_path else ""
    content = pick_extension(item.read(), extension)
    return restore_file(content, restorer, psf_of, psf_name=name, max_pixels=settings.image_max_pixels)


def _line(target: Path, result: RestoredFile) -> str:
    height, width = result.planes[0].image.shape
    planes = "" if len(result.planes) == 1 else f"{len(result.planes)} planes of "
    missing = sum(plane.missing_px for plane in result.planes)
    left = f", {missing} pixels have no value" if missing else ""
    return f"{target}: {planes}{width}x{height} pixels{left}"
