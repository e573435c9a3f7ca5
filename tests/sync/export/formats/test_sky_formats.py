"""DS9 regions and MOC, read back by astropy's `regions` and by mocpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from mocpy import MOC
from regions import EllipseSkyRegion, PixelRegion, RectangleSkyRegion, Regions, SkyRegion

from sync.geometry.corners import box_corners, ellipse_corners
from sync.geometry.raster import rasterise
from sync.geometry.shapes import Box, Ellipse, Mask, Point, Polygon

WIDTH, HEIGHT = SIZE = (40, 30)
SCALE = 0.36 / 3600
Exported = Callable[..., tuple[Path, Any]]
Say = Callable[..., dict[str, Any]]


def wcs_of(matrix: list[list[float]]) -> dict[str, Any]:
    """Return the header of an image of `SIZE` at (150, 2), with `matrix` as CD matrix in pixels."""
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 2.0, "CRPIX1": 20.5, "CRPIX2": 15.5}
    places = {f"CD{row + 1}_{column + 1}": SCALE * matrix[row][column] for row in (0, 1) for column in (0, 1)}
    return {**cards, **places, "NAXIS1": WIDTH, "NAXIS2": HEIGHT}


TURNED = [[-np.cos(0.5), np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]]
SKIES = {
    "north up": wcs_of([[-1, 0], [0, 1]]),
    "turned": wcs_of(TURNED),
    "mirrored": wcs_of([[1, 0], [0, 1]]),
    "mirrored and turned": wcs_of([[np.cos(0.5), np.sin(0.5)], [-np.sin(0.5), np.cos(0.5)]]),
    "oblong pixels": wcs_of([[-2, 0], [0, 1]]),
    "skewed": wcs_of([[-1, 0.4], [0, 1]]),
}
POLYGON = Polygon(np.array([[6.0, 5.0], [30.0, 8.0], [24.0, 24.0], [10.0, 20.0]]))
SHAPES = {
    "boxes": (Box(8, 6, 14, 9), "Galaxy"),
    "turned": (Box(18, 6, 14, 9, 30), "Galaxy"),
    "ellipses": (Ellipse(19, 14, 11, 6, 25), "Galaxy"),
    "polygons": (POLYGON, "Galaxy"),
}


def pixels_of(shape: Any) -> Mask:
    if isinstance(shape, Box):
        return rasterise(box_corners(shape), SIZE)
    return rasterise(ellipse_corners(shape) if isinstance(shape, Ellipse) else shape, SIZE)


def pixels_in(region: PixelRegion | SkyRegion, cards: dict[str, Any] | None) -> Mask:
    """Return the pixels of the displayed image in a region, with FITS rows flipped."""
    on_image = region if cards is None else region.to_pixel(WCS(cards))
    mask = on_image.to_mask(mode="center").to_image((HEIGHT, WIDTH))
    assert mask is not None
    return np.asarray(mask[::-1] > 0)


def only_region(folder: Path) -> Any:
    (file,) = folder.glob("regions/train/*.reg")
    (region,) = Regions.read(file, format="ds9")
    return region


@pytest.mark.parametrize("sky", [None, *SKIES])
@pytest.mark.parametrize("name", SHAPES)
def test_regions_cover_the_pixels_that_were_drawn(
    run_export: Exported, task: Say, annotation: Say, region: Say, name: str, sky: str | None
) -> None:
    shape, label = SHAPES[name]
    drawn_region = region(name if name != "turned" else "boxes", shape, label=label, size=SIZE)
    cards = SKIES[sky] if sky else None
    folder, summary = run_export([task(annotation(drawn_region), **({"wcs": cards} if cards else {}))], "ds9")
    exported_region = only_region(folder)
    assert isinstance(exported_region, SkyRegion) == (cards is not None)
    assert exported_region.meta["text"] == label
    assert "human" in exported_region.meta["tag"]
    expected = pixels_of(shape)
    assert (pixels_in(exported_region, cards) != expected).sum() <= 0.03 * expected.sum()
    assert (summary.objects, summary.problems) == (1, 0)


def test_ellipses_and_boxes_keep_their_shape_on_the_sky(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    for name, kind, sky in (
        ("ellipses", EllipseSkyRegion, "skewed"),
        ("turned", RectangleSkyRegion, "mirrored and turned"),
    ):
        shape, label = SHAPES[name]
        drawn_region = region("ellipses" if name == "ellipses" else "boxes", shape, label=label, size=SIZE)
        folder, _ = run_export([task(annotation(drawn_region), wcs=SKIES[sky])], "ds9")
        assert isinstance(only_region(folder), kind)


@pytest.mark.parametrize("sky", [None, "mirrored"])
def test_a_mask_is_a_polygon_of_the_same_pixels(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask, sky: str | None
) -> None:
    cards = SKIES[sky] if sky else None
    drawn_region = region("masks", ragged_mask, label="Arm", size=SIZE)
    folder, _ = run_export([task(annotation(drawn_region), **({"wcs": cards} if cards else {}))], "ds9")
    differs = pixels_in(only_region(folder), cards) != ragged_mask
    assert differs.sum() <= 3  # pixel centres on a bridge


def test_a_point_has_the_coordinates_of_ds9(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    drawn_region = region("points", Point(0.5, 29.5), label="Nucleus", size=SIZE)
    folder, _ = run_export([task(annotation(drawn_region))], "ds9")
    (file,) = folder.glob("regions/train/*.reg")
    assert "image\npoint(1.0" in file.read_text()
    assert ",1.0" in file.read_text()


@pytest.mark.parametrize(
    "label", ["🌀 ring", "a {b} c", 'say "hi"', "it's", "a # b; c", "two\nlines", "=x", "back\\slash", "}"]
)
def test_any_label_is_read_back_or_listed(run_export: Exported, task: Say, annotation: Say, region: Say, label: str) -> None:
    from sync.export.texts import DS9, escape_text
    from sync.labelling.config import parse

    config = parse('<View><Image name="image" value="$image"/><RectangleLabels name="boxes" toName="image" value="$c"/></View>')
    drawn_region = region("boxes", Box(8, 6, 14, 9), label="Star", size=SIZE)
    drawn_region["value"]["rectanglelabels"] = [label]
    folder, summary = run_export([task(annotation(drawn_region))], "ds9", config=config)
    assert only_region(folder).meta["text"] == escape_text(label, DS9)
    assert summary.problems == (escape_text(label, DS9) != label)


def test_an_image_without_an_object_has_a_file(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    drawn_region = region("boxes", Box(8, 6, 14, 9), label="Star", size=SIZE)
    folder, _ = run_export([task(annotation(drawn_region)), task(annotation())], "ds9")
    assert len(list(folder.glob("regions/train/*.reg"))) == 2


@pytest.mark.parametrize("sky", SKIES)
def test_a_moc_covers_the_images_and_the_objects(
    run_export: Exported, task: Say, annotation: Say, region: Say, ragged_mask: Mask, sky: str
) -> None:
    wcs = WCS(SKIES[sky])
    regions = [
        region("ellipses", SHAPES["ellipses"][0], label="Galaxy", size=SIZE),
        region("masks", ragged_mask, label="Arm", size=SIZE),
    ]
    folder, summary = run_export([task(annotation(*regions), wcs=SKIES[sky]), task(annotation(regions[0]))], "moc")
    assert summary.tasks == 1
    assert summary.problems == 1  # the task without a position on the sky
    rows, columns = np.indices((HEIGHT, WIDTH)).reshape(2, -1)
    places = wcs.pixel_to_world(columns, HEIGHT - 1 - rows)
    images, objects = MOC.load(folder / "images.fits"), MOC.load(folder / "objects.fits")
    assert images.contains_skycoords(places).all()
    pixel_area = abs(np.linalg.det(wcs.pixel_scale_matrix)) * np.radians(1) ** 2
    assert WIDTH * HEIGHT <= images.sky_fraction * 4 * np.pi / pixel_area < 1.6 * WIDTH * HEIGHT
    expected = ragged_mask | pixels_of(SHAPES["ellipses"][0])
    inside = objects.contains_skycoords(places).reshape(HEIGHT, WIDTH)
    assert inside[expected].all()
    assert inside.sum() < 2 * expected.sum()


def test_a_moc_of_an_all_sky_map_covers_the_whole_sky(run_export: Exported, task: Say, annotation: Say, region: Say) -> None:
    cards = {"CTYPE1": "RA---AIT", "CTYPE2": "DEC--AIT", "CRVAL1": 0.0, "CRVAL2": 0.0, "CRPIX1": 100.5, "CRPIX2": 50.5}
    scale = {"CDELT1": -324 / 200, "CDELT2": 162 / 100, "NAXIS1": 200, "NAXIS2": 100}
    crossed_polygon = Polygon(np.array([[60.0, 60.0], [140.0, 40.0], [140.0, 60.0], [60.0, 40.0]]))
    drawn_region = region("polygons", crossed_polygon, label="Galaxy", size=(200, 100))
    folder, summary = run_export([task(annotation(drawn_region), wcs={**cards, **scale})], "moc", size=(200, 100))
    assert summary.problems == 0
    assert MOC.load(folder / "images.fits").sky_fraction > 0.97
    assert 0 < MOC.load(folder / "objects.fits").sky_fraction < 0.2


def test_a_moc_of_an_image_without_wcs_is_the_circle_around_it(
    run_export: Exported, task: Say, annotation: Say, region: Say
) -> None:
    drawn_region = region("ellipses", SHAPES["ellipses"][0], label="Galaxy", size=SIZE)
    folder, summary = run_export([task(annotation(drawn_region), ra=10, dec=20, pixel_scale_arcsec=0.36)], "moc")
    assert (summary.tasks, summary.problems) == (1, 1)  # the object's position is unknown
    images = MOC.load(folder / "images.fits")
    area = np.pi * (WIDTH**2 + HEIGHT**2) / 4 * SCALE**2
    assert images.sky_fraction * 4 * np.pi * (180 / np.pi) ** 2 == pytest.approx(area, rel=0.5)
    assert images.contains_skycoords(SkyCoord([10], [20], unit="deg")).all()


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 0.0), (150.0, 90.0), (359.9999, -89.999)])
def test_a_moc_crosses_the_seam_and_the_poles(
    run_export: Exported, task: Say, annotation: Say, region: Say, ra: float, dec: float
) -> None:
    cards = {**SKIES["turned"], "CRVAL1": ra, "CRVAL2": dec}
    drawn_region = region("ellipses", SHAPES["ellipses"][0], label="Galaxy", size=SIZE)
    folder, _ = run_export([task(annotation(drawn_region), wcs=cards)], "moc")
    images = MOC.load(folder / "images.fits")
    assert images.contains_skycoords(SkyCoord([ra], [dec], unit="deg")).all()
    assert images.sky_fraction * 4 * np.pi * (180 / np.pi) ** 2 == pytest.approx(WIDTH * HEIGHT * SCALE**2, rel=0.6)
