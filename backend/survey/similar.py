"""The images of a survey that are most similar to chosen galaxies, from the embeddings in its parts.

The parts are read in chunks, and only the most similar images so far are kept: memory does not grow with the survey.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.active.pool import PrincipalAxes
from backend.active.similarity import similarity_to
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from backend.survey.columns import EMBEDDING
from backend.survey.errors import SurveyError
from backend.survey.folder import SurveyFolder, read_begun_run

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["most_similar"]

CHUNK = 10_000
SAMPLED_PARTS = 10
SAMPLED_ROWS = 500
"""Rows of each sampled part from which the principal axes are computed."""


def most_similar(
    folder: Path,
    vector: NDArray[np.float32],
    *,
    limit: int,
    show: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> list[tuple[str, float]]:
    """Return the most similar images of a survey, the most similar first.

    Parameters
    ----------
    folder : Path
        Output folder of the survey; it may still be running.
    vector : ndarray, shape (c, d)
        Embeddings of the chosen galaxies, at least one.
    limit : int
        Number of images.
    show : callable
        Yields the parts that it gets, and shows the progress.

    Returns
    -------
    list of (str, float)
        Path and similarity (`backend.active.similarity`) of each image. Images that could not be read are left out.

    Raises
    ------
    SurveyError
        If the folder has no parts of a survey, a part is damaged, or another encoder computed the embeddings.
    """
    run = read_begun_run(folder)
    if run is None:
        raise SurveyError(f"{folder} has no parts of a survey: name the folder that galaxyloop survey has written")
    if run["encoder"] != fingerprint(SHIPPED_CHECKPOINT):
        raise SurveyError(f"the embeddings in {folder} are from another encoder than this one: run the survey again")
    survey_folder = SurveyFolder(folder, run)
    parts = [survey_folder.part_path(number) for number in sorted(survey_folder.finished_parts())]
    sample = parts[:: max(len(parts) // SAMPLED_PARTS, 1)][:SAMPLED_PARTS]
    first = (next(_chunks(part, rows=SAMPLED_ROWS), None) for part in sample)
    axes = PrincipalAxes.of(np.concatenate([vector, *(chunk[1] for chunk in first if chunk is not None)]))
    query = axes.project(vector)
    best = _Best(limit)
    for part in show(parts):
        for ids, rows in _chunks(part, rows=CHUNK):
            best.add(ids, similarity_to(axes.project(rows), query))
    return best.in_order()


class _Best:
    """The most similar images so far.

    The ids of a chunk stay in Arrow: text objects are made for the few images that may be among the most similar ones.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._ids: NDArray[np.object_] = np.empty(0, object)
        self._scores: NDArray[np.float32] = np.empty(0, np.float32)

    def add(self, ids: pa.Array, scores: NDArray[np.float32]) -> None:
        """Add images with their similarities, shape (n,)."""
        is_full = len(self._scores) == self._limit
        rows = np.flatnonzero(scores > (self._scores.min() if is_full else -np.inf))
        if not len(rows):
            return
        if len(rows) > self._limit:
            rows = rows[np.argpartition(-scores[rows], self._limit - 1)[: self._limit]]
        self._scores = np.concatenate([self._scores, scores[rows]])
        self._ids = np.concatenate([self._ids, np.array(ids.take(rows).to_pylist(), object)])
        if len(self._scores) > self._limit:
            best = np.argpartition(-self._scores, self._limit - 1)[: self._limit]
            self._ids, self._scores = self._ids[best], self._scores[best]

    def in_order(self) -> list[tuple[str, float]]:
        """Return ids and similarities, the most similar first; images of equal similarity in the order of their ids."""
        return sorted(zip(self._ids.tolist(), self._scores.tolist(), strict=True), key=lambda image: (-image[1], image[0]))


def _chunks(part: Path, *, rows: int) -> Iterator[tuple[pa.Array, NDArray[np.float32]]]:
    """Yield ids and embeddings of the images of a part that could be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(rows, columns=["id", EMBEDDING]):
                column = batch.column(EMBEDDING)
                ids = batch.column("id").filter(column.is_valid()) if column.null_count else batch.column("id")
                embeddings = column.flatten().to_numpy(zero_copy_only=False)  # without the rows of unreadable images
                yield ids, embeddings.astype(np.float32).reshape(len(ids), column.type.list_size)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise SurveyError(f"{part} cannot be read: {str(error).splitlines()[0]}") from error
