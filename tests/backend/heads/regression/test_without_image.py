"""A Number of galaxies without an image is predicted from their columns and spectra, where these predict it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.heads.feature_blocks import COLUMNS, IMAGE, SPECTRUM, Block, FeatureBlocks
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Parameters, Regression, predict_numbers

pytestmark = pytest.mark.slow  # imports scikit-learn


def galaxies(n: int, *, seed: int = 0, share_with_image: float = 1.0, noise: bool = False) -> tuple[HeadInputs, np.ndarray]:
    """Return galaxies whose value depends on a colour, on a line of the spectrum that half of them have, and on the image."""
    rng = np.random.default_rng(seed)
    colour, line = rng.uniform(0, 2, n), rng.normal(0, 1, n)
    embeddings = rng.normal(size=(n, 12)).astype(np.float32)
    values = colour + 0.5 * line + 0.8 * embeddings[:, 0] + rng.normal(0, 0.03, n)
    embeddings[rng.random(n) >= share_with_image] = np.nan
    blocks: list[FeatureBlocks] = []
    for row in range(n):
        column = float(rng.normal()) if noise else float(colour[row])
        spectrum = {SPECTRUM: Block({"line": float(line[row])})} if rng.random() < 0.5 and not noise else {}
        blocks.append({COLUMNS: Block({"colour": column}), **spectrum})
    return HeadInputs(embeddings, tuple(blocks)), values


@pytest.fixture(scope="module")
def head() -> Regression:
    return Regression.fit(*galaxies(150, share_with_image=0.7))


def test_every_subset_of_the_inputs_is_predicted_and_named(head: Regression) -> None:
    inputs, values = galaxies(400, seed=1, share_with_image=0.5)
    predictions = head.predict(inputs)
    assert set(predictions.used_blocks) == {
        (IMAGE, COLUMNS, SPECTRUM),
        (IMAGE, COLUMNS),
        (COLUMNS, SPECTRUM),
        (COLUMNS,),
    }
    for row, block_names in enumerate(predictions.used_blocks):
        assert (IMAGE in block_names) == inputs.has_image[row]
    errors = np.abs(predictions.values - values)
    inside = errors <= predictions.half_widths[0]
    means = {}
    for block_names in set(predictions.used_blocks):
        rows = [row for row, each in enumerate(predictions.used_blocks) if each == block_names]
        means[block_names] = errors[rows].mean()
        assert inside[rows].mean() == pytest.approx(0.68, abs=0.13), block_names
    assert means[IMAGE, COLUMNS, SPECTRUM] < means[COLUMNS, SPECTRUM] < means[COLUMNS,]


def test_a_galaxy_of_which_nothing_is_known_is_not_predicted(head: Regression) -> None:
    inputs, _ = galaxies(3)
    embeddings = np.full_like(inputs.embeddings, np.nan)
    unknown: tuple[FeatureBlocks, ...] = ({}, {COLUMNS: Block(missing={"colour": "text"})}, inputs.blocks[2])
    predictions = head.predict(HeadInputs(embeddings, unknown))
    assert np.isnan(predictions.values).tolist() == [True, True, False]
    assert np.isnan(predictions.half_widths[:, :2]).all()
    assert predictions.used_blocks[:2] == ((), ())


def test_columns_of_noise_predict_no_galaxy_without_an_image() -> None:
    head = Regression.fit(*galaxies(80, share_with_image=0.7, noise=True))
    inputs, _ = galaxies(20, seed=1, share_with_image=0, noise=True)
    predictions = head.predict(inputs)
    # Where the mean of the labels is the best prediction, there is none.
    assert all(blocks or np.isnan(value) for blocks, value in zip(predictions.used_blocks, predictions.values, strict=True))


def test_a_project_without_any_image_has_a_head() -> None:
    inputs, values = galaxies(60, share_with_image=0)
    head = Regression.fit(inputs, values)
    assert head.dimension == 0
    assert head.blocks_without_image == {COLUMNS, SPECTRUM}
    others, _ = galaxies(20, seed=1)  # with images, which the head does not use
    assert all(IMAGE not in block_names and COLUMNS in block_names for block_names in head.predict(others).used_blocks)


@pytest.mark.parametrize("count", [1, 5, 6, 11])
def test_few_images_among_the_labelled_galaxies_are_no_obstacle(count: int) -> None:
    inputs, values = galaxies(40)
    embeddings = inputs.embeddings.copy()
    embeddings[count:] = np.nan
    head = Regression.fit(HeadInputs(embeddings, inputs.blocks), values)
    assert np.isfinite(head.predict(HeadInputs(embeddings, inputs.blocks)).values).all()


def test_a_stored_head_predicts_the_same_without_images(head: Regression, tmp_path: Path) -> None:
    head.save(tmp_path)
    inputs, _ = galaxies(30, seed=3, share_with_image=0.5)
    before, after = head.predict(inputs), Regression.load(tmp_path).predict(inputs)
    assert np.array_equal(before.values, after.values)
    assert before.used_blocks == after.used_blocks


def test_heads_of_old_versions_do_not_predict_without_an_image() -> None:
    inputs, values = galaxies(40)
    old = Parameters.fit(inputs.embeddings, values)
    embeddings = inputs.embeddings.copy()
    embeddings[3] = np.nan
    predictions = predict_numbers(old, HeadInputs(embeddings, inputs.blocks))
    assert np.flatnonzero(np.isnan(predictions.values)).tolist() == [3]
    assert predictions.used_blocks[3] == ()
