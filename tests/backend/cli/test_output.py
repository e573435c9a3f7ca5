"""A command's output file is complete or absent."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from backend.cli.output import open_output


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    output = tmp_path / "new" / "file.bin"
    with open_output(output) as file:
        file.write(b"whole")
        assert not output.exists()
    assert output.read_bytes() == b"whole"
    assert list(output.parent.iterdir()) == [output]


def test_an_error_keeps_the_old_file_and_leaves_no_other(tmp_path: Path) -> None:
    output = tmp_path / "file.bin"
    output.write_bytes(b"old")
    with pytest.raises(TypeError), open_output(output) as file:
        file.writelines([b"half", "no bytes"])  # type: ignore[list-item]
    assert output.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [output]


def test_an_output_that_cannot_be_written_is_named_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    for output in (tmp_path, tmp_path / "file" / "below.bin"):
        with pytest.raises(typer.Exit), open_output(output):
            pytest.fail("the work began")
        assert str(output) in capsys.readouterr().err
