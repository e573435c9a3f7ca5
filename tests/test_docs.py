"""The documents name files that exist, and their links have valid targets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = ("backend/", "sync/", "benchmarks/", "tests/", "labeling_configs/", "docs/", "deploy/")


def anchors_of(page: Path) -> set[str]:
    """Return the anchors of a page's headings as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_named_in_a_page_exist(page: Path) -> None:
    names = {name for name in re.findall(r"`([\w./*-]+)`", page.read_text()) if name.startswith(FOLDERS)}
    # docs/security.md names tests relative to tests/.
    missing_names = [name for name in names if not any(any(root.glob(name.rstrip("/"))) for root in (ROOT, ROOT / "tests"))]
    assert not missing_names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_a_page_lead_to_files_and_headings(page: Path) -> None:
    problems = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            problems.append(link)
    assert not problems
