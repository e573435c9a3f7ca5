"""`galaxyloop segment`: segment one object of each image from points, boxes or a mask, without a server."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import open_output
from backend.cli.progress import show_step, track_items
from backend.cli.startup import read_settings
from backend.cli.terminal import Extension, ImagePaths, Limit, console, end_with_left_out, stop, wrong_call

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.heads.segmentation.prompt import Prompt
    from backend.heads.segmentation.prompted_masks import PromptedMasks
    from backend.heads.segmentation.window_features import CachedWindowEncoder
    from backend.images.local import LocalImageStore
    from backend.settings import Settings
    from sync.geometry.shapes import Mask
    from sync.importing.inputs.item import Item

__all__ = ["segment"]


def segment(
    paths: ImagePaths,
    output: Annotated[
        Path,
        typer.Option(help="PNG file to write, of the size of the image: 255 on the object, 0 elsewhere; a folder for several."),
    ],
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
    limit: Limit = None,
    extension: Extension = "",
) -> None:
    """Segment one object of each image from points, boxes or a mask; x increases right, y down, from the top left corner.

    The same points, boxes and mask apply to every image, for example to the middle of cut-outs.
    """
    points = [(_parse_point(text, "--point"), True) for text in point or []]
    points += [(_parse_point(text, "--negative"), False) for text in negative or []]
    boxes = [_parse_box(text) for text in box or []]
    if not any(positive for _, positive in points) and not boxes and mask is None:
        wrong_call("give at least one --point, --box or --mask, which select the object")
    if not any("*" in word or "://" in word or Path(word).exists() for word in paths):
        wrong_call(f"{paths[0]}: there is no such file")
    settings = read_settings()
    from backend.cli.image_files import open_images
    from backend.cli.output_names import name_outputs

    images = open_images(paths, limit=limit, max_bytes=settings.image_max_bytes)
    targets = name_outputs(images, output, words=paths, suffix=".png", inputs=[mask] if mask is not None else [])
    from backend.images.local import LocalImageStore
    from sync.errors.failures import attempt
    from sync.errors.images import ImageError

    prompts = _Prompts(points, boxes, _read_mask(mask) if mask is not None else None)
    with show_step("loading the model"):
        head, window_encoder = _open_segmenter(settings)
    image_store = LocalImageStore(max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels, extension=extension)
    left_out: dict[str, str] = {}
    for item, target in track_items(zip(images, targets, strict=True), "segmenting", total=len(images)):
        result = attempt(partial(_segment_image, item, image_store, prompts, head, window_encoder))
        if isinstance(result, ImageError):
            if len(images) == 1:
                stop(f"{item.name}: {result}")
            left_out[item.name] = str(result)
            continue
        with open_output(target) as file:
            file.write(_encode_png(result[0]))
        if len(images) == 1:
            quality = "" if result[1] is None else f", expected overlap {result[1]:.2f}"
            console.print(f"{target}: {int(result[0].sum())} of {result[0].size} pixels{quality}", soft_wrap=True)
    if len(images) > 1:
        console.print(f"{output}: {len(images) - len(left_out)} masks, {len(left_out)} left out", highlight=False)
    end_with_left_out(left_out)


@dataclass(frozen=True, slots=True)
class _Prompts:
    """What selects the object in each image: points with their signs, boxes as corners, and a mask."""

    points: Sequence[tuple[Sequence[float], bool]]
    boxes: Sequence[Sequence[float]]
    mask: Mask | None

    def of(self, pixels: NDArray[np.float32]) -> Prompt:
        """Return the prompt for an image; raise ValueError if a point, box or mask does not fit it."""
        from backend.heads.segmentation.prompt import Prompt
        from sync.geometry.shapes import Box, Point

        return Prompt.of(
            (pixels.shape[1], pixels.shape[0]),
            points=[(Point(x, y), positive) for (x, y), positive in self.points],
            boxes=[Box(left, top, right - left, bottom - top) for left, top, right, bottom in self.boxes],
            mask=self.mask,
        )


def _segment_image(
    item: Item, image_store: LocalImageStore, prompts: _Prompts, head: PromptedMasks, window_encoder: CachedWindowEncoder
) -> tuple[Mask, float | None]:
    """Return the mask of an image and its expected overlap; None for an empty mask."""
    from backend.heads.errors import HeadError
    from sync.errors.images import ImageError

    pixels = image_store.decode(item.read()).pixels
    try:
        result = head.predict(window_encoder.of_pixels(pixels), prompts.of(pixels))
    except (HeadError, ValueError) as error:
        raise ImageError(str(error)) from error
    return (_empty_mask(pixels.shape[:2]), None) if result is None else (result[0], result[1])


def _parse_point(text: str, option: str) -> Sequence[float]:
    x, y = _parse_numbers(text, 2, option)
    if x < 0 or y < 0:
        wrong_call(f"{option} {text} lies outside every image: x and y start at 0, at the top left corner")
    return x, y


def _parse_box(text: str) -> Sequence[float]:
    left, top, right, bottom = _parse_numbers(text, 4, "--box")
    if not (left < right and top < bottom):
        wrong_call(f"--box {text} has no area: it is X0,Y0,X1,Y1 with X0 below X1 and Y0 below Y1")
    if right <= 0 or bottom <= 0:
        wrong_call(f"--box {text} lies outside every image: x and y start at 0, at the top left corner")
    return left, top, right, bottom


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
    from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, CheckpointError, fingerprint
    from backend.lvm.openvino_encoder import load_fastest_encoder

    try:
        segmenter = open_segmenter(
            load_fastest_encoder(SHIPPED_CHECKPOINT),
            fingerprint=fingerprint(SHIPPED_CHECKPOINT),
            sam_checkpoint=settings.sam_checkpoint,
        )
    except (CheckpointError, HeadError) as error:
        stop(str(error))
    return segmenter.base, CachedWindowEncoder(segmenter.windows, None)


def _read_mask(path: Path) -> Mask:
    """Read the option --mask; end the command with a wrong call if it is not an image."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            levels: Mask = np.asarray(image.convert("L")) > 0
    except FileNotFoundError:
        wrong_call(f"--mask: there is no file {path}")
    except UnidentifiedImageError:
        wrong_call(f"--mask: {path} is not an image")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        wrong_call(f"--mask: {path} cannot be read: {error}")
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
