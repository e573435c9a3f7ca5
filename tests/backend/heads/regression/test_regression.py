from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.heads.errors import HeadError, NotEnoughLabels
from backend.heads.feature_blocks import COLUMNS, IMAGE, SPECTRUM, Block, FeatureBlocks
from backend.heads.inputs import HeadInputs
from backend.heads.regression import Parameters, Regression, predict_numbers

pytestmark = pytest.mark.slow  # imports scikit-learn
BANDS = "ugriz"


def galaxies(n: int, *, seed: int = 0, with_columns: float = 1.0) -> tuple[HeadInputs, np.ndarray]:
    """Return galaxies whose value depends on their columns, on their embeddings, and on noise of 0.05."""
    rng = np.random.default_rng(seed)
    magnitudes = rng.normal(20, 1, (n, len(BANDS)))
    embeddings = rng.normal(size=(n, 20)).astype(np.float32)
    values = 2 + np.sin(magnitudes[:, 1] - magnitudes[:, 2]) + 0.3 * embeddings[:, 0] + rng.normal(0, 0.05, n)
    blocks: list[FeatureBlocks] = [
        {COLUMNS: Block({f"mag_{band}": float(value) for band, value in zip(BANDS, row, strict=True)})}
        if rng.random() < with_columns
        else {}
        for row in magnitudes
    ]
    return HeadInputs(embeddings, tuple(blocks)), values


@pytest.fixture(scope="module")
def head() -> Regression:
    return Regression.fit(*galaxies(190, with_columns=0.8))


def test_each_galaxy_is_predicted_from_the_blocks_that_it_has(head: Regression) -> None:
    inputs, values = galaxies(400, seed=1, with_columns=0.5)
    predictions = head.predict(inputs)
    has_columns = np.array([bool(blocks) for blocks in inputs.blocks])
    assert {predictions.used_blocks[row] for row in np.flatnonzero(has_columns)} == {(IMAGE, COLUMNS)}
    assert {predictions.used_blocks[row] for row in np.flatnonzero(~has_columns)} == {(IMAGE,)}
    errors = np.abs(predictions.values - values)
    assert errors[has_columns].mean() < 0.5 * errors[~has_columns].mean()


def test_the_intervals_contain_the_stated_share_of_new_galaxies(head: Regression) -> None:
    inputs, values = galaxies(600, seed=2, with_columns=0.5)
    predictions = head.predict(inputs)
    inside = np.abs(predictions.values - values) <= predictions.half_widths
    for block_names in set(predictions.used_blocks):
        rows = [row for row, blocks in enumerate(predictions.used_blocks) if blocks == block_names]
        assert inside[0, rows].mean() == pytest.approx(0.68, abs=0.12)
        assert inside[1, rows].mean() == pytest.approx(0.9, abs=0.08)


def test_an_unknown_block_and_an_unknown_column_change_nothing(head: Regression) -> None:
    inputs, _ = galaxies(5)
    more = tuple(
        {COLUMNS: Block({**blocks[COLUMNS].values, "new": 3.0}), SPECTRUM: Block({"d4000": 1.2})} for blocks in inputs.blocks
    )
    assert (head.predict(HeadInputs(inputs.embeddings, more)).values == head.predict(inputs).values).all()


def test_a_stored_head_predicts_the_same(head: Regression, tmp_path: Path) -> None:
    head.save(tmp_path)
    inputs, _ = galaxies(30, seed=3, with_columns=0.5)
    before, after = head.predict(inputs), Regression.load(tmp_path).predict(inputs)
    assert (before.values == after.values).all()
    assert (before.half_widths == after.half_widths).all()
    assert before.used_blocks == after.used_blocks
    (tmp_path / "head.json").write_text((tmp_path / "head.json").read_text().replace('"image ridge"', '"kriging"'))
    with pytest.raises(HeadError, match="damaged"):
        Regression.load(tmp_path)


def test_a_head_stored_before_feature_blocks_still_predicts(tmp_path: Path) -> None:
    inputs, values = galaxies(60)
    Parameters.fit(inputs.embeddings, values).save(tmp_path)
    old = Parameters.load(tmp_path)
    predictions = predict_numbers(old, inputs)
    assert predictions.values == pytest.approx(old.predict(inputs.embeddings)[0])
    assert predictions.half_widths[1] == pytest.approx(1.645 / 0.9945 * predictions.half_widths[0], rel=1e-3)
    assert set(predictions.used_blocks) == {(IMAGE,)}


def test_without_embeddings_the_columns_predict_alone() -> None:
    inputs, values = galaxies(80)
    columns_only = HeadInputs(np.empty((80, 0), np.float32), inputs.blocks)
    predictions = Regression.fit(columns_only, values).predict(columns_only)
    assert set(predictions.used_blocks) == {(COLUMNS,)}


def test_a_useless_block_is_not_used() -> None:
    rng = np.random.default_rng(5)
    inputs, _ = galaxies(100)
    values = 3 + inputs.embeddings[:, 0] + rng.normal(0, 0.01, 100)
    assert Regression.fit(inputs, values).blocks == frozenset()


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(NotEnoughLabels, match="5 images have a value"):
        Regression.fit(*galaxies(5))
