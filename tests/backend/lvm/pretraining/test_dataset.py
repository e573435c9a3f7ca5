"""The dataset: images from Parquet, folders and FITS become frames; unreadable ones are reported and left out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from astropy.io import fits
from PIL import Image

parquet = pytest.importorskip("pyarrow.parquet", reason="pre-training needs the extra galaxyloop[pretrain]")

import pyarrow  # noqa: E402

from backend.lvm.pretraining.dataset import DatasetError, read_dataset  # noqa: E402

SIDE = 24


def png(mode: str = "RGB", side: int = 40) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(side).integers(0, 255, (side, side, 3), np.uint8)).convert(mode).save(content, "PNG")
    return content.getvalue()


def write(path: Path, **columns: list[Any]) -> Path:
    parquet.write_table(pyarrow.table(columns), path)
    return path


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_parquet_is_read_as_frames_of_one_size(tmp_path: Path, mode: str) -> None:
    dataset = read_dataset([write(tmp_path / "p.parquet", image=[png(mode, 30), png(mode, 200)], id=["a", "b"])], side=SIDE)
    assert (dataset.frames.shape, dataset.frames.dtype) == ((2, 3, SIDE, SIDE), torch.uint8)
    assert (dataset.ids, dataset.answers, dataset.unreadable) == (("a", "b"), (), ())


def test_a_folder_with_all_kinds_of_images_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "b.png").write_bytes(png())
    (tmp_path / "notes.txt").write_text("not an image")
    Image.open(io.BytesIO(png())).save(tmp_path / "deeper" / "c.JPG", "JPEG")
    fits.writeto(tmp_path / "a.fits", np.random.default_rng(0).normal(size=(3, 30, 30)).astype(np.float32))
    dataset = read_dataset([tmp_path], side=SIDE)
    assert [Path(name).name for name in dataset.ids] == ["a.fits", "b.png", "c.JPG"]


def test_several_inputs_are_one_dataset(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    table = write(tmp_path / "p.parquet", image=[png()], **{"t01/smooth": [0.75], "t01/disk": [0.25]})
    dataset = read_dataset([tmp_path / "a.png", table], side=SIDE)
    assert dataset.answers == ("t01/smooth", "t01/disk")
    assert dataset.votes.tolist() == [[0, 0], [0.75, 0.25]]


def test_missing_votes_are_read_as_none(tmp_path: Path) -> None:
    table = write(tmp_path / "p.parquet", image=[png(), png()], **{"ring/yes": [1.0, None]})
    assert read_dataset([table], side=SIDE).votes.tolist() == [[1], [0]]


def test_a_folder_with_parquet_files_and_a_bucket_are_read_up_to_the_limit(tmp_path: Path, s3: Any) -> None:
    s3.put_object(Bucket="sky", Key="in/c.png", Body=png())
    s3.put_object(Bucket="sky", Key="in/d.png", Body=png())
    write(tmp_path / "b.parquet", image=[png()], id=["b"])
    write(tmp_path / "catalogue.parquet", ra=[1.0])
    (tmp_path / "a.png").write_bytes(png())
    dataset = read_dataset([tmp_path, "s3://sky/in/*.png"], side=SIDE, limit=4)
    assert [Path(name).stem for name in dataset.ids] == ["a", "b", "c"]
    (left_out,) = dataset.unreadable
    assert "catalogue.parquet has no column `image`" in left_out


# -- bad input --


def test_a_bucket_that_does_not_exist_is_an_error(s3: Any) -> None:
    with pytest.raises(DatasetError, match="the bucket 'nowhere' cannot be listed"):
        read_dataset(["s3://nowhere/a"], side=SIDE)


def test_an_image_over_the_limit_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(DatasetError, match=r"more than the 10 of GALAXYLOOP_IMAGE_MAX_BYTES"):
        read_dataset([tmp_path / "a.png"], side=SIDE, max_bytes=10)


def test_an_unreadable_row_is_reported_and_the_others_are_read(tmp_path: Path) -> None:
    rows = [png(), b"not an image", None, png()[:200], png()]
    dataset = read_dataset([write(tmp_path / "p.parquet", image=rows, id=list("abcde"))], side=SIDE)
    assert dataset.ids == ("a", "e")
    assert [reason[:2] for reason in dataset.unreadable] == ["b:", "c:", "d:"]


def test_a_spectrum_is_left_out(tmp_path: Path) -> None:
    fits.writeto(tmp_path / "a.fits", np.zeros(900, np.float32))
    (tmp_path / "b.png").write_bytes(png())
    dataset = read_dataset([tmp_path], side=SIDE)
    assert len(dataset.ids) == len(dataset.unreadable) == 1


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), "many"])
def test_votes_outside_0_to_1_are_an_error(tmp_path: Path, share: Any) -> None:
    with pytest.raises(DatasetError, match="must be shares between 0 and 1"):
        read_dataset([write(tmp_path / "p.parquet", image=[png()], **{"a/b": [share]})], side=SIDE)


def test_a_parquet_without_images_is_an_error_that_lists_its_columns(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no column `image` .*, only name"):
        read_dataset([write(tmp_path / "p.parquet", name=["a"])], side=SIDE)


@pytest.mark.parametrize("content", [b"", b"PAR1 and no more"])
def test_a_file_in_another_format_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        read_dataset([tmp_path / "p.parquet"], side=SIDE)


def test_the_error_names_a_missing_path(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        read_dataset([tmp_path / "nowhere"], side=SIDE)


def test_without_readable_images_the_error_has_the_first_reason(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"broken")
    with pytest.raises(DatasetError, match=r"no image can be read in .*; the first: .*a\.png"):
        read_dataset([tmp_path], side=SIDE)
