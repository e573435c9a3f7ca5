"""The plan: every image in exactly one part, parts of the same size but the last, and unchanged after writing and reading."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.survey.plan import divide_into_parts, limit_images, read_plan, write_plan
from sync.importing.inputs.collection import Span

SPANS = st.lists(
    st.one_of(st.builds(Span, st.text(min_size=1)), st.builds(Span, st.text(), st.just(0), st.integers(1, 50), st.text()))
)


def images(spans: list[Span]) -> list[tuple[str, int | None, str | None]]:
    rows = ((span, row) for span in spans for row in range(span.count))
    return [(span.source, None if span.first is None else span.first + row, span.fingerprint) for span, row in rows]


@given(SPANS, st.integers(1, 20))
def test_every_image_is_in_one_part_in_order(spans: list[Span], size: int) -> None:
    parts = list(divide_into_parts(spans, images=size))
    assert [image for part in parts for image in images(part)] == images(spans)
    assert all(len(images(part)) == size for part in parts[:-1])
    assert all(0 < len(images(part)) <= size for part in parts)


@given(SPANS, st.integers(1, 20))
def test_a_limit_keeps_the_first_images(spans: list[Span], limit: int) -> None:
    assert images(list(limit_images(spans, limit))) == images(spans)[:limit]
    assert list(limit_images(spans, None)) == spans


@pytest.mark.parametrize("name", ["a.png", "s3://b/ä b.png", "row\nbreak.png", "\udcff.png"])
def test_a_plan_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    parts = [[Span(name), Span("rows.parquet", 0, 3, "ab12")], [Span("rows.parquet", 3, 4, "ab12")], [Span("last.png")]]
    assert write_plan(tmp_path / "plan", parts) == (3, 9)
    assert list(read_plan(tmp_path / "plan", parts=3, without=set())) == list(enumerate(parts))
    assert [number for number, _ in read_plan(tmp_path / "plan", parts=3, without={0, 2})] == [1]


def test_an_interrupted_plan_leaves_no_file(tmp_path: Path) -> None:
    def parts() -> object:
        yield [Span("a.png")]
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_plan(tmp_path / "plan", parts())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
