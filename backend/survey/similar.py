"""The images of a survey that are most similar to chosen galaxies, from the embeddings in its parts.

The parts are read in chunks, and only the most similar images so far are kept: memory does not grow with the survey.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.active.pool import Axes
from backend.active.similarity import similarity_to
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, fingerprint
from backend.survey.columns import EMBEDDING
from backend.survey.errors import SurveyError
from backend.survey.folder import SurveyFolder, read_begun_run

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
    axes = Axes.of(np.concatenate([vector, *(chunk[1] for chunk in first if chunk is not None)]))
    query = axes.project(vector)
    ids: NDArray[np.object_] = np.empty(0, object)
    best_scores: NDArray[np.float32] = np.empty(0, np.float32)
    for part in show(parts):
        for names, rows in _chunks(part, rows=CHUNK):
            ids = np.concatenate([ids, names])
            best_scores = np.concatenate([best_scores, similarity_to(axes.project(rows), query)])
            order = np.argsort(-best_scores, kind="stable")[:limit]
            ids, best_scores = ids[order], best_scores[order]
    return list(zip(ids.tolist(), best_scores.tolist(), strict=True))


def _chunks(part: Path, *, rows: int) -> Iterator[tuple[NDArray[np.object_], NDArray[np.float32]]]:
    """Yield ids and embeddings of the images of a part that could be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(part) as file:
            for batch in file.iter_batches(rows, columns=["id", EMBEDDING]):
                table = pa.Table.from_batches([batch]).filter(batch.column(EMBEDDING).is_valid())
                for piece in table.to_batches():
                    column = piece.column(EMBEDDING)
                    embeddings = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
                    yield piece.column("id").to_numpy(zero_copy_only=False), embeddings.reshape(len(column), -1)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise SurveyError(f"{part} cannot be read: {str(error).splitlines()[0]}") from error
