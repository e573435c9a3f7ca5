"""The documents name files and commands that exist, and their links have valid targets."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

from backend.cli.app import app

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


def test_each_threat_of_the_security_page_names_tests_that_exist() -> None:
    """A name without a folder is in the folder of the name before it in the same row."""
    rows = [line.split("|")[-2] for line in (ROOT / "docs" / "security.md").read_text().splitlines() if line.startswith("| ")]
    cells = [cell for cell in rows if cell.strip() not in ("test", "---")]
    assert len(cells) >= 30
    for cell in cells:
        folder, names = "", re.findall(r"`([^`]+)`", cell)
        assert names, cell
        for name in names:
            folder = name.rpartition("/")[0] or folder
            file = ROOT / "tests" / folder / name.rpartition("/")[2]
            assert any(file.rglob("test_*.py")) if file.is_dir() else file.is_file(), (cell, name)


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_table_of_a_page_begins_with_a_header(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert not [table for table in tables if not re.match(r".*\n\|[ :|-]+\|\n", table)]


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


def iterate_commands(page: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield the words of each command line after `galaxyloop`, and whether it is complete: those of code blocks are."""
    text = page.read_text()
    blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if "--clean" not in line]
    for line, is_complete in [(line, True) for line in lines] + [(code, False) for code in re.findall(r"`([^`\n]+)`", text)]:
        if match := re.search(r"(?:^|exec backend |=token )galaxyloop ([^#|&;<>]+)", line):
            yield shlex.split(match[1]), is_complete


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_a_page_are_accepted(page: Path) -> None:
    problems = []
    for words, is_complete in iterate_commands(page):
        command, rest = get_command(app), words
        while rest and (subcommand := getattr(command, "commands", {}).get(rest[0])):
            command, rest = subcommand, rest[1:]
        options = {"--help", "--version"}.union(*(parameter.opts + parameter.secondary_opts for parameter in command.params))
        problems += [" ".join(words) for word in rest if word.startswith("--") and word.split("=")[0] not in options]
        if hasattr(command, "commands"):
            problems += [" ".join(words) for word in rest[:1] if word.isalpha() and word.islower()]
        elif is_complete:
            try:
                command.parse_args(command.context_class(command), list(rest))
            except Exception as error:  # typer's own copies of click's errors
                problems.append(f"{' '.join(words)}: {error}")
    assert not problems
