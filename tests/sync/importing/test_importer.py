"""Imports with images that cannot be read; tests/e2e/ingest runs imports against the real Label Studio."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from sync.errors.images import ImageError
from sync.importing.drawing import CompanionPicture
from sync.importing.importer import Companion, IngestReport, image_key_of, ingest
from sync.importing.inputs.item import InputError, Item
from sync.importing.storage.stored import StoredFile


class Studio:
    """A Label Studio that accepts tasks."""

    def __init__(self) -> None:
        self.tasks: list[dict[str, Any]] = []

    def pages(self, path: str, **params: Any) -> list[dict[str, Any]]:
        return self.tasks

    def send(self, method: str, path: str, *, json: list[dict[str, Any]]) -> dict[str, int]:
        self.tasks += json
        return {"task_count": len(json)}


class Kept:
    def put_images(self, files: Sequence[StoredFile]) -> list[str]:
        return [f"/data/{file.name}" for file in files]

    def put_science(self, file: StoredFile) -> str:
        return file.name


def import_items(*items: Item, studio: Studio | None = None) -> tuple[IngestReport, list[dict[str, Any]]]:
    studio = studio or Studio()
    return ingest(items, client=studio, project_id=1, storage=Kept()), [task["data"] for task in studio.tasks]  # type: ignore[arg-type]


def png(seed: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def test_an_exception_of_one_image_does_not_end_the_import() -> None:
    def fail() -> bytes:
        raise AttributeError("no such header")

    items = [Item("a", lambda: png(1), "a.png"), Item("bad", fail, "b.png"), Item("c", lambda: png(2), "c.png")]
    report, tasks = import_items(*items)
    assert report.imported_count == len(tasks) == 2
    assert report.left_out == {"bad": "it cannot be processed (AttributeError: no such header)"}


def test_a_companion_is_a_second_picture_of_the_same_task() -> None:
    def draw(content: bytes) -> CompanionPicture:
        if content == png(2):
            raise ImageError("it cannot be drawn")
        return CompanionPicture(b"second", {"restored_share": 0.5})

    studio = Studio()
    items = [Item(str(seed), lambda seed=seed: png(seed), f"{seed}.png") for seed in (1, 2)]  # type: ignore[misc]
    companion = Companion("restored", draw)
    report = ingest(items, client=studio, project_id=1, storage=Kept(), companion=companion)  # type: ignore[arg-type]
    (data,) = (task["data"] for task in studio.tasks)
    assert data["restored"] == f"/data/{data['content_id']}-restored.png"
    assert data["restored_share"] == 0.5
    assert report.left_out == {"2": "it cannot be drawn"}


def test_the_key_of_the_image_is_not_that_of_its_companion() -> None:
    config = """<View><Image name="a" value="$picture"/><Image name="b" value="$restored"/>
    <Choices name="verdict" toName="a"><Choice value="Better"/><Choice value="Wrong"/></Choices>
    <Choices name="other" toName="b"><Choice value="Better"/><Choice value="Wrong"/></Choices></View>"""
    assert image_key_of(config, companion=Companion("restored", lambda content: CompanionPicture(content, {}))) == "picture"
    with pytest.raises(ValueError, match="shows several images"):
        image_key_of(config)


def exposure(*fills: float) -> bytes:
    """Return the detectors of one exposure; a detector of NaN has no valid pixel."""
    file = io.BytesIO()
    chips = [
        fits.ImageHDU(np.random.default_rng(0).normal(fill, 1, (8, 8)), name="SCI", ver=n) for n, fill in enumerate(fills, 1)
    ]
    fits.HDUList([fits.PrimaryHDU(), *chips]).writeto(file)
    return file.getvalue()


def test_detectors_of_one_exposure_are_separate_tasks() -> None:
    studio = Studio()
    report, tasks = import_items(Item("e", lambda: exposure(1, np.nan, 3), "e.fits"), studio=studio)
    assert (report.imported_count, list(report.left_out)) == (2, ["e[SCI,2]"])
    assert [(data["filename"], data["extension"]) for data in tasks] == [("e.fits", "SCI,1"), ("e.fits", "SCI,3")]
    assert len({data["content_id"] for data in tasks}) == len({data["science"] for data in tasks}) == 2
    second, _ = import_items(Item("e", lambda: exposure(1, np.nan, 3), "e.fits"), studio=studio)
    assert (second.imported_count, second.known_count) == (0, 2)


def test_one_detector_may_be_chosen() -> None:
    studio = Studio()
    items = [
        Item("e", lambda: exposure(1, 2), "e.fits"),
        Item("f", lambda: exposure(3), "f.fits"),
        Item("p", lambda: png(1), "p"),
    ]
    report = ingest(items, client=studio, project_id=1, storage=Kept(), extension="SCI,2")  # type: ignore[arg-type]
    assert (report.imported_count, list(report.left_out)) == (2, ["f"])
    assert "no extension 'SCI,2'" in report.left_out["f"]


def test_an_input_that_fails_ends_the_import() -> None:
    def fail() -> bytes:
        raise InputError("bands on different pixels need reproject")

    with pytest.raises(InputError, match="reproject"):
        import_items(Item("a", fail, "a.fits"))


def test_a_file_and_the_same_file_gzipped_are_one_image() -> None:
    report, tasks = import_items(Item("a", lambda: png(1), "a.png"), Item("a.gz", lambda: gzip.compress(png(1)), "a.png.gz"))
    assert (report.imported_count, report.known_count, len(tasks)) == (1, 1, 1)


def test_a_column_with_the_key_of_the_image_is_renamed() -> None:
    studio = Studio()
    item = Item("a", lambda: png(1), "a.png", data={"photo": "plate 7"})
    ingest([item], client=studio, project_id=1, storage=Kept(), image_key="photo")  # type: ignore[arg-type]
    ((data,),) = [[task["data"] for task in studio.tasks]]
    assert (data["catalogue_photo"], data["photo"]) == ("plate 7", f"/data/{data['content_id']}.png")


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ('<View><Image name="i" value="$photo"/></View>', "photo"),
        ('<View><Image name="i" value="$a"/><Image name="j" value="$a"/></View>', "a"),
        ("<View></View>", "image"),
    ],
)
def test_the_labelling_config_determines_the_key_of_the_image(config: str, key: str) -> None:
    assert image_key_of(config) == key
