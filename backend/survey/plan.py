"""The plan of a survey: the images of each part, written before the first image is read.

Therefore a continued run has the same images in each part, even if files were added to or removed from the input, and the total
is known. The plan is a gzipped file with one line of JSON per part. It is streamed, and never completely in memory.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from backend.survey.errors import SurveyError
from sync.files.atomic import atomic_write
from sync.importing.inputs.collection import Span

__all__ = ["divide_into_parts", "limit_images", "read_plan", "write_plan"]


def limit_images(spans: Iterable[Span], limit: int | None) -> Iterator[Span]:
    """Yield the spans of the first `limit` images; all for None."""
    room = limit
    for span in spans:
        if room is None or span.count <= room:
            yield span
        elif room > 0:
            yield span.split(room)[0]
        if room is not None:
            room -= span.count
            if room <= 0:
                return


def divide_into_parts(spans: Iterable[Span], *, images: int) -> Iterator[list[Span]]:
    """Divide a collection into parts of `images` images; the last one may be smaller."""
    part: list[Span] = []
    room = images
    for span in spans:
        remainder = span
        while remainder.count > room:
            piece, remainder = remainder.split(room)
            yield [*part, piece]
            part, room = [], images
        part.append(remainder)
        room -= remainder.count
        if room == 0:
            yield part
            part, room = [], images
    if part:
        yield part


def write_plan(file: Path, parts: Iterable[list[Span]]) -> tuple[int, int]:
    """Write the plan atomically; return its numbers of parts and images."""
    count = images = 0
    with atomic_write(file) as raw, gzip.open(raw, "wt", compresslevel=3, encoding="utf-8") as lines:
        for spans in parts:
            lines.write(json.dumps([_as_json(span) for span in spans], ensure_ascii=True) + "\n")
            count += 1
            images += sum(span.count for span in spans)
    return count, images


def read_plan(file: Path, *, parts: int, without: set[int]) -> Iterator[tuple[int, list[Span]]]:
    """Yield the number and the images of each part that is not in `without`.

    Raises
    ------
    SurveyError
        If the plan is missing or damaged, or does not have `parts` parts.
    """
    number = -1
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if number not in without:
                    yield number, [Span(*fields) for fields in json.loads(line)]
        if number + 1 != parts:  # gzip also reads an empty file
            raise EOFError
    except FileNotFoundError as error:
        raise SurveyError(f"the plan {file} is missing: name a new folder") from error
    except (EOFError, OSError, TypeError, ValueError, zlib.error) as error:
        raise SurveyError(f"the plan {file} is damaged, as after a power cut: name a new folder") from error


def _as_json(span: Span) -> list[str | int | None]:
    return [span.source] if span.first is None else [span.source, span.first, span.count, span.fingerprint]
