"""`read_export` reads the table of an export."""

from __future__ import annotations

from pathlib import Path

import pytest
from astropy.table import Table

import galaxyloop


@pytest.mark.parametrize("name", ["objects.ecsv", "objects.vot", "objects.fits"])
def test_the_table_of_each_format_is_read(name: str, tmp_path: Path) -> None:
    table = Table({"task": [1, 2], "class": ["Spiral", "Merger"]})
    table.write(tmp_path / name, **({"format": "votable"} if name.endswith(".vot") else {}))
    assert list(galaxyloop.read_export(tmp_path)["class"]) == ["Spiral", "Merger"]


def test_a_folder_without_a_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="contains none of"):
        galaxyloop.read_export(tmp_path)
