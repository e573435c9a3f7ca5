"""`galaxyloop segment`: segment one object of an image from points, boxes or a mask, without a server."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import open_output
from backend.cli.startup import read_settings
from backend.cli.terminal import Extension, console, stop, wrong_call

if TYPE_CHECKING:
    from backend.heads.segmentation.prompted_masks import PromptedMasks
    from backend.heads.segmentation.window_features import CachedWindowEncoder
    from backend.settings import Settings
    from sync.geometry.shapes import Mask

__all__ = ["segment"]


def segment(
    image: Annotated[str, typer.Argument(help="PNG, JPEG, TIFF or FITS file.")],
    output: Annotated[Path, typer.Option(help="PNG file to write, of the size of the image: 255 on the object, 0 elsewhere.")],
    point: Annotated[list[str] | None, typer.Option(metavar="X,Y", help="A pixel on the object; may be repeated.")] = None,
    negative: Annotated[
        list[str] | None, typer.Option(metavar="X,Y", help="A pixel outside the object; may be repeated.")
    ] = None,
    box: Annotated[
        list[str] | None, typer.Option(metavar="X0,Y0,X1,Y1", help="A box around the object, pixels; may be repeated.")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(help="A mask to refine, of the size of the image: every pixel that is not black is inside.")
    ] = None,
    extension: Extension = "",
) -> None:
    """Segment one object of an image from points, boxes or a mask; x increases right, y down, from the top left corner."""
    points = [(_parse_numbers(text, 2, "--point"), True) for text in point or []]
    points += [(_parse_numbers(text, 2, "--negative"), False) for text in negative or []]
    boxes = [_parse_numbers(text, 4, "--box") for text in box or []]
    if not any(positive for _, positive in points) and not boxes and mask is None:
        wrong_call("give at least one --point, --box or --mask, which select the object")
    if not Path(image).exists():
        wrong_call(f"{image}: there is no such file")
    settings = read_settings()
    from backend.heads.errors import HeadError
    from backend.heads.segmentation.prompt import Prompt
    from backend.images.local import LocalImageStore
    from sync.errors.images import ImageError
    from sync.geometry.shapes import Box, Point

    head, window_encoder = _open_segmenter(settings)
    image_store = LocalImageStore(max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels, extension=extension)
    try:
        pixels = image_store.open_decoded(image).pixels
        prompt = Prompt.of(
            (pixels.shape[1], pixels.shape[0]),
            points=[(Point(x, y), positive) for (x, y), positive in points],
            boxes=[Box(left, top, right - left, bottom - top) for left, top, right, bottom in boxes],
            mask=_read_mask(mask) if mask else None,
        )
        result = head.predict(window_encoder.of_pixels(pixels), prompt)
    except (ImageError, HeadError, ValueError) as error:
        stop(f"{image}: {error}")
    inside = _empty_mask(pixels.shape[:2]) if result is None else result[0]
    with open_output(output) as file:
        file.write(_encode_png(inside))
    quality = "" if result is None else f", expected overlap {result[1]:.2f}"
    console.print(f"{output}: {int(inside.sum())} of {inside.size} pixels{quality}")


def _parse_numbers(text: str, count: int, option: str) -> Sequence[float]:
    import math

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count or not all(math.isfinite(number) for number in numbers):
        wrong_call(f"{option} needs {count} numbers separated by commas, not {text!r}")
    return numbers


def _open_segmenter(settings: Settings) -> tuple[PromptedMasks, CachedWindowEncoder]:
    from backend.heads.errors import HeadError
    from backend.heads.segmentation.shipped import open_segmenter
    from backend.heads.segmentation.window_features import CachedWindowEncoder
    from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, CheckpointError, fingerprint, load_encoder

    try:
        segmenter = open_segmenter(
            load_encoder(SHIPPED_CHECKPOINT),
            fingerprint=fingerprint(SHIPPED_CHECKPOINT),
            sam_checkpoint=settings.sam_checkpoint,
        )
    except (CheckpointError, HeadError) as error:
        stop(str(error))
    return segmenter.base, CachedWindowEncoder(segmenter.windows, None)


def _read_mask(path: Path) -> Mask:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            levels: Mask = np.asarray(image.convert("L")) > 0
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"the mask {path} cannot be read: {error}") from error
    return levels


def _empty_mask(shape: tuple[int, ...]) -> Mask:
    import numpy as np

    return np.zeros(shape, dtype=bool)


def _encode_png(inside: Mask) -> bytes:
    import numpy as np
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(inside.astype(np.uint8) * 255).save(content, "PNG")
    return content.getvalue()
