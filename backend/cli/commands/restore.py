"""`galaxyloop restore`: deconvolve and denoise FITS images with their PSF, without a server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import open_output
from backend.cli.startup import read_settings
from backend.cli.terminal import Extension, console, end_with_left_out, stop, track_progress, wrong_call

if TYPE_CHECKING:
    from backend.heads.restoration.fits_files import RestoredFile
    from backend.heads.restoration.restorer import Restorer
    from backend.heads.structure.psf import Psf
    from backend.settings import Settings
    from sync.importing.importer import Companion

__all__ = ["open_companion", "restore"]

SUFFIXES = (".fits.gz", ".fits.fz", ".fits", ".fit", ".fts", ".gz", ".fz")


def restore(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="FITS files, folders or patterns.")],
    output: Annotated[Path, typer.Option(help="FITS file to write; a folder for several images.")],
    psf: Annotated[Path | None, typer.Option(metavar="FITS", help="PSF of the images, on their pixel scale.")] = None,
    denoise: Annotated[bool, typer.Option("--denoise", help="Only remove noise, at the resolution of the image.")] = False,
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
    from backend.cli.image_files import find_images

    paths = find_images(images)
    if not paths:
        wrong_call(f"there are no images in {', '.join(images)}")
    to_folder = len(paths) > 1 or output.is_dir() or any(Path(word).is_dir() for word in images)
    if to_folder and output.is_file():
        wrong_call(f"{output} is a file: name a folder for several images")
    names = _names_of(paths)
    targets = {path: output / names[path] if to_folder else output for path in paths}
    inputs = [Path(path) for path in paths] + ([psf] if psf is not None else [])
    for target in targets.values():
        if any(target.exists() and path.exists() and target.samefile(path) for path in inputs):
            wrong_call(f"{target} is an input, which is not overwritten: name another output")
    given_psf = None if psf is None else _read_psf(psf)
    settings = read_settings()
    from sync.errors.failures import attempt
    from sync.errors.images import ImageError

    restorer = _open_restorer()
    left_out: dict[str, str] = {}
    for path in track_progress(paths, "restoring", total=len(paths)):
        result = attempt(partial(_restore, path, restorer, given_psf, psf, extension=extension, settings=settings))
        if isinstance(result, ImageError):
            left_out[path] = str(result)
            continue
        with open_output(targets[path]) as file:
            file.write(result.content)
        if len(paths) == 1:
            console.print(_line(targets[path], result), highlight=False, soft_wrap=True)
    if len(paths) > 1:
        console.print(f"{output}: {len(paths) - len(left_out)} restored, {len(left_out)} left out", highlight=False)
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
    path: str, restorer: Restorer, psf: Psf | None, psf_path: Path | None, *, extension: str, settings: Settings
) -> RestoredFile:
    from backend.heads.restoration.fits_files import restore_file
    from backend.heads.structure.psf import PsfError
    from backend.images.local import read_file
    from sync.errors.images import ImageError
    from sync.images.fits_extraction import pick_extension

    name = psf_path.name if psf_path else ""
    content = pick_extension(read_file(path, max_bytes=settings.image_max_bytes), extension)
    try:
        return restore_file(content, restorer, psf, psf_name=name, max_pixels=settings.image_max_pixels)
    except PsfError as error:
        raise ImageError(str(error)) from error


def _names_of(paths: list[str]) -> dict[str, str]:
    """Return a name in the output folder for each image; equal names of different folders get a number."""
    names: dict[str, str] = {}
    used: set[str] = set()
    for path in paths:
        name = Path(path).name
        stem = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.lower().endswith(suffix)), name)
        candidate, number = f"{stem}.fits", 2
        while candidate in used:
            candidate, number = f"{stem}-{number}.fits", number + 1
        used.add(candidate)
        names[path] = candidate
    return names


def _line(target: Path, result: RestoredFile) -> str:
    height, width = result.planes[0].image.shape
    planes = "" if len(result.planes) == 1 else f"{len(result.planes)} planes of "
    missing = sum(plane.missing for plane in result.planes)
    left = f", {missing} pixels have no value" if missing else ""
    return f"{target}: {planes}{width}x{height} pixels{left}"
