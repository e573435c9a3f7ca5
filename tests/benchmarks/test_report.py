"""The page of results: a benchmark writes its own section, and the other text is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks import report


def test_a_new_section_is_added_at_the_end_under_a_heading() -> None:
    page = report.with_section("# Benchmarks\n\nKept.\n", "label_efficiency", "| n90 |")
    assert page.startswith("# Benchmarks\n\nKept.\n\n## Label efficiency\n\n<!-- label_efficiency: begin")
    assert page.endswith("\n\n| n90 |\n\n<!-- label_efficiency: end -->\n")


def test_a_section_is_replaced_and_the_text_around_it_is_kept() -> None:
    page = report.with_section("# Benchmarks\n", "loop", "old") + "\nWords by hand.\n"
    page = report.with_section(report.with_section(page, "detection", "boxes"), "loop", "new")
    assert "old" not in page
    assert page.index("new") < page.index("Words by hand.") < page.index("boxes")


def test_writing_a_section_twice_changes_nothing() -> None:
    page = report.with_section("# Benchmarks\n", "loop", "table")
    assert report.with_section(page, "loop", "table") == page


def test_a_section_without_an_end_is_rejected() -> None:
    with pytest.raises(ValueError, match="loop: end"):
        report.with_section("<!-- loop: begin -->\nEverything else.", "loop", "table")


def test_simultaneous_benchmarks_lose_no_section(tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    names = [f"benchmark_{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: report.write_section(name, f"result of {name}", page=page), names))
    assert all(f"result of {name}\n" in page.read_text() for name in names)


def test_the_machine_is_described_in_one_line() -> None:
    assert "cores" in report.machine_line()
    assert "\n" not in report.machine_line()
