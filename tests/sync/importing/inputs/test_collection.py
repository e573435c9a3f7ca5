"""Collections: listed in spans, read in order; errors of one image and of the whole run are distinguished."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from sync.errors.images import ImageError
from sync.importing.inputs.collection import Collection, Span
from sync.importing.inputs.item import InputError

MAX_BYTES = 1000


@pytest.fixture
def collection() -> Collection:
    return Collection(max_bytes=MAX_BYTES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return images in a folder and its subfolders, a file of rows, and other files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("b.png", "a.JPG", "deep/c.fits", "notes.txt", ".hidden.png"):
        (tmp_path / "in" / name).write_bytes(name.encode())
    parquet.write_table(
        pa.table({"image": [b"one", b"two", b"three"], "id": ["1", "2", "3"]}), tmp_path / "in" / "rows.parquet"
    )
    return tmp_path / "in"


def read(collection: Collection, *spans: Span) -> list[tuple[str, str | bytes]]:
    return [(name, str(content) if isinstance(content, ImageError) else content) for name, content in collection.read(spans)]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("word", "sources"),
    [
        ("in", ["in/a.JPG", "in/b.png", "in/rows.parquet", "in/deep/c.fits"]),
        ("in/b.png", ["in/b.png"]),
        ("in/notes.txt", ["in/notes.txt"]),
        ("in/*.png", ["in/b.png"]),
        ("in/**/*.fits", ["in/deep/c.fits"]),
        ("in/d*", ["in/deep/c.fits"]),
        ("in/[ab]*", ["in/a.JPG", "in/b.png"]),
        ("in/**", ["in/a.JPG", "in/b.png", "in/deep/c.fits", "in/notes.txt", "in/rows.parquet"]),
        ("**/deep/**/*.fits", ["in/deep/c.fits"]),
        ("**/**/*.fits", ["in/deep/c.fits"]),
    ],
)
def test_an_input_is_a_folder_a_file_or_a_pattern(collection: Collection, word: str, sources: list[str]) -> None:
    assert [span.source for span in collection.find(word)] == sources


@pytest.mark.usefixtures("folder")
def test_a_parquet_file_is_a_span_of_its_rows(collection: Collection) -> None:
    (span,) = collection.find("in/rows.parquet")
    assert span == Span("in/rows.parquet", 0, 3, span.fingerprint)
    assert [name for name, _ in collection.read(span.split(2))] == ["1", "2", "3"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("word", "reason"), [("nowhere", "nowhere does not exist"), ("in/*.gif", "there is no image in")])
def test_an_input_without_images_gives_one_sentence(collection: Collection, word: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        list(collection.find(word))


def test_a_folder_is_listed_lazily(collection: Collection, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.png").touch()
    spans = collection.find(str(tmp_path))
    assert next(spans).source.endswith("a/one.png")
    (tmp_path / "b" / "two.png").touch()
    assert [Path(span.source).name for span in spans] == ["one.png", "two.png"]


@pytest.mark.usefixtures("folder")
def test_images_are_in_order_although_several_are_read_at_once(collection: Collection) -> None:
    Path("in/many").mkdir()
    names = [f"in/many/{number}.png" for number in range(100)]
    for name in names:
        Path(name).write_text(name)
    assert read(collection, *map(Span, names)) == [(name, name.encode()) for name in names]


@pytest.mark.usefixtures("folder")
def test_only_a_few_images_are_prefetched(collection: Collection) -> None:
    requests = itertools.count()
    spans = (Span("in/b.png") for _ in iter(lambda: next(requests), 1000))
    images = collection.read(spans)
    next(images)
    assert next(requests) < 50


@pytest.mark.usefixtures("folder")
def test_an_unreadable_image_is_replaced_by_its_reason(collection: Collection) -> None:
    Path("in/large.png").write_bytes(bytes(MAX_BYTES + 1))
    results = read(collection, Span("in/gone.png"), Span("in/b.png"), Span("in/large.png"), Span("in"))
    assert [name for name, _ in results] == ["in/gone.png", "in/b.png", "in/large.png", "in"]
    assert results[0][1] == "there is no such file"
    assert results[1][1] == b"b.png"
    assert "more than the 1000 of GALAXYLOOP_IMAGE_MAX_BYTES" in results[2][1]
    assert results[3][1] == "this is not a file"


@pytest.mark.usefixtures("folder")
def test_a_failing_disk_ends_the_run(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fails)
    with pytest.raises(InputError, match=r"in/b\.png cannot be read: Input/output error"):
        read(collection, Span("in/b.png"))


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., str]:
    """Return a function that writes a Parquet file of `n` rows."""

    def write(count: int, *, row_group_size: int = 10, column: str = "image") -> str:
        images = [f"image {number}".encode() for number in range(count)]
        file = tmp_path / "many.parquet"
        parquet.write_table(pa.table({column: images}), file, row_group_size=row_group_size)
        return str(file)

    return write


@pytest.mark.parametrize(("first", "count"), [(0, 25), (0, 3), (9, 2), (10, 10), (24, 1), (13, 12)])
def test_any_rows_of_a_parquet_file_can_be_read(
    collection: Collection, rows: Callable[..., str], first: int, count: int
) -> None:
    file = rows(25)
    results = read(collection, Span(file, first, count))
    assert results == [(f"{file}#{number}", f"image {number}".encode()) for number in range(first, first + count)]


def test_the_name_of_a_row_is_its_id_or_path(collection: Collection, tmp_path: Path) -> None:
    hub = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    images = pa.array([{"bytes": b"one", "path": "a.png"}, {"bytes": None, "path": "b.png"}, None], hub)
    parquet.write_table(pa.table({"image": images}), tmp_path / "hub.parquet")
    results = read(collection, *collection.find(str(tmp_path / "hub.parquet")))
    assert results == [
        ("a.png", b"one"),
        ("b.png", "the row has no image"),
        (f"{tmp_path / 'hub.parquet'}#2", "the row has no image"),
    ]
    parquet.write_table(pa.table({"id": [7], "image": [b"one"]}), tmp_path / "ids.parquet")
    assert read(collection, *collection.find(str(tmp_path / "ids.parquet"))) == [("7", b"one")]


def test_a_parquet_file_without_images_gives_one_sentence(
    collection: Collection, rows: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="has no column `image` with encoded images, only picture"):
        list(collection.find(rows(3, column="picture")))
    parquet.write_table(pa.table({"image": ["a path"]}), tmp_path / "texts.parquet")
    with pytest.raises(InputError, match="holds string, not the bytes of encoded images"):
        list(collection.find(str(tmp_path / "texts.parquet")))
    (tmp_path / "broken.parquet").write_text("no Parquet")
    with pytest.raises(InputError, match=r"broken\.parquet cannot be read as Parquet"):
        list(collection.find(str(tmp_path / "broken.parquet")))


def test_rows_of_a_replaced_file_are_not_read(collection: Collection, rows: Callable[..., str]) -> None:
    (span,) = collection.find(rows(25))
    for size in (24, 26):
        file = rows(size)
        with pytest.raises(InputError, match=r"many\.parquet has changed since its rows were counted"):
            read(collection, span)
    with pytest.raises(InputError, match=r"has only 6 of the rows 20 to 29"):
        read(collection, Span(file, 20, 10))


def test_a_copy_of_a_parquet_file_is_the_same_file(collection: Collection, rows: Callable[..., str], tmp_path: Path) -> None:
    (span,) = collection.find(rows(25))
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "many.parquet"
    copy.write_bytes(Path(span.source).read_bytes())
    os.utime(copy, (0, 0))
    assert len(read(collection, replace(span, source=str(copy)))) == 25


def test_rows_in_a_damaged_page_have_a_reason_and_earlier_rows_are_read(collection: Collection, tmp_path: Path) -> None:
    file = tmp_path / "damaged.parquet"
    images = [bytes([number]) * 500 for number in range(20)]
    parquet.write_table(pa.table({"image": images}), file, row_group_size=10, compression="zstd", use_dictionary=False)
    start = parquet.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(file.read_bytes())
    content[start : start + 40] = b"\xff" * 40
    file.write_bytes(content)
    results = read(collection, Span(str(file), 0, 20))
    assert len(results) == 20
    assert [content for _, content in results[:10]] == images[:10]
    assert all("the Parquet file is damaged here" in str(content) for _, content in results[10:])
