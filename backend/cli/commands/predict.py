"""`galaxyloop predict`: predict local images without a server, as tasks for Label Studio or as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from backend.cli.chosen_heads import ChosenHeads, ConfigOption, ProjectOption, VersionOption
from backend.cli.output import open_output
from backend.cli.prediction_table import PredictionTable
from backend.cli.progress import show_step, track_items
from backend.cli.startup import read_settings
from backend.cli.terminal import (
    AsJson,
    Extension,
    ImagePaths,
    Limit,
    console,
    end_with_left_out,
    print_json,
    stop,
    stop_for,
    wrong_call,
)
from backend.jobs.memory import keep_freed_memory

if TYPE_CHECKING:
    from backend.images.local import LocalImageStore
    from backend.images.store import StoredImage
    from backend.prediction.predictor import Predictor
    from backend.settings import Settings
    from sync.errors.images import ImageError
    from sync.importing.inputs.images import InputImages
    from sync.importing.inputs.item import Item

    WriteBatch = Callable[[Sequence[str]], dict[str, str]]

__all__ = ["predict"]

BATCH = 8
"""Images per batch, and prefetched images: sixteen images of 1984 by 1361 pixels are half a gigabyte."""


def predict(
    paths: ImagePaths,
    output: Annotated[
        Path, typer.Option(help="File to write: .json, tasks with predictions for Label Studio; .csv, a row per image.")
    ],
    config: ConfigOption = None,
    project: ProjectOption = None,
    version: VersionOption = None,
    url_prefix: Annotated[
        str, typer.Option(metavar="URL", help="Written before each path, so that Label Studio can open the images.")
    ] = "",
    limit: Limit = None,
    extension: Extension = "",
    as_json: AsJson = False,
) -> None:
    """Write predictions of images, as tasks that Label Studio imports or as CSV; unreadable images are listed and left out."""
    heads = ChosenHeads(config, project, version)
    heads.check()
    if output.suffix not in (".json", ".csv"):
        wrong_call(f"--output {output} must end in .json (tasks for Label Studio) or .csv (a table)")
    if url_prefix and output.suffix == ".csv":
        wrong_call("--url-prefix is for tasks: name a .json file with --output")
    settings = read_settings()
    keep_freed_memory()
    from backend.cli.image_files import open_images
    from backend.images.local import LocalImageStore, prefetch_files

    images = open_images(paths, limit=limit, max_bytes=settings.image_max_bytes)
    if output.suffix == ".json":
        _check_addresses(images, url_prefix)
    image_store = LocalImageStore(max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels, extension=extension)
    with show_step("loading the model"):
        predictor = _open_predictor(heads, image_store, settings)
    try:
        key = predictor.image_key()
    except ValueError as error:
        wrong_call(str(error))
    left_out: dict[str, str] = {}
    row_count = 0
    with open_output(output) as file:
        write: WriteBatch
        if output.suffix == ".csv":
            write, end = _write_table(file, predictor)
        else:
            write, end = _write_tasks(file, predictor, key, url_prefix)
        pictures = prefetch_files(images, lambda item: image_store.decode(item.read()), ahead=BATCH)
        for batch in _readable_batches(track_items(pictures, "predicting", total=len(images)), left_out):
            # By number: rows of two files may have the same name.
            image_store.hold({str(number): image for number, (_, image) in enumerate(batch)})
            problems = write([name for name, _ in batch])
            left_out |= problems
            row_count += len(batch) - len(problems)
        if not row_count:
            path, reason = next(iter(left_out.items()))
            stop(f"none of {len(images)} images could be read; the first was {path}: {reason}")
        end()
    if as_json:
        print_json({"output": str(output), "version": predictor.version, "images": row_count, "left_out": left_out})
    else:
        console.print(f"{output}: {row_count:,} images predicted by {predictor.version}", highlight=False, soft_wrap=True)
    end_with_left_out(left_out)


def _check_addresses(images: InputImages, url_prefix: str) -> None:
    """End with a wrong call if Label Studio could not open an image by the address that its task would have."""
    from sync.importing.s3_client import SCHEME

    for span in images.spans:
        if span.first is not None and not url_prefix:
            wrong_call(f"{span.source} has rows, which have no address: write a .csv file, or name --url-prefix for their ids")
        if url_prefix and span.source.startswith(SCHEME):
            wrong_call(f"{span.source} is an address that Label Studio opens with its storage: leave out --url-prefix")
        if span.first is None and not span.source.startswith(SCHEME):
            _address(span.source, url_prefix)


def _address(name: str, url_prefix: str) -> str:
    """Return what a task has as the address of its image: the name, or the URL prefix and the path from the current folder."""
    if not url_prefix:
        return name
    relative = os.path.relpath(name)
    if relative.startswith(os.pardir):
        wrong_call(f"{name} is outside the current folder: run the command in the folder that {url_prefix} stands for")
    return url_prefix + quote(relative)


def _write_tasks(file: IO[bytes], predictor: Predictor, key: str, url_prefix: str) -> tuple[WriteBatch, Callable[[], None]]:
    """Return functions that write a batch of images as tasks and return what is left out, and that end the file."""
    from backend.prediction.predictor import PredictionTask

    count = 0

    def write(batch: Sequence[str]) -> dict[str, str]:
        nonlocal count
        problems: dict[str, str] = {}
        predictions = predictor.predict([PredictionTask(id=number, data={key: str(number)}) for number in range(len(batch))])
        for path, prediction in zip(batch, predictions, strict=True):
            if prediction.problem:
                problems[path] = prediction.problem
                continue
            task = {"data": {key: _address(path, url_prefix)}, "predictions": [prediction.as_json()]}
            file.write((",\n" if count else "[\n").encode() + json.dumps(task).encode())
            count += 1
        return problems

    def end() -> None:
        file.write(b"\n]\n")

    return write, end


def _write_table(file: IO[bytes], predictor: Predictor) -> tuple[WriteBatch, Callable[[], None]]:
    """Return functions that write a batch of images as rows and return what is left out, and that end the file."""
    from backend.prediction.rows import predict_rows
    from sync.errors.images import ImageError

    table = PredictionTable(file, predictor.version)

    def write(batch: Sequence[str]) -> dict[str, str]:
        problems: dict[str, str] = {}
        references = [str(number) for number in range(len(batch))]
        rows_of_images = predict_rows(references, predictor.models, predictor.extractor, measurer=predictor.measurer)
        for path, rows in zip(batch, rows_of_images, strict=True):
            if isinstance(rows, ImageError):
                problems[path] = str(rows)
            else:
                table.write(path, rows)
        return problems

    return write, table.close


def _open_predictor(heads: ChosenHeads, image_store: LocalImageStore, settings: Settings) -> Predictor:
    """Return the predictor of the chosen heads for the images of `image_store`."""
    from backend.heads.errors import HeadError
    from backend.lvm.checkpoint import CheckpointError
    from backend.prediction.factory import PredictorFactory
    from sync.files.cache import FileCache
    from sync.labelling.config import LabelConfigError

    cache = FileCache(settings.cache_dir, max_bytes=settings.cache_max_bytes)
    factory = PredictorFactory(image_store, cache, None, sam_checkpoint=settings.sam_checkpoint)
    try:
        return heads.bundle(settings).predictor(factory)
    except (CheckpointError, HeadError, LabelConfigError) as error:
        stop_for(error)


def _readable_batches(
    read: Iterable[tuple[Item, StoredImage | ImageError]], left_out: dict[str, str]
) -> Iterator[list[tuple[str, StoredImage]]]:
    """Yield batches of names and images; add the errors of unreadable ones to `left_out`."""
    from backend.images.store import StoredImage

    batch: list[tuple[str, StoredImage]] = []
    for item, image in read:
        if not isinstance(image, StoredImage):
            left_out[item.name] = str(image)
            continue
        batch.append((item.name, image))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
