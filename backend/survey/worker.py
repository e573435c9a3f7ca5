"""From the images of a part to the part: they are read, decoded and looked at a few at a time, and become a Parquet file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from backend.cluster.version_bundle import VersionBundle
from backend.images.store import ImageStore, StoredImage, image_key
from backend.prediction.control_models import Filler
from backend.prediction.factory import PredictorFactory
from backend.prediction.features import ImageFeatures
from backend.prediction.predictor import NOTHING_TO_ASK
from backend.survey.columns import Said, ask, column_of, make_batch, make_schema
from backend.survey.description import check_build
from sync.errors.failures import attempt, attempt_together
from sync.errors.images import ImageError
from sync.files.cache import MemoryCache
from sync.images.fits_extraction import pick_extension
from sync.importing.inputs.bucket import DeniedError
from sync.importing.inputs.collection import Collection, Span
from sync.importing.inputs.item import InputError

__all__ = ["Given", "Job", "Part", "SurveyWorker"]

BATCH = 32
"""Images looked at together: the encoder is a quarter faster with 32 than with 8."""
BATCH_PIXELS = 8_000_000
"""Or fewer, where they are large: a pixel takes twelve bytes, and the next batch is decoded meanwhile."""
SEEN_BYTES = 256 * 2**20
"""Feature maps of one batch, which several heads ask for: after it nobody asks again, so they are not put on the disk."""
ENOUGH_DENIED = 8
"""So many images that may not be read, and none that may, are the fault of whoever asks; a few may be private ones."""

Item = TypeVar("Item")

Given = tuple[VersionBundle, Path, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Job:
    """A part to make: its number in the plan, and its images."""

    number: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part that is made.

    Attributes
    ----------
    content : bytes
        Of a Parquet file.
    images, unreadable : int
        Rows, and those of them that have an error in the place of everything else.
    """

    number: int
    content: bytes
    images: int
    unreadable: int

    def __len__(self) -> int:
        return self.images


