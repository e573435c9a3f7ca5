"""Embeddings of another program are matched with images by task, reference or file name, and never with two images at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.projects.imported_embeddings import EmbeddingsError, read_embeddings_file
from sync.label_studio.tasks import Task
from sync.labelling.config import parse

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

CONFIG = parse(
    '<View><Image name="i" value="$image"/><Choices name="c" toName="i"><Choice value="A"/><Choice value="B"/></Choices></View>'
)


def tasks(*references: str) -> list[Task]:
    return [
        Task(id=number, data={"image": reference}, annotated=False, annotations=0, updated_at="")
        for number, reference in enumerate(references, start=1)
    ]


def write(folder: Path, ids: list[object]) -> Path:
    file = folder / "vectors.parquet"
    parquet.write_table(pa.table({"id": ids, "vector": [[float(number), 1.0] for number in range(len(ids))]}), file)
    return file


@pytest.mark.parametrize("ids", [[1, 2], ["1", "2"], ["a.png", "b.png"], ["/data/a.png", "/data/b.png"]])
def test_an_id_is_the_number_of_a_task_a_reference_or_a_file_name(ids: list[object], tmp_path: Path) -> None:
    match = read_embeddings_file(write(tmp_path, ids), tasks("/data/a.png", "/data/b.png", "/data/c.png"), CONFIG)
    assert match.references == ["/data/a.png", "/data/b.png"]
    assert match.vectors[:, 0].tolist() == [0, 1]
    assert match.missing == 1


def test_a_file_name_of_two_images_is_refused_and_their_references_are_not(tmp_path: Path) -> None:
    images = tasks("/data/g/1.png", "/data/r/1.png")
    with pytest.raises(EmbeddingsError, match=r"'1\.png' in .* is the file name of several images, such as /data/g/1\.png and"):
        read_embeddings_file(write(tmp_path, ["1.png"]), images, CONFIG)
    match = read_embeddings_file(write(tmp_path, ["/data/g/1.png", "/data/r/1.png"]), images, CONFIG)
    assert match.missing == 0


def test_a_number_beyond_32_bits_is_not_finite(tmp_path: Path) -> None:
    file = tmp_path / "vectors.parquet"
    parquet.write_table(pa.table({"id": [1], "vector": [[1e300]]}), file)
    with pytest.raises(EmbeddingsError, match=r"the vector of 1 in .* has values that are not finite"):
        read_embeddings_file(file, tasks("/a.png"), CONFIG)
