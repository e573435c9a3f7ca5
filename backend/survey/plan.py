"""The plan of a survey: which images make which part, written down once, before the first is looked at.

So a part means the same images whenever the work goes on, though files come and go in the folder meanwhile; and it is known how
many there are. The plan is a gzipped file with a JSON line a part, read from the front: nothing holds all names.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sync.sources.collection import Span

__all__ = ["cut_into_parts", "read_plan", "write_plan"]


def cut_into_parts(spans: Iterable[Span], *, images: int) -> Iterator[list[Span]]:
    """Cut a collection into parts of `images` images, the last of what is left."""
    part: list[Span] = []
    room = images
    for span in spans:
        rest = span
        while rest.count > room:
            taken, rest = rest.split(room)
            yield [*part, taken]
            part, room = [], images
        part.append(rest)
        room -= rest.count
        if room == 0:
            yield part
            part, room = [], images
    if part:
        yield part


def write_plan(file: Path, parts: Iterable[list[Span]]) -> tuple[int, int]:
    """Write the plan, wholly or not at all; return how many parts and how many images it has."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    count = images = 0
    try:
        with gzip.open(unfinished, "wt", compresslevel=3, encoding="utf-8", errors="surrogateescape") as lines:
            for spans in parts:
                lines.write(json.dumps([_as_json(span) for span in spans], ensure_ascii=True) + "\n")
                count += 1
                images += sum(span.count for span in spans)
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
    return count, images


def read_plan(file: Path, *, without: set[int]) -> Iterator[tuple[int, list[Span]]]:
    """Give the number and the images of each part but those in `without`."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number not in without:
                yield number, [Span(*fields) for fields in json.loads(line)]


def _as_json(span: Span) -> list[str | int]:
    return [span.source] if span.first is None else [span.source, span.first, span.count]
