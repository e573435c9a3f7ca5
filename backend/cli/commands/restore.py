"""`galaxyloop restore`: deconvolve and denoise FITS images with their PSF, without a server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import open_output
from backend.cli.progress import track_items
from backend.cli.startup import read_settings
from backend.cli.terminal import Extension, ImagePaths, Limit, console, end_with_left_out, stop, wrong_call

if TYPE_CHECKING:
    from backend.heads.restoration.fits_files import RestoredFile
    from backend.heads.restoration.restorer import Restorer
    from backend.heads.structure.psf import Psf
    from backend.settings import Settings
    from sync.importing.importer import Companion
    from sync.importing.inputs.item import Item

__all__ = ["open_companion", "restore"]


def restore(
    paths: ImagePaths,
    output: Annotated[Path, typer.Option(help="FITS file to write, .fits; a folder for several images.")],
    psf: Annotated[Path | None, typer.Option(metavar="FITS", help="PSF of the images, on their pixel scale.")] = None,
    denoise: Annotated[bool, typer.Option("--denoise", help="Only remove noise, at the resolution of the image.")] = False,
    limit: Limit = None,
    extension: Extension = "",
) -> None:
    """Deconvolve and denoise images; write the restored image, and its uncertainty as the extension UNCERT.

    A restored image has a Gaussian PSF of 2 pixels (FWHM), the coordinates and the unit of the input, and an unbiased flux.
    Without a PSF, --denoise removes the noise only. The command lists images that cannot be restored at the end, each with the
    reason; it restores all others, and the exit code is then 1.
    """
    if psf is None and not denoise:
        wrong_call("give the PSF of the images with --psf, or --denoise to only remove noise")
    if psf is not None and denoise:
        wrong_call("--psf and --denoise exclude each other: --denoise does not use a PSF")
    settings = read_settings()
    from backend.cli.image_files import open_images
    from backend.cli.output_names import name_outputs

    images = open_images(paths, limit=limit, max_bytes=settings.image_max_bytes)
    targets = name_outputs(images, output, words=paths, suffix=".fits", inputs=[psf] if psf is not None else [])
    given_psf = None if psf is None else _read_psf(psf)
    from sync.errors.failures import attempt
    from sync.errors.images import ImageError

    restorer = _open_restorer()
    left_out: dict[str, str] = {}
    for item, target in track_items(zip(images, targets, strict=True), "restoring", total=len(images)):
        result = attempt(partial(_restore, item, restorer, given_psf, psf, extension=extension, settings=settings))
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


def open_companion(psf: Path | None, *, stretch: str, max_pixels: int) -> Companion:
    """Open the restorer as the second picture of imported images; without a PSF, it only removes noise."""
    from backend.heads.restoration.picture import RESTORED_KEY, RestoredPicture
    from sync.importing.importer import Companion

    given_psf = None if psf is None else _read_psf(psf)
    return Companion(RESTORED_KEY, RestoredPicture(_open_restorer(), given_psf, stretch, max_pixels))


def _read_psf(path: Path) -> Psf:
    """Read the PSF of an option `--psf`; end the command with a wrong call if it cannot be used."""
    if not path.is_file():
        wrong_call(f"there is no file {path}")
    from backend.heads.structure.psf import PsfError, read_psf

    try:
        return read_psf(path)
    except PsfError as error:
        wrong_call(str(error))


def _open_restorer() -> Restorer:
    """Open the shipped restorer; end the command if it is damaged."""
    from backend.heads.errors import HeadError
    from backend.heads.restoration.restorer import SHIPPED_RESTORER, Restorer

    try:
        return Restorer.load(SHIPPED_RESTORER)
    except HeadError as error:
        stop(str(error))


def _restore(
    item: Item, restorer: Restorer, psf: Psf | None, psf_path: Path | None, *, extension: str, settings: Settings
) -> RestoredFile:
    from backend.heads.restoration.fits_files import restore_file
    from backend.heads.structure.psf import PsfError
    from sync.errors.images import ImageError
    from sync.images.fits_extraction import pick_extension

    name = psf_path.name if psf_path else ""
    content = pick_extension(item.read(), extension)
    try:
        return restore_file(content, restorer, psf, psf_name=name, max_pixels=settings.image_max_pixels)
    except PsfError as error:
        raise ImageError(str(error)) from error


def _line(target: Path, result: RestoredFile) -> str:
    height, width = result.planes[0].image.shape
    planes = "" if len(result.planes) == 1 else f"{len(result.planes)} planes of "
    missing = sum(plane.missing for plane in result.planes)
    left = f", {missing} pixels have no value" if missing else ""
    return f"{target}: {planes}{width}x{height} pixels{left}"
