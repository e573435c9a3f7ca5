"""The version is the same wherever a release states it, and each release has its notes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from backend.demo.options import TESTED_LABEL_STUDIO

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


def test_the_page_of_the_package_has_no_relative_link() -> None:
    """A package index shows the page without the repository: a relative link or picture would lead nowhere."""
    page = (ROOT / tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["readme"]).read_text()
    addresses = re.findall(r"(?:\]\(|src=\")([^)\"]*)", page)
    assert addresses
    assert all(address.startswith("https://") for address in addresses)
    introduction = page.partition("\n\n")[0]
    assert introduction in (ROOT / "README.md").read_text()


def test_the_page_of_the_package_and_the_demo_name_the_tested_label_studio() -> None:
    (pin,) = re.findall(r"^(label-studio==.+)$", (ROOT / "constraints-label-studio.txt").read_text(), re.MULTILINE)
    assert pin == f"label-studio=={TESTED_LABEL_STUDIO}"
    assert pin in (ROOT / "PACKAGE.md").read_text()
