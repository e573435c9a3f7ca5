"""Images of an input: named without being read, read in any order, cut at a limit."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from sync.errors.images import ImageError
from sync.importing.inputs.collection import Collection
from sync.importing.inputs.images import InputImages
from sync.importing.inputs.item import InputError


@pytest.fixture
def images(tmp_path: Path) -> InputImages:
    """Return the images of a file of 300 rows in row groups of 40; row n holds n as text, and row 7 none."""
    contents = [None if number == 7 else str(number).encode() for number in range(300)]
    table = pa.table({"id": [f"row {number}" for number in range(300)], "image": pa.array(contents, pa.binary())})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=40)
    return InputImages(list(Collection(max_bytes=99).find(str(tmp_path / "rows.parquet"))), max_bytes=99)


@pytest.mark.parametrize("step", [1, -1, 7, 151])
def test_rows_are_read_in_any_order(images: InputImages, step: int) -> None:
    items = list(images)
    for number in (step * index % 300 for index in range(299)):
        if number == 7:
            with pytest.raises(ImageError, match="no image"):
                items[number].read()
        else:
            assert (items[number].name, items[number].read()) == (f"row {number}", str(number).encode())


def test_a_limit_cuts_rows(images: InputImages) -> None:
    first = images.limit(45)
    assert len(first) == 45
    assert [item.name for item in first][-1] == "row 44"
    assert len(images.limit(None)) == len(images.limit(1000)) == 300


def test_a_file_that_has_changed_is_not_read(images: InputImages, tmp_path: Path) -> None:
    items = list(images)
    parquet.write_table(pa.table({"image": [b"other"] * 300}), tmp_path / "rows.parquet")
    with pytest.raises(InputError, match="has changed"):
        items[0].read()


def test_rows_of_the_hub_are_named_by_their_paths(tmp_path: Path) -> None:
    hub = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    images = pa.array([{"bytes": b"one", "path": "a.png"}, {"bytes": b"two", "path": None}, None], hub)
    parquet.write_table(pa.table({"image": images}), tmp_path / "hub.parquet")
    file = str(tmp_path / "hub.parquet")
    items = list(InputImages(list(Collection(max_bytes=99).find(file)), max_bytes=99))
    assert [item.name for item in items] == ["a.png", f"{file}#1", f"{file}#2"]
    assert items[1].read() == b"two"
