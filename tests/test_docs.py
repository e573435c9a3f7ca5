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


def test_each_sentence_of_the_troubleshooting_page_is_in_the_code() -> None:
    """Parts between `…`, numbers and names of versions are compared, since messages contain names there."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = [line for line in page.partition("## Sentences of commands")[2].splitlines() if line.startswith("| `")]
    assert len(rows) >= 15
    files = (path for folder in ("backend", "sync") for path in (ROOT / folder).rglob("*.py"))
    code = re.sub(r'"\s+f?"', "", " ".join(path.read_text() for path in files))
    for row in rows:
        sentence = row.split("`")[1]
        for part in re.split(r"GALAXYLOOP_…|…|v\d+|\d+|b'|GALAXYLOOP_BASIC_AUTH_PASSWORD", sentence):
            words = part.strip(" :;,'()[].")  # also the quotes around a value
            assert words in code, (sentence, words)
