"""Figure of the coverage: intervals of shares, and the figure of the stored results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.structure.coverage_figure import RESULTS, draw, interval_of_share


def test_the_interval_of_a_share_contains_it_and_shrinks() -> None:
    low, high = interval_of_share(0.68, 100)
    assert (low, high) == pytest.approx((0.579, 0.770), abs=0.002)
    narrow = interval_of_share(0.68, 1000)
    assert low < narrow[0] < 0.68 < narrow[1] < high
    assert interval_of_share(0.0, 10)[0] == 0
    assert interval_of_share(1.0, 10)[1] == 1


@pytest.mark.slow
def test_the_stored_results_are_drawn(tmp_path: Path) -> None:
    results = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in ("structure", "redshift", "restoration")}
    draw(results["structure"], results["redshift"], results["restoration"], tmp_path / "coverage.png")
    assert Image.open(tmp_path / "coverage.png").size == (900, 360)
