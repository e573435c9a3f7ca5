"""Every command that reads images takes files, folders, patterns, Parquet files and objects of a bucket."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from astropy.io import fits
from typer.testing import Result

pytestmark = pytest.mark.slow

Run = Callable[..., Result]
SIZE = 48
NAMES = ("a", "b", "c")
OPTIONS = {
    "predict": ("--config", "morphology", "--output", "out.csv"),
    "embed": ("--output", "out.npz"),
    "segment": ("--point", "24,24", "--output", "out"),
    "measure": ("--catalogue", "out.csv", "--objects", "central"),
    "restore": ("--denoise", "--output", "out"),
}
WORDS = ("in/b.fits", "in", "in/*.fits", "rows.parquet", "s3://sky/in/*.fits")
"""A file, a folder, a pattern, a file of rows and a bucket: nine images, since each file is taken once."""


@pytest.fixture(autouse=True)
def _images(tmp_path: Path, run: Run, s3: Any) -> None:
    """Write the same three galaxies as files, as rows of a Parquet file and as objects of a bucket."""
    y, x = np.mgrid[-SIZE // 2 : SIZE // 2, -SIZE // 2 : SIZE // 2]
    (tmp_path / "in").mkdir()
    contents = []
    for number, name in enumerate(NAMES):
        noise = np.random.default_rng(number).standard_normal((SIZE, SIZE))
        path = tmp_path / "in" / f"{name}.fits"
        fits.PrimaryHDU((400 * np.exp(-np.hypot(x, y) / (2 + number)) + noise).astype(np.float32)).writeto(path)
        contents.append(path.read_bytes())
        s3.put_object(Bucket="sky", Key=f"in/{name}.fits", Body=contents[-1])
    parquet.write_table(pa.table({"id": list(NAMES), "image": contents}), tmp_path / "rows.parquet")


def written_names(command: str) -> list[str]:
    """Return the names, without folders and suffixes, of the images whose results a command has written."""
    if command == "embed":
        names = np.load("out.npz")["id"].tolist()
    elif command in ("segment", "restore"):
        names = [
            path.stem.partition("-")[0] for path in sorted(Path("out").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        ]
    else:
        names = [row["file"] for row in csv.DictReader(Path("out.csv").read_text().splitlines())]
    return [Path(name).stem for name in names]


@pytest.mark.parametrize("command", OPTIONS)
def test_a_command_reads_every_kind_of_input_up_to_the_limit(run: Run, command: str) -> None:
    result = run(command, *WORDS, *OPTIONS[command], "--limit", 8)
    assert result.exit_code == 0, result.output
    assert written_names(command) == ["b", "a", "c", "a", "b", "c", "a", "b"]


def test_inspect_describes_every_kind_of_input_up_to_the_limit(run: Run) -> None:
    result = run("inspect", *WORDS, "--json", "--limit", 8)
    assert result.exit_code == 0, result.output
    descriptions = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(description["file"]).stem for description in descriptions] == ["b", "a", "c", "a", "b", "c", "a", "b"]
    assert {tuple(description["shape"]) for description in descriptions} == {(SIZE, SIZE)}


def test_inspect_names_parquet_files_with_other_data_and_broken_rows(run: Run, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"ra": [1.0], "dec": [2.0]}), tmp_path / "in" / "catalogue.parquet")
    parquet.write_table(pa.table({"image": [b"no image"]}), tmp_path / "in" / "rows.parquet")
    Path("in/broken.parquet").write_bytes(b"PAR1")
    result = run("inspect", "in/broken.parquet", "in", "--json")
    assert result.exit_code == 1
    by_name = {Path(row["file"]).name: row for row in map(json.loads, result.stdout.splitlines())}
    assert (by_name["catalogue.parquet"]["format"], by_name["catalogue.parquet"]["positions"]) == ("catalogue", 1)
    assert "is not a PNG" in by_name["rows.parquet#0"]["problems"][0]
    assert "Parquet" in by_name["broken.parquet"]["problems"][0]


@pytest.mark.parametrize("word", ["s3://nobucket/a", "s3://sky/none/*.fits", "empty"])
def test_inspect_refuses_an_input_without_files(run_rejected: Callable[..., str], word: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert word.removeprefix("s3://").split("/")[0] in run_rejected("inspect", word)


@pytest.mark.parametrize("word", ["s3://sky/none/*.fits", "s3://nobucket/a", "text.parquet", "empty"])
@pytest.mark.parametrize("command", OPTIONS)
def test_an_input_without_images_is_named_in_one_sentence(
    run_rejected: Callable[..., str], command: str, word: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    parquet.write_table(pa.table({"text": ["a"]}), tmp_path / "text.parquet")
    assert word.removeprefix("s3://").split("/")[0] in run_rejected(command, word, *OPTIONS[command])


def test_a_table_in_a_folder_is_left_out_with_a_notice(run: Run, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"ra": [1.0]}), tmp_path / "in" / "catalogue.parquet")
    parquet.write_table(pa.table({"image": [b"no image"]}), tmp_path / "in" / "more.parquet")
    result = run("embed", "in", "--output", "out.npz")
    assert result.exit_code == 1
    assert "in/catalogue.parquet has no column `image`" in result.stderr
    assert "in/more.parquet#0: the image starts with" in result.stderr
    assert written_names("embed") == list(NAMES)


def test_rows_with_equal_ids_keep_their_own_predictions(run: Run, tmp_path: Path) -> None:
    contents = [(tmp_path / "in" / f"{name}.fits").read_bytes() for name in NAMES]
    parquet.write_table(pa.table({"id": ["same"] * 3, "image": contents}), tmp_path / "same.parquet")
    results = []
    for word in ("in", "same.parquet"):
        assert run("predict", word, *OPTIONS["predict"]).exit_code == 0
        rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
        results.append([[value for name, value in row.items() if name.startswith("morphology:")] for row in rows])
    assert results[0] == results[1]
    assert results[0][0] != results[0][1]


def test_tasks_of_a_bucket_have_its_addresses_and_rows_need_a_prefix(run: Run, run_rejected: Callable[..., str]) -> None:
    words = ("--config", "morphology", "--output", "out.json")
    assert run("predict", "s3://sky/in", *words).exit_code == 0
    assert '"s3://sky/in/a.fits"' in Path("out.json").read_text()
    assert "leave out --url-prefix" in run_rejected("predict", "s3://sky/in", *words, "--url-prefix", "https://a/")
    assert "rows, which have no address" in run_rejected("predict", "rows.parquet", *words)
    assert run("predict", "rows.parquet", *words, "--url-prefix", "https://a/").exit_code == 0
    assert '"https://a/b"' in Path("out.json").read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("embed", "in", "--output", "out.npy"), "must end in .npz"),
        (("predict", "in", "--config", "boxes", "--output", "out.xml"), "must end in .json"),
        (("measure", "in", "--catalogue", "out.json"), "must end in one of"),
        (("segment", "in/a.fits", "--point", "5,5", "--output", "out.jpg"), "must end in .png"),
        (("segment", "in", "--point", "5,5", "--output", "out.png"), "name a folder"),
        (("restore", "in/a.fits", "--denoise", "--output", "out.png"), "must end in .fits"),
        (("restore", "in", "--denoise", "--output", "out.fits"), "name a folder"),
        (("inspect", "in/a.fits", "--picture", "out.jpg"), "must end in .png"),
        (("similar", "7", "--task", "1", "--survey", "in", "--output", "out.txt"), "must end in .csv"),
        (
            ("pretrain", "rows.parquet", "--output", "o.safetensors", "--start", "no.safetensors"),
            "there is no file no.safetensors",
        ),
        (("pretrain", "rows.parquet", "--output", "o.safetensors", "--freeze-statistics"), "name it with --start"),
        (("pretrain", "rows.parquet", "--output", "o.safetensors", "--votes-projector"), "add it to --objectives"),
        (
            ("pretrain", "rows.parquet", "--output", "o.safetensors", "--network", "swin"),
            "choose efficientnet-lite0, swin-compact",
        ),
        (("pretrain", "rows.parquet", "--output", "out.pt"), "must end in .safetensors"),
    ],
)
def test_a_wrong_suffix_is_refused_before_any_work(
    run_rejected: Callable[..., str], words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in run_rejected(*words)
