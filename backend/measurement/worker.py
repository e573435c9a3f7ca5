"""Measures the objects of files, in this process or in a process of a Ray cluster; it writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from backend.measurement.catalogue import CatalogueRow
from backend.measurement.measure_image import measure_objects
from backend.measurement.measured_object import MeasuredObject
from backend.measurement.psf_choice import PsfOptions, list_unused_widths
from backend.measurement.science import read_science
from backend.measurement.sheet import SheetRow, draw_row
from backend.measurement.sources import central_object, extract_objects
from backend.measurement.stamps import stamp_file
from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.images.decode import IMAGE_SUFFIXES
from sync.images.fits_extraction import pick_extension, split_images

__all__ = ["FileResult", "MeasureOptions", "MeasureWorker", "MeasuredStamp", "MeasurementJob"]


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """How files are measured.

    Attributes
    ----------
    psf : PsfOptions
    band, extension : str
        Which band, and which image of a FITS file with several; empty for the default.
    pixel_scale_arcsec, zero_point : float or None
        Used for files whose header does not give them.
    with_indices : bool
        Whether to measure the indices of structure too.
    only_central : bool
        Whether only the object in the middle of each image is measured.
    with_models : bool
        Whether to return the model and the residual of each object.
    max_pixels : int
    """

    psf: PsfOptions
    band: str
    extension: str
    pixel_scale_arcsec: float | None
    zero_point: float | None
    with_indices: bool
    only_central: bool
    with_models: bool
    max_pixels: int


@dataclass(frozen=True, slots=True)
class MeasurementJob:
    """A file to measure: its number, its name, and its content or the reason why it cannot be read."""

    number: int
    name: str
    content: bytes | ImageError


@dataclass(frozen=True, slots=True)
class MeasuredStamp:
    """Name of a stamp, its FITS file, and its row of a sheet."""

    name: str
    content: bytes
    row: SheetRow


@dataclass(frozen=True, slots=True)
class FileResult:
    """The objects of one file.

    Attributes
    ----------
    number : int
        Number of the job.
    rows : list of CatalogueRow
    stamps : list of MeasuredStamp
        Empty unless models were asked for.
    left_out : dict
        Name of the file, or of an image of it, to the reason.
    problems : list of str
        Sentences about parts of the file that are not used.
    """

    number: int
    rows: list[CatalogueRow] = field(default_factory=list)
    stamps: list[MeasuredStamp] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        """Number of files, for the progress."""
        return 1


class MeasureWorker:
    """Measures one file after the other."""

    def __init__(self, options: MeasureOptions) -> None:
        self._options = options

    def work(self, job: MeasurementJob) -> FileResult:
        """Measure the objects of a file."""
        result = FileResult(job.number)
        images = attempt(lambda: split_images(self._pick(job.content)))
        for extension, content in [] if isinstance(images, ImageError) else images:
            name = f"{job.name}[{extension}]" if extension else job.name
            outcome = attempt(partial(self._measure, job.name, extension, content, result))
            if isinstance(outcome, ImageError):
                result.left_out[name] = str(outcome)
        if isinstance(images, ImageError):
            result.left_out[job.name] = str(images)
        return result

    def _pick(self, content: bytes | ImageError) -> bytes:
        """Return the selected image of a file; raise the reason why it cannot be read."""
        if isinstance(content, ImageError):
            raise content
        return pick_extension(content, self._options.extension)

    def _measure(self, path: str, extension: str, content: bytes, result: FileResult) -> None:
        options = self._options
        image = read_science(content, max_pixels=options.max_pixels, band=options.band)
        image = replace(
            image,
            pixel_scale_arcsec=image.pixel_scale_arcsec or options.pixel_scale_arcsec,
            zero_point=options.zero_point if image.zero_point is None and image.is_linear else image.zero_point,
        )
        objects = extract_objects(image)
        central = central_object(objects, image.size)
        if central is None:
            raise ImageError("no object stands out of the noise of the image")
        indices = [central] if options.only_central else range(len(objects))
        result.problems.extend(f"{path}: {problem}" for problem in image.problems)
        word = extension or options.extension
        measured_objects = list(measure_objects(image, objects, indices, psf=options.psf, with_indices=options.with_indices))
        unused_widths = list_unused_widths(image, options.psf, psf_source=measured_objects[0][0].psf_source)
        result.problems.extend(f"{path}: {sentence}" for sentence in unused_widths)
        for index, (measurement, stamp) in zip(indices, measured_objects, strict=True):
            result.rows.append(CatalogueRow(path, word, index + 1, index == central, objects[index].area, measurement))
            if stamp is not None and options.with_models:
                name = "_".join(filter(None, [_stem(path), word.replace(",", "-"), str(index + 1)]))
                row = draw_row(stamp.data, stamp.model, f"{name}\n{_describe(measurement)}", from_bottom=image.from_bottom)
                result.stamps.append(MeasuredStamp(name, stamp_file(image, measurement, stamp), row))


def _stem(path: str) -> str:
    """Return the name of a file without the suffixes of images: `a.1.fits.gz` gives `a.1`."""
    file = Path(path)
    while file.suffix.lower() in IMAGE_SUFFIXES:
        file = file.with_suffix("")
    return file.name


def _describe(measurement: MeasuredObject) -> str:
    texts = {"re_px": "Re {:.2f} px", "sersic_n": "n {:.2f}", "axis_ratio": "q {:.2f}", "mag": "mag {:.2f}"}
    return "  ".join(text.format(measurement.values[name].value) for name, text in texts.items() if name in measurement.values)
