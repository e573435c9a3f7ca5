"""`galaxyloop segment` returns one object's mask, from clicks, boxes or a mask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import Result


@pytest.fixture
def image(tmp_path: Path, png: Callable[..., bytes]) -> Path:
    """Return an image of 200 by 100 pixels with a galaxy at (60, 50) and one at (150, 50)."""
    path = tmp_path / "field.png"
    path.write_bytes(png())
    return path


@pytest.fixture
def mask_of(run: Callable[..., Result], image: Path) -> Callable[..., NDArray[np.uint8]]:
    def segment(*words: object) -> NDArray[np.uint8]:
        result = run("segment", image, *words, "--output", "out/mask.png")
        assert result.exit_code == 0, result.output
        with Image.open("out/mask.png") as picture:
            assert picture.mode == "L"
            return np.asarray(picture)

    return segment


def test_a_point_gives_a_mask_of_the_size_of_the_image(mask_of: Callable[..., NDArray[np.uint8]]) -> None:
    mask = mask_of("--point", "60,50")
    assert mask.shape == (100, 200)
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[50, 60], mask[50, 150]) == (255, 0)


@pytest.mark.slow
def test_positive_and_negative_points_are_combined(mask_of: Callable[..., NDArray[np.uint8]]) -> None:
    both = mask_of("--point", "60,50", "--point", "150,50")
    assert (both[50, 60], both[50, 150]) == (255, 255)
    edge = int(np.flatnonzero(both[50, :100]).max())
    assert mask_of("--point", "60,50", "--negative", f"{edge},50")[50, edge] == 0


def test_a_box_selects_the_galaxy(mask_of: Callable[..., NDArray[np.uint8]]) -> None:
    mask = mask_of("--box", "130,30,170,70")
    assert (mask[50, 60], mask[50, 150]) == (0, 255)


@pytest.mark.slow
def test_a_mask_is_refined(mask_of: Callable[..., NDArray[np.uint8]], tmp_path: Path) -> None:
    Image.fromarray(mask_of("--point", "60,50")).save(tmp_path / "begun.png")
    mask = mask_of("--mask", tmp_path / "begun.png", "--point", "150,50")
    assert (mask[50, 60], mask[50, 150]) == (255, 255)


@pytest.mark.slow
def test_a_point_on_empty_sky_gives_an_empty_mask(run: Callable[..., Result], tmp_path: Path) -> None:
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "black.png")
    result = run("segment", "black.png", "--point", "5,5", "--output", "mask.png")
    assert result.exit_code == 0, result.output
    assert np.asarray(Image.open(tmp_path / "mask.png")).shape == (40, 60)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "give at least one --point"),
        (("--negative", "5,5"), "give at least one --point"),
        (("--point", "5"), "needs 2 numbers"),
        (("--point", "nan,5"), "needs 2 numbers"),
        (("--point", "500,5"), "outside"),
        (("--box", "5,5,5,9"), "no area"),
        (("--mask", "nowhere.png"), "there is no file nowhere.png"),
    ],
)
def test_invalid_options_are_rejected_in_one_sentence(
    run_rejected: Callable[..., str], image: Path, words: tuple[str, ...], sentence: str
) -> None:
    assert sentence in run_rejected("segment", str(image), *words, "--output", "mask.png")
    assert not Path("mask.png").exists()


def test_a_mask_of_another_size_is_rejected_in_one_sentence(
    run_rejected: Callable[..., str], image: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.full((10, 10), 255, np.uint8)).save(tmp_path / "small.png")
    assert "does not fit" in run_rejected("segment", str(image), "--mask", "small.png", "--output", "mask.png")


def test_a_file_that_is_not_an_image_is_rejected_in_one_sentence(run_rejected: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no image")
    run_rejected("segment", "broken.png", "--point", "5,5", "--output", "mask.png")


@pytest.mark.slow
def test_an_invalid_sam_checkpoint_is_rejected_in_one_sentence(
    run_rejected: Callable[..., str], image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sam.pth").write_text("no weights")
    monkeypatch.setenv("GALAXYLOOP_SAM_CHECKPOINT", str(tmp_path / "sam.pth"))
    assert "SAM checkpoint" in run_rejected("segment", str(image), "--point", "60,50", "--output", "mask.png")
