"""`galaxyloop predict`: predict local images with the shipped heads, as tasks for Label Studio, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.label_config import read_label_config
from backend.cli.output import open_output
from backend.cli.startup import read_settings
from backend.cli.terminal import Extension, end_with_left_out, stop, stop_for, track_progress, wrong_call

if TYPE_CHECKING:
    from backend.images.local import LocalImageStore
    from backend.images.store import StoredImage
    from backend.prediction.predictor import Predictor
    from backend.settings import Settings
    from sync.errors.images import ImageError

__all__ = ["predict"]

BATCH = 8
"""Images per batch, and prefetched images: sixteen images of 1984 by 1361 pixels are half a gigabyte."""


def predict(
    paths: Annotated[list[str], typer.Argument(metavar="PATHS...", help="Images, folders of images, or patterns.")],
    config: Annotated[str, typer.Option(help="Labelling config: a name from labeling_configs, or an XML file.")],
    output: Annotated[Path, typer.Option(help="JSON file to write: tasks with predictions, which Label Studio can import.")],
    extension: Extension = "",
) -> None:
    """Write images and their predictions as tasks that Label Studio imports; unreadable images are listed and left out."""
    xml = read_label_config(config)
    settings = read_settings()
    from backend.cli.image_files import find_images
    from backend.images.local import LocalImageStore, prefetch_files
    from backend.prediction.predictor import Task

    files = find_images(paths)
    if not files:
        wrong_call(f"there is no image in {', '.join(paths)}")
    image_store = LocalImageStore(max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels, extension=extension)
    predictor = _shipped_predictor(xml, image_store, settings)
    try:
        key = predictor.image_key()
    except ValueError as error:
        wrong_call(str(error))
    left_out: dict[str, str] = {}
    tasks = 0
    with open_output(output) as file:
        read = track_progress(prefetch_files(files, image_store.open_decoded, ahead=BATCH), "predicting", total=len(files))
        for batch in _readable_batches(read, left_out):
            image_store.hold(batch)
            predictions = predictor.predict([Task(id=tasks, data={key: path}) for path in batch])
            for path, prediction in zip(batch, predictions, strict=True):
                if prediction.problem:
                    left_out[path] = prediction.problem
                    continue
                task = {"data": {key: path}, "predictions": [prediction.as_json()]}
                file.write((",\n" if tasks else "[\n").encode() + json.dumps(task).encode())
                tasks += 1
        if not tasks:
            path, reason = next(iter(left_out.items()))
            stop(f"none of {len(files)} images could be read; the first was {path}: {reason}")
        file.write(b"\n]\n")
    end_with_left_out(left_out)


def _shipped_predictor(xml: str, image_store: LocalImageStore, settings: Settings) -> Predictor:
    """Return the predictor with the shipped heads, as of a project without annotations, for the images of `image_store`."""
    from backend.heads.errors import HeadError
    from backend.lvm.checkpoint import CheckpointError
    from backend.prediction.factory import SHIPPED_VERSION, PredictorFactory
    from backend.prediction.project_heads import ProjectHeads
    from sync.files.cache import FileCache
    from sync.labelling.config import LabelConfigError, parse

    cache = FileCache(settings.cache_dir, max_bytes=settings.cache_max_bytes)
    builder = PredictorFactory(image_store, cache, None, sam_checkpoint=settings.sam_checkpoint)
    try:
        return builder.build(parse(xml), ProjectHeads(), version=SHIPPED_VERSION)
    except (CheckpointError, HeadError, LabelConfigError) as error:
        stop_for(error)


def _readable_batches(
    read: Iterable[tuple[str, StoredImage | ImageError]], left_out: dict[str, str]
) -> Iterator[dict[str, StoredImage]]:
    """Yield batches of images by path; add the errors of unreadable ones to `left_out`."""
    from backend.images.store import StoredImage

    batch: dict[str, StoredImage] = {}
    for path, image in read:
        if not isinstance(image, StoredImage):
            left_out[path] = str(image)
            continue
        batch[path] = image
        if len(batch) == BATCH:
            yield batch
            batch = {}
    if batch:
        yield batch
