"""The example that joins labels to a catalogue finds the nearest label within an arcsecond."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from astropy.table import Table

EXAMPLE = Path(__file__).parents[2] / "examples" / "join_labels.py"


def test_each_row_gets_the_nearest_label_within_an_arcsecond() -> None:
    specification = importlib.util.spec_from_file_location("join_labels", EXAMPLE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    labels = Table(
        {"ra": [10.0, 20.0, float("nan")], "dec": [1.0, 2.0, 0.0], "class": ["Spiral", "Merger", "-"], "task": [5, 6, 7]}
    )
    catalogue = Table({"name": ["a", "b", "c"], "ra": [20.0001, 10.0, 30.0], "dec": [2.0, 1.0, 3.0]})
    table = module.join(labels, catalogue)
    assert table["class"].tolist() == ["Merger", "Spiral", None]
    assert table["task"].tolist() == [6, 5, None]
