"""The documentation site is built without a warning: no broken link, and every public name has its docstring."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    process = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert process.returncode == 0, process.stderr
    assert "galaxyloop.images.load_image" in (tmp_path / "api.html").read_text()
    assert "galaxyloop prelabel" in (tmp_path / "command-reference.html").read_text()
    for page in tmp_path.glob("*.html"):
        assert "fonts.googleapis" not in page.read_text()