class SurveyWorker:
    """Makes parts, in this process or in one of a cluster.

    Parameters
    ----------
    given : (CarriedVersion, Path, mapping)
        The version that predicts, what relative paths are relative to, and what the run is.

    Raises
    ------
    ValueError
        If the labelling config has nothing to fill, or several images a task.
    SurveyError
        If this machine would make other parts than the one that the run was begun on.
    """

    def __init__(self, given: Given) -> None:
        bundle, folder, run = given
        check_build(run, bundle)
        self._max_pixels = bundle.settings.image_max_pixels
        self._input = str(run["input"])
        self._extension = str(run.get("extension", ""))
        self._collection = Collection(max_bytes=bundle.settings.image_max_bytes, folder=folder)
        self._held = _HeldPictures()
        seen = MemoryCache(max_bytes=SEEN_BYTES)
        builder = PredictorFactory(self._held, seen, seen, sam_checkpoint=bundle.settings.sam_checkpoint)
        predictor = bundle.predictor(builder)
        predictor.image_key()
        self._version = predictor.version
        self._fillers: Sequence[Filler] = predictor.fillers
        self._extractor = builder.extractor
        self._schema = make_schema(self._fillers, dimension=self._extractor.dimension, run=run)

    def work(self, job: Job) -> Part:
        """Make a part.

        Raises
        ------
        SourceError
            If what the images come from fails, or denies all; a single image that cannot be read is a row with an error.
        """
        self._collection.check(self._input)
        content = io.BytesIO()
        images = unreadable = denied = 0
        with parquet.ParquetWriter(content, self._schema, compression="zstd") as writer:
            batches = []
            for read in _prefetch_one(self._batches(job.spans)):
                rows, embeddings = self._rows(read)
                batches.append(make_batch(rows, embeddings, self._schema))
                images += len(rows)
                unreadable += sum(row["error"] is not None for row in rows)
                denied += sum(isinstance(one, DeniedError) for _, one in read)
            if images == denied >= ENOUGH_DENIED:
                raise InputError(f"all {images} images of part {job.number} were denied, as the first: {rows[0]['error']}")
            writer.write_table(pa.Table.from_batches(batches, self._schema))
        return Part(job.number, content.getvalue(), images, unreadable)

    def _batches(self, spans: Iterable[Span]) -> Iterator[list[tuple[str, StoredImage | ImageError]]]:
        """Decoded pictures, as many together as memory allows."""
        batch: list[tuple[str, StoredImage | ImageError]] = []
        pixels = 0
        for name, content in self._collection.read(spans):
            one = content if isinstance(content, ImageError) else _decoded(content, self._max_pixels, self._extension)
            batch.append((name, one))
            pixels += one.pixels.shape[0] * one.pixels.shape[1] if isinstance(one, StoredImage) else 0
            if len(batch) == BATCH or pixels >= BATCH_PIXELS:
                yield batch
                batch, pixels = [], 0
        if batch:
            yield batch

    def _rows(self, read: list[tuple[str, StoredImage | ImageError]]) -> tuple[list[dict[str, Any]], list[Any]]:
        rows: list[dict[str, Any]] = [
            {"id": _printable(name), "error": str(one) if isinstance(one, ImageError) else None} for name, one in read
        ]
        embeddings: list[Any] = [None] * len(rows)
        good = [index for index, (_, one) in enumerate(read) if isinstance(one, StoredImage)]
        for index, asked in zip(good, self._ask([one for _, one in read if isinstance(one, StoredImage)]), strict=True):
            if isinstance(asked, ImageError):
                rows[index]["error"] = str(asked)
                continue
            features, answers = asked
            height, width = features.picture.pixels.shape[:2]
            rows[index] |= {"width": width, "height": height, "version": self._version, "score": _score(answers)}
            rows[index] |= {name: answer for name, (answer, _) in answers.items()}
            embeddings[index] = features.embedding
        return rows, embeddings

    def _ask(self, pictures: list[StoredImage]) -> list[tuple[ImageFeatures, dict[str, Said]] | ImageError]:
        """What is seen of each picture, and what the heads say of it by column; or why nothing is."""
        asked: list[ImageFeatures | ImageError] = self._extract_features(pictures)
        said: list[dict[str, Said]] = [{} for _ in pictures]
        for filler in self._fillers:
            seen = [(index, one) for index, one in enumerate(asked) if isinstance(one, ImageFeatures)]
            answers = attempt_together(partial(ask, filler), [one for _, one in seen])
            for (index, _), answer in zip(seen, answers, strict=True):
                if isinstance(answer, ImageError):
                    asked[index] = answer
                else:
                    said[index][column_of(filler.control)] = answer
        return [(one, own) if isinstance(one, ImageFeatures) else one for one, own in zip(asked, said, strict=True)]

    def _extract_features(self, pictures: list[StoredImage]) -> list[ImageFeatures | ImageError]:
        if not pictures:
            return []
        self._held.pictures = {str(number): picture for number, picture in enumerate(pictures)}
        return self._extractor.extract_features(
            list(self._held.pictures),
            embed=True,
            extractions=[settings for filler in self._fillers if (settings := filler.needs_sources)],
            look=any(filler.needs_look for filler in self._fillers),
        )


class _HeldPictures(ImageStore):
    """A gallery of the pictures of one batch, by their numbers."""

    def __init__(self) -> None:
        self.pictures: dict[str, StoredImage] = {}

    def open(self, reference: str) -> StoredImage:
        return self.pictures[reference]


def _decoded(content: bytes, max_pixels: int, extension: str) -> StoredImage | ImageError:
    def decode_picture() -> StoredImage:
        chosen = pick_extension(content, extension)
        picture = StoredImage(image_key(chosen), lambda: chosen, max_pixels)
        _ = picture.pixels  # computed once and kept with the picture
        return picture

    return attempt(decode_picture)


def _printable(name: str) -> str:
    """A name as UTF-8 can hold it: bytes of a file's name that are none are written as escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _score(answers: Mapping[str, Said]) -> float:
    """How sure the heads are together, as the annotator says it of a task."""
    sure = [one for _, one in answers.values() if one is not None]
    return float(np.mean(sure)) if sure else NOTHING_TO_ASK


def _prefetch_one(items: Iterator[Item]) -> Iterator[Item]:
    """Give items on, while another thread makes the next: decoding and the model compute without Python's lock."""
    with ThreadPoolExecutor(1, thread_name_prefix="decoding") as beside:
        coming: Future[Item | None] = beside.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = beside.submit(next, items, None)
            yield item
