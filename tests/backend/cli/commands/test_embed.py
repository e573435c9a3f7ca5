"""`galaxyloop embed` writes the backend's embeddings to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from astropy.io import fits
from PIL import Image
from typer.testing import Result

from backend.images.local import LocalImageStore
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.checkpoint import save_model
from backend.lvm.embeddings import Embeddings
from backend.lvm.encoder import Encoder
from backend.lvm.shipped_encoder import load_shipped_encoder
from sync.files.cache import FileCache

Run = Callable[..., Result]


@pytest.fixture
def small_encoder(tmp_path: Path) -> Path:
    """Return a checkpoint of another, small network."""
    torch.manual_seed(0)
    path = tmp_path / "small.safetensors"
    config = SwinConfig(image_px=32, window=4, width=12, depths=(1, 1), heads=(1, 2))
    save_model(Encoder(config), None, path, training={})
    return path


@pytest.mark.slow
def test_embeddings_equal_those_of_the_backend(run: Run, image_folder: Path, tmp_path: Path) -> None:
    assert run("embed", "image_folder", "--output", "out.npz").exit_code == 1  # one file is not an image
    archive = np.load("out.npz", allow_pickle=False)
    image_store = LocalImageStore(max_bytes=10**6, max_pixels=10**6)
    cache = FileCache(tmp_path / "cache", max_bytes=10**6)
    embeddings = Embeddings(load_shipped_encoder(), cache, fingerprint="shipped")
    assert set(archive.files) == {"id", "embedding"}
    assert archive["id"].tolist() == ["image_folder/a.PNG", "image_folder/b.png", "image_folder/deep/c.png"]
    assert archive["embedding"].dtype == np.float32
    paths = archive["id"].tolist()
    expected = embeddings.of([image_store.open(path) for path in paths], paths)
    assert expected.shape == (3, 2108)
    np.testing.assert_allclose(archive["embedding"], expected, rtol=1e-4, atol=1e-5)


def test_another_checkpoint_can_compute_embeddings(run: Run, image_folder: Path, small_encoder: Path) -> None:
    assert run("embed", "image_folder", "--output", "out.npz", "--checkpoint", small_encoder).exit_code == 1
    assert np.load("out.npz")["embedding"].shape == (3, 24)


def test_the_output_does_not_depend_on_batches(
    run: Run, image_folder: Path, small_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("embed", "image_folder", "--output", "one.npz", "--checkpoint", small_encoder)
    monkeypatch.setattr("backend.cli.commands.embed.BATCH", 2)
    run("embed", "image_folder", "--output", "two.npz", "--checkpoint", small_encoder)
    single, double = np.load("one.npz"), np.load("two.npz")
    assert single["id"].tolist() == double["id"].tolist()
    np.testing.assert_allclose(single["embedding"], double["embedding"], rtol=1e-4, atol=1e-5)


def test_unreadable_images_are_left_out_and_listed_at_the_end(run: Run, image_folder: Path, small_encoder: Path) -> None:
    result = run("embed", "image_folder", "missing.png", "--output", "out.npz", "--checkpoint", small_encoder)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert "2 are left out" in lines[0]
    assert lines[1].startswith("  image_folder/broken.jpg: the image starts with")
    assert lines[2] == "  missing.png: there is no such file"
    assert len(np.load("out.npz")["id"]) == 3


def test_nothing_is_written_if_no_image_is_readable(
    run_rejected: Callable[..., str], image_folder: Path, small_encoder: Path
) -> None:
    words = ("embed", "image_folder/broken.jpg", "--output", "out.npz", "--checkpoint", str(small_encoder))
    assert "image_folder/broken.jpg: the image starts with" in run_rejected(*words)
    assert not Path("out.npz").exists()


@pytest.mark.parametrize(
    ("word", "reason"), [("image_folder/deep/none", "no such file"), ("empty", "there is no image in empty")]
)
def test_arguments_without_an_image_are_rejected_in_one_sentence(
    run_rejected: Callable[..., str], image_folder: Path, word: str, reason: str
) -> None:
    Path("empty").mkdir()
    assert reason in run_rejected("embed", word, "--output", "out.npz")


def test_an_invalid_checkpoint_is_rejected_in_one_sentence(run_rejected: Callable[..., str], image_folder: Path) -> None:
    Path("encoder.pt").write_bytes(b"\x80\x04pickle")
    assert "encoder.pt" in run_rejected("embed", "image_folder", "--output", "out.npz", "--checkpoint", "encoder.pt")
    assert not Path("out.npz").exists()


def test_no_temporary_file_remains(run: Run, image_folder: Path, small_encoder: Path) -> None:
    before = set(Path().iterdir())
    run("embed", "image_folder", "--output", "out.npz", "--checkpoint", small_encoder)
    assert set(Path().iterdir()) - before == {Path("out.npz")}


def test_a_spectrum_among_the_images_is_left_out_and_listed(run: Run, image_folder: Path, small_encoder: Path) -> None:
    fits.PrimaryHDU(np.arange(200, dtype=np.float32).reshape(1, 200)).writeto("image_folder/spectrum_1xN.fits")
    Image.new("L", (20_001, 1)).save("image_folder/strip.png")
    result = run("embed", "image_folder", "--output", "out.npz", "--checkpoint", small_encoder)
    assert result.exit_code == 1
    assert "  image_folder/spectrum_1xN.fits: the FITS image is one line of 200x1 pixels" in result.stderr.splitlines()[2]
    assert len(np.load("out.npz")["id"]) == 4
