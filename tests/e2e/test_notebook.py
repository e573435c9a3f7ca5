"""The notebook of the first project runs from the first to the last cell against a real Label Studio."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "first_project.ipynb"


def code_cells() -> list[str]:
    notebook = json.loads(NOTEBOOK.read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_notebook_leads_from_images_to_a_joined_catalogue(
    label_studio: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LABEL_STUDIO_URL", label_studio[0])
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", label_studio[1])
    monkeypatch.setenv("GALAXYLOOP_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    names: dict[str, Any] = {}
    for number, source in enumerate(code_cells()):
        exec(compile(source, f"{NOTEBOOK.name}, code cell {number}", "exec"), names)
    catalogue = names["catalogue"]
    assert len(catalogue) == len(names["centres"])
    assert catalogue["class"][catalogue["survey_id"] == "HDF-124-400"].tolist() == ["Spiral"]
    assert not any(getattr(catalogue["class"], "mask", [False]))


def test_the_notebook_is_stored_without_outputs() -> None:
    notebook = json.loads(NOTEBOOK.read_text())
    assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in notebook["cells"])
