"""The sentence of a prediction names its inputs, and why the others are missing."""

from __future__ import annotations

import pytest

from backend.heads.feature_blocks import COLUMNS, IMAGE, SPECTRUM, Block, FeatureBlocks, describe_inputs, describe_missing

FEATURES = {COLUMNS: ("mag_g", "mag_r", "mag_i"), SPECTRUM: ("continuum_00", "rest_d4000")}
COMPLETE = Block({"mag_g": 18.0, "mag_r": 17.5, "mag_i": 17.2})


def test_inputs_are_named() -> None:
    assert describe_inputs((IMAGE, COLUMNS, SPECTRUM)) == "predicted from image and catalogue columns and spectrum"


@pytest.mark.parametrize(
    ("blocks_used", "blocks", "sentence"),
    [
        ((COLUMNS, SPECTRUM), {COLUMNS: COMPLETE, SPECTRUM: Block({"continuum_00": 1.0})}, ""),
        (
            (COLUMNS, SPECTRUM),
            {COLUMNS: Block({"mag_g": 18.0, "mag_r": 17.0}, {"mag_i": "99 marks a missing value"})},
            "without mag_i: 99 marks a missing value",
        ),
        (
            (COLUMNS,),
            {COLUMNS: COMPLETE, SPECTRUM: Block(missing={"": "the task has none"})},
            "not used: spectrum: the task has none",
        ),
        (
            (IMAGE, SPECTRUM),
            {COLUMNS: Block({"mag_r": 17.0}, {"mag_g": "text"})},
            "not used: catalogue columns (mag_g: text, mag_i: no value)",
        ),
    ],
)
def test_the_reasons_of_missing_values_are_reported(blocks_used: tuple[str, ...], blocks: FeatureBlocks, sentence: str) -> None:
    assert describe_missing(blocks_used, blocks, FEATURES) == sentence
