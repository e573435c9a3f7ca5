"""`galaxyloop predict`: predict local images without a server, as tasks for Label Studio or as a table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from backend.cli.catalogue_options import DEFAULT_KEY, KeyOption, SpectraOption, TableOption, check_catalogue_options
from backend.cli.chosen_heads import ChosenHeads, ConfigOption, ProjectOption, VersionOption
from backend.cli.output import open_output, reject_input
from backend.cli.prediction_table import PredictionTable
from backend.cli.progress import show_step, track_items
from backend.cli.startup import read_settings
from backend.cli.terminal import (
    INCOMPLETE,
    AsJson,
    Extension,
    ImagePaths,
    Limit,
    console,
    end_with_left_out,
    notices,
    print_json,
    stop,
    stop_for,
    wrong_call,
)
from backend.jobs.memory import keep_freed_memory

if TYPE_CHECKING:
    from backend.cli.prediction_inputs import PredictionInput
    from backend.images.local import LocalImageStore
    from backend.prediction.predictor import Predictor
    from backend.settings import Settings
    from sync.importing.inputs.images import InputImages

    WriteBatch = Callable[[Sequence[PredictionInput]], dict[str, str]]

__all__ = ["predict"]

MEMORY_CACHE_BYTES = 256 * 2**20
"""Size of the cache of features where there is no data folder."""


def predict(
    paths: ImagePaths,
    output: Annotated[
        Path, typer.Option(help="File to write: .json, tasks with predictions for Label Studio; .csv, a row per image.")
    ],
    config: ConfigOption = None,
    project: ProjectOption = None,
    version: VersionOption = None,
    table: TableOption = None,
    key: KeyOption = DEFAULT_KEY,
    spectra: SpectraOption = None,
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
    check_catalogue_options(table, key, spectra)
    settings = read_settings()
    heads.check_version(settings)
    keep_freed_memory()
    from backend.cli.image_files import open_images
    from backend.cli.prediction_inputs import BATCH, TableOptions, read_batches
    from backend.images.local import LocalImageStore, prefetch_files

    images = open_images(paths, limit=limit if table is None else None, max_bytes=settings.image_max_bytes)
    reject_input(output, [table, *(span.source for span in images.spans)])
    items, item_count = TableOptions(table, key, spectra).join(images, limit=limit)
    if output.suffix == ".json":
        _check_addresses(images, url_prefix)
    image_store = LocalImageStore(max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels, extension=extension)
    with show_step("loading the model"):
        predictor = _open_predictor(heads, image_store, settings)
    try:
        image_key = predictor.image_key()
    except ValueError as error:
        wrong_call(str(error))
    left_out: dict[str, str] = {}
    without_image: dict[str, str] = {}
    row_count = 0
    with open_output(output) as file:
        write: WriteBatch
        if output.suffix == ".csv":
            write, end = _write_table(file, predictor, without_image)
        else:
            write, end = _write_tasks(file, predictor, image_key, url_prefix, without_image)
        pictures = prefetch_files(items, lambda item: image_store.decode(item.read()), ahead=BATCH)
        for batch in read_batches(track_items(pictures, "predicting", total=item_count), image_store, left_out):
            problems = write(batch)
            left_out |= problems
            row_count += len(batch) - len(problems)
        if not row_count:
            path, reason = next(iter(left_out.items()))
            stop(f"none of {item_count} images could be read; the first was {path}: {reason}")
        end()
    if as_json:
        figures = {"output": str(output), "version": predictor.version, "images": row_count}
        print_json(figures | {"without_image": without_image, "left_out": left_out})
    else:
        count = "1 image" if row_count == 1 else f"{row_count:,} images"
        console.print(f"{output}: {count} predicted by {predictor.version}", highlight=False, soft_wrap=True)
    for name, reason in without_image.items():
        notices.print(f"{name}: predicted without its image: {reason}", highlight=False, soft_wrap=True)
    end_with_left_out(left_out)
    if without_image:
        raise typer.Exit(INCOMPLETE)


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


def _write_tasks(
    file: IO[bytes], predictor: Predictor, key: str, url_prefix: str, without_image: dict[str, str]
) -> tuple[WriteBatch, Callable[[], None]]:
    """Return functions that write a batch of images as tasks and return what is left out, and that end the file.

    Unreadable images that were predicted all the same are added to `without_image`, with the reason.
    """
    from backend.prediction.predictor import PredictionTask

    count = 0

    def write(batch: Sequence[PredictionInput]) -> dict[str, str]:
        nonlocal count
        problems: dict[str, str] = {}
        predictions = predictor.predict(
            [PredictionTask(id=number, data={**each.data, key: str(number)}) for number, each in enumerate(batch)]
        )
        for each, prediction in zip(batch, predictions, strict=True):
            if prediction.problem and not prediction.result:
                problems[each.name] = prediction.problem
                continue
            if prediction.problem:
                without_image[each.name] = prediction.problem
            data = {**each.columns, key: _address(each.name, url_prefix)}
            task = {"data": data, "predictions": [prediction.as_json()]}
            file.write((",\n" if count else "[\n").encode() + json.dumps(task).encode())
            count += 1
        return problems

    def end() -> None:
        file.write(b"\n]\n")

    return write, end


def _write_table(file: IO[bytes], predictor: Predictor, without_image: dict[str, str]) -> tuple[WriteBatch, Callable[[], None]]:
    """Return functions that write a batch of images as rows and return what is left out, and that end the file.

    Unreadable images that were predicted all the same are added to `without_image`, with the reason.
    """
    from backend.prediction.rows import predict_rows
    from sync.errors.images import ImageError
    from sync.labelling.quantities import unit_of

    controls = [model.control for model in predictor.models]
    table = PredictionTable(file, predictor.version, {control.name: unit for control in controls if (unit := unit_of(control))})

    def write(batch: Sequence[PredictionInput]) -> dict[str, str]:
        problems: dict[str, str] = {}
        references, data = [str(number) for number in range(len(batch))], [each.data for each in batch]
        models, extractor = predictor.models, predictor.extractor
        rows_of_images = predict_rows(references, models, extractor, blocks=predictor.blocks, data=data)
        for each, rows in zip(batch, rows_of_images, strict=True):
            if isinstance(rows, ImageError) or (rows[0].image is None and not any(row.has_value for row in rows[1].values())):
                problems[each.name] = str(rows) if isinstance(rows, ImageError) else rows[0].problem
            else:
                table.write(each.name, rows)
                if rows[0].image is None:
                    without_image[each.name] = rows[0].problem
        return problems

    return write, table.close


def _open_predictor(heads: ChosenHeads, image_store: LocalImageStore, settings: Settings) -> Predictor:
    """Return the predictor of the chosen heads for the images of `image_store`."""
    from backend.heads.errors import HeadError
    from backend.lvm.checkpoint import CheckpointError
    from backend.prediction.factory import PredictorFactory
    from sync.files.cache import Cache, FileCache, MemoryCache
    from sync.labelling.config import LabelConfigError

    cache: Cache = MemoryCache(max_bytes=MEMORY_CACHE_BYTES)
    if settings.data_dir.is_dir():  # predictions without a project need no data folder, and create none
        cache = FileCache(settings.cache_dir, max_bytes=settings.cache_max_bytes)
    factory = PredictorFactory(image_store, cache, None, sam_checkpoint=settings.sam_checkpoint)
    try:
        return heads.bundle(settings).predictor(factory)
    except (CheckpointError, HeadError, LabelConfigError) as error:
        stop_for(error)
