"""Computes a part: reads, decodes and predicts its images in batches, and writes them as a Parquet file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from backend.cluster.version_bundle import VersionBundle
from backend.prediction.control_models.control_model import ControlModel
from backend.prediction.control_models.results import ControlRow
from backend.prediction.control_models.training_data import embedding_of
from backend.prediction.factory import PredictorFactory
from backend.prediction.predictor import EMPTY_SCORE
from backend.prediction.rows import ImageRows, predict_rows
from backend.survey.catalogue import SurveyCatalogue
from backend.survey.columns import INPUTS, MISSING, WRITE_OPTIONS, column_of, make_batch, make_schema
from backend.survey.description import check_build
from backend.survey.galaxies import BatchImages, SurveyGalaxy, read_galaxy
from sync.errors.images import ImageError
from sync.files.cache import MemoryCache
from sync.importing.inputs.collection import Collection, Span
from sync.importing.inputs.item import InputError
from sync.importing.s3_client import DeniedError

__all__ = ["SurveyJob", "SurveyPart", "SurveyWorker", "WorkerArguments"]

BATCH = 32
"""Images per batch: the encoder is a quarter faster with 32 than with 8."""
BATCH_PIXELS = 8_000_000
"""Largest number of pixels per batch: a pixel takes twelve bytes, and the next batch is decoded during the prediction."""
FEATURE_BYTES = 256 * 2**20
"""Size of the cache of feature maps, which the heads share. No later batch uses them, so they are not written to disk."""
ENOUGH_DENIED = 8
"""If all of at least this many images are denied, the credentials are wrong; a few may be private images."""

Item = TypeVar("Item")

WorkerArguments = tuple[VersionBundle, Path, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class SurveyJob:
    """A part to compute: its number in the plan and its images."""

    number: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class SurveyPart:
    """A finished part.

    Attributes
    ----------
    number : int
        Number of the part in the plan.
    content : bytes
        Parquet file.
    images, unreadable : int
        Number of rows, and of rows with an error instead of a prediction.
    """

    number: int
    content: bytes
    images: int
    unreadable: int

    def __len__(self) -> int:
        return self.images


class SurveyWorker:
    """Computes parts, in this process or in a process of a cluster.

    Parameters
    ----------
    arguments : (VersionBundle, Path, mapping)
        The version that predicts, the folder that relative paths start in, and the description of the run.

    Raises
    ------
    ValueError
        If the labelling config has no control that galaxyloop predicts, or several images per task.
    SurveyError
        If the galaxyloop of this machine differs from the one that the run was started with.
    """

    def __init__(self, arguments: WorkerArguments) -> None:
        bundle, folder, run = arguments
        check_build(run, bundle)
        self._max_pixels = bundle.settings.image_max_pixels
        self._input = str(run["input"])
        self._extension = str(run.get("extension", ""))
        self._collection = Collection(max_bytes=bundle.settings.image_max_bytes, folder=folder)
        self._catalogue = SurveyCatalogue(run)
        self._batch = BatchImages()
        cache = MemoryCache(max_bytes=FEATURE_BYTES)
        factory = PredictorFactory(self._batch, cache, cache, sam_checkpoint=bundle.settings.sam_checkpoint)
        predictor = bundle.predictor(factory)
        predictor.image_key()
        self._version = predictor.version
        self._models: Sequence[ControlModel] = predictor.models
        self._extractor = predictor.extractor
        self._blocks = predictor.blocks
        self._shipped_encoder = factory.shipped_encoder
        self._columns = {model.control.name: column_of(model.control) for model in self._models}
        self._schema = make_schema(self._models, dimension=factory.extractor.dimension, run=run)

    def work(self, job: SurveyJob) -> SurveyPart:
        """Compute a part.

        Raises
        ------
        InputError
            If the disk or bucket fails, or denies all images; a single image that cannot be read is a row with an error.
        """
        self._collection.check(self._input)
        content = io.BytesIO()
        images = unreadable = denied_count = 0
        with parquet.ParquetWriter(content, self._schema, **WRITE_OPTIONS) as writer:
            batches = []
            for batch in _prefetch_one(self._batches(job.spans)):
                rows, embeddings = self._rows(batch)
                batches.append(make_batch(rows, embeddings, self._schema))
                images += len(rows)
                unreadable += sum(row["error"] is not None for row in rows)
                denied_count += sum(isinstance(galaxy.image, DeniedError) for galaxy in batch)
            if images == denied_count >= ENOUGH_DENIED:
                raise InputError(f"all {images} images of part {job.number} were denied, as the first: {rows[0]['error']}")
            writer.write_table(pa.Table.from_batches(batches, self._schema))
        return SurveyPart(job.number, content.getvalue(), images, unreadable)

    def _batches(self, spans: Iterable[Span]) -> Iterator[list[SurveyGalaxy]]:
        """Decode images in batches of limited size."""
        batch: list[SurveyGalaxy] = []
        pixels = 0
        for item in self._catalogue.join(self._collection.read_galaxies(spans)):
            galaxy = read_galaxy(item, max_pixels=self._max_pixels, extension=self._extension)
            batch.append(galaxy)
            pixels += galaxy.pixels
            if len(batch) == BATCH or pixels >= BATCH_PIXELS:
                yield batch
                batch, pixels = [], 0
        if batch:
            yield batch

    def _rows(self, batch: list[SurveyGalaxy]) -> tuple[list[dict[str, Any]], list[Any]]:
        rows: list[dict[str, Any]] = [{"id": _printable(galaxy.name), "error": None} for galaxy in batch]
        embeddings: list[Any] = [None] * len(rows)
        for index, prediction in enumerate(self._predict(batch)):
            if isinstance(prediction, ImageError):
                rows[index]["error"] = str(prediction)
                continue
            features, values = prediction
            if features.image is None:
                rows[index]["error"] = features.problem
                if not any(row.has_value for row in values.values()):
                    continue
            else:
                height, width = features.image.pixels.shape[:2]
                rows[index] |= {"width": width, "height": height}
                # Of the shipped encoder whatever the heads stand on, so that surveys can be compared.
                (embeddings[index],) = self._extractor.columns.read(embedding_of(features)[None], self._shipped_encoder)
            rows[index] |= {"version": self._version, "score": _score(values)}
            rows[index] |= {self._columns[name]: row.value for name, row in values.items()}
            rows[index][INPUTS] = {name: list(row.inputs) for name, row in values.items()}
            rows[index][MISSING] = {name: row.missing or None for name, row in values.items()}
        return rows, embeddings

    def _predict(self, batch: list[SurveyGalaxy]) -> list[ImageRows | ImageError]:
        self._batch.hold(batch)
        references, data = [str(number) for number in range(len(batch))], [galaxy.data for galaxy in batch]
        return predict_rows(references, self._models, self._extractor, blocks=self._blocks, data=data)


def _printable(name: str) -> str:
    """Escape the bytes of a file name that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def _score(answers: Mapping[str, ControlRow]) -> float:
    """Return the mean score of the heads, as the predictor computes it for a task."""
    scores = [row.confidence for row in answers.values() if row.confidence is not None]
    return float(np.mean(scores)) if scores else EMPTY_SCORE


def _prefetch_one(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items while another thread computes the next one: decoding and the model release the interpreter lock."""
    with ThreadPoolExecutor(1, thread_name_prefix="decoding") as pool:
        future: Future[Item | None] = pool.submit(next, items, None)
        while (item := future.result()) is not None:
            future = pool.submit(next, items, None)
            yield item
