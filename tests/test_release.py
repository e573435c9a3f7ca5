"""The version is the same wherever a release states it, and each release has its notes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_citation_has_the_version_and_the_date_of_the_changelog() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (date,) = re.findall(rf"^## {re.escape(VERSION)} - (\d{{4}}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert (citation["version"], str(citation["date-released"])) == (VERSION, date)


@pytest.mark.parametrize("file", ["docs/releases.md", "docs/citing.md"])
def test_a_page_names_the_version(file: str) -> None:
    pattern = {"docs/releases.md": rf"^## {re.escape(VERSION)} \(", "docs/citing.md": rf"version = \{{{re.escape(VERSION)}\}}"}[
        file
    ]
    assert re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)


def test_the_reference_of_the_citation_is_that_of_the_page() -> None:
    (paper,) = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    page = (ROOT / "docs" / "citing.md").read_text()
    assert f"{{{paper['doi']}}}" in page
    assert all(author["family-names"] in page for author in paper["authors"])
