"""The task of each image in a file: by its (changed) name, its content id, its number, its position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sync.label_studio.tasks import Task
from sync.labelling.config import parse
from sync.regions.marks import MarkedImage, RegionsError
from sync.regions.tasks import TaskIndex
from tests.sync.regions.conftest import sky_of_canvas

CONFIG = parse(
    '<View><Image name="i" value="$image"/><BrushLabels name="b" toName="i"><Label value="Galaxy"/></BrushLabels></View>'
)
PAGES = parse(
    '<View><Image name="i" valueList="$pages"/><BrushLabels name="b" toName="i"><Label value="Galaxy"/></BrushLabels></View>'
)


def task(number: int, **data: Any) -> Task:
    return Task(number, data, annotated=False, annotations=0, updated_at="")


def wcs(side: int) -> dict[str, Any]:
    return {"NAXIS1": side, "NAXIS2": side}


INDEX = TaskIndex.of(
    [
        task(11, image="/data/upload/3/0123abcd-c0ffee.png", filename="galaxy.fits.gz", content_id="c0ffee"),
        task(12, image="/data/upload/3/89abcdef-m31.png", ra=10.0, dec=20.0, pixel_scale_arcsec=1.0, wcs=wcs(60)),
        task(13, image="http://h/data/local-files/?d=galaxyloop/3/J0952+2.png", filename="J095200.4+021011.5.fits"),
        task(14, image="s3://b/twice.png"),
        task(15, image="s3://c/twice.png", ra=10.0, dec=20.01, pixel_scale_arcsec=1.0, wcs=wcs(60)),
        task(16, image="data:image/png;base64,AAAA"),
        task(17, image=None),
    ],
    CONFIG,
)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("galaxy.fits.gz", 11),
        ("galaxy.fits", 11),
        ("some/folder/galaxy.png", 11),
        ("C:\\images\\galaxy.jpg", 11),
        ("galaxy_seg.fits", 11),
        ("galaxy-mask.png", 11),
        ("galaxy.reg", 11),
        ("galaxy_segmentation_map.fits", None),
        ("c0ffee.txt", 11),
        ("m31.txt", 12),
        ("89abcdef-m31.png", 12),
        ("000012-m31.png", 12),
        ("000099-m31.png", 12),
        ("000012-89abcdef-m31.png", 12),
        ("J095200.4+021011.5_segm.fits", 13),
        ("J095200.4.fits", None),
        ("../../etc/passwd", None),
        ("Galaxy.fits", None),
        ("_seg.fits", None),
        ("", None),
    ],
)
def test_usual_changes_of_file_names_are_matched(name: str, number: int | None) -> None:
    image = MarkedImage("", (name,))
    if number is None:
        with pytest.raises(RegionsError, match="no task"):
            INDEX.find(image)
    else:
        assert INDEX.find(image).task.id == number


def test_an_ambiguous_name_is_rejected_unless_it_has_an_export_number() -> None:
    with pytest.raises(RegionsError, match="14, 15"):
        INDEX.find(MarkedImage("", ("twice.png",)))
    assert INDEX.find(MarkedImage("", ("000015-twice.png",))).task.id == 15


def test_each_key_is_used_alone() -> None:
    image = MarkedImage("", ("13.png",), content_id="c0ffee", task=14, position=(10.0, 20.0))
    tasks = {key: INDEX.find(image, key=key).task.id for key in ("auto", "content_id", "id", "sky")}
    assert tasks == {"auto": 11, "content_id": 11, "id": 14, "sky": 12}
    with pytest.raises(RegionsError, match="file name"):
        INDEX.find(image, key="filename")
    assert INDEX.find(MarkedImage("", ("13.png",)), key="id").task.id == 13


def test_positions_have_candidates_within_the_radius_of_images() -> None:
    candidates = INDEX.find_around(np.array([[10.0, 20.0], [10.0, 20.005], [10.0, 20.05], [190.0, -20.0]]))
    assert [[image.task.id for image in images] for images in candidates] == [[12, 15], [12, 15], [], []]


def test_a_task_with_only_a_wcs_has_a_position() -> None:
    cards = {**sky_of_canvas(64, 48).to_header(), "NAXIS1": 64, "NAXIS2": 48}
    index = TaskIndex.of([task(1, image="a.png", wcs=cards), task(2, image="b.png", wcs={"CTYPE1": "RA---TAN"})], CONFIG)
    assert [[image.task.id for image in images] for images in index.find_around(np.array([[150.0, 2.003], [150.0, 2.1]]))] == [
        [1],
        [],
    ]


def test_pages_are_separate_images() -> None:
    index = TaskIndex.of([task(1, pages=["/data/upload/1/0123abcd-a.png", "/data/upload/1/0123abcd-b.png"])], PAGES)
    assert index.find(MarkedImage("", ("b_mask.png",))).image == ("i", 1)
