"""Region files: masks equal those of astropy's `regions`, pixel by pixel, on the image, whose rows are flipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import regions
from astropy import units as u
from astropy.coordinates import SkyCoord
from regions import PixCoord, Regions

from sync.controls import CONTROLS
from sync.geometry.shapes import Box, Ellipse, Point, Polygon
from sync.labelling.config import parse
from sync.labelling.reading import read_region
from sync.regions import sky_regions
from sync.regions.fitting import RegionFitter
from sync.regions.marks import Canvas, Mark, PlacedMark, RegionsError

MASKS = parse('<View><Image name="i" value="$i"/><BrushLabels name="b" toName="i"><Label value="Galaxy"/></BrushLabels></View>')
SHAPES = parse(
    '<View><Image name="i" value="$i"/>'
    + "".join(
        f'<{tag} name="{tag}" toName="i"><Label value="Galaxy"/></{tag}>'
        for tag in ("RectangleLabels", "EllipseLabels", "PolygonLabels", "KeyPointLabels")
    )
    + "</View>"
)

MIDDLE = SkyCoord(150.0, 2.0, unit="deg")
PIXELS = {
    "circle": regions.CirclePixelRegion(PixCoord(20.3, 11.7), 6.2),
    "ellipse": regions.EllipsePixelRegion(PixCoord(30.2, 20.1), 18.4, 7.3, 35 * u.deg),
    "box": regions.RectanglePixelRegion(PixCoord(30.2, 20.1), 18.4, 7.3, 35 * u.deg),
    "upright box": regions.RectanglePixelRegion(PixCoord(12.2, 30.1), 9.4, 7.3, 0 * u.deg),
    "polygon": regions.PolygonPixelRegion(PixCoord([5.2, 40.1, 33.3, 20.4], [4.6, 9.3, 40.2, 22.1])),
    "annulus": regions.CircleAnnulusPixelRegion(PixCoord(30.2, 20.1), 4.2, 9.1),
    "elliptical annulus": regions.EllipseAnnulusPixelRegion(PixCoord(30, 20), 8, 16, 5, 11, 40 * u.deg),
    "at the edge": regions.CirclePixelRegion(PixCoord(1.3, 46.2), 8.4),
}
ON_SKY = {
    "circle": regions.CircleSkyRegion(MIDDLE, 4 * u.arcsec),
    "ellipse": regions.EllipseSkyRegion(MIDDLE, 9 * u.arcsec, 4 * u.arcsec, 25 * u.deg),
    "box": regions.RectangleSkyRegion(MIDDLE, 9 * u.arcsec, 4 * u.arcsec, 25 * u.deg),
    "polygon": regions.PolygonSkyRegion(MIDDLE.directional_offset_by([0, 120, 240] * u.deg, [5, 6, 7] * u.arcsec)),
    "annulus": regions.CircleAnnulusSkyRegion(MIDDLE, 2 * u.arcsec, 5 * u.arcsec),
}


def read_one(file: Path, text: str) -> Mark:
    file.write_text(text)
    images, problems = sky_regions.read(file)
    assert problems == []
    (mark,) = [mark for image in images for mark in image.marks]
    return mark


def imported_mask(mark: Mark, canvas: Canvas) -> np.ndarray:
    region = RegionFitter(MASKS).object_region(mark, canvas, image="i")
    return read_region(region, MASKS.controls[0], size=canvas.size).shape


@pytest.mark.parametrize("name", PIXELS)
def test_masks_of_pixel_regions_are_those_of_astropy(tmp_path: Path, canvas: Canvas, name: str) -> None:
    text = Regions([PIXELS[name]]).serialize(format="ds9", precision=12)
    expected = PIXELS[name].to_mask(mode="center").to_image(canvas.size[::-1]) > 0
    assert np.array_equal(imported_mask(read_one(tmp_path / "a.reg", text), canvas), expected[::-1])


@pytest.mark.parametrize("frame", ["fk5", "icrs", "galactic", "fk4"])
@pytest.mark.parametrize("name", ON_SKY)
def test_masks_of_sky_regions_are_those_of_astropy(tmp_path: Path, canvas: Canvas, name: str, frame: str) -> None:
    region = ON_SKY[name]
    place = {
        "vertices" if name == "polygon" else "center": (region.vertices if name == "polygon" else region.center).transform_to(
            frame
        )
    }
    assert canvas.sky is not None
    text = Regions([region.copy(**place)]).serialize(format="ds9", precision=12)
    # The regions of the file, with the numbers of its text.
    expected = (
        Regions.parse(text, format="ds9")[0].to_pixel(canvas.sky.wcs).to_mask(mode="center").to_image(canvas.size[::-1]) > 0
    )
    mark = read_one(tmp_path / "a.reg", text)
    assert mark.position is not None
    assert SkyCoord(*mark.position, unit="deg").separation(MIDDLE) < 3 * u.arcsec
    assert np.array_equal(imported_mask(mark, canvas), expected[::-1])


def test_ds9_coordinates_begin_at_one_in_the_lower_left_pixel(tmp_path: Path, canvas: Canvas) -> None:
    mark = read_one(tmp_path / "a.reg", "image\npoint(1,1)")
    point = mark.draw(canvas).shape
    assert point == Point(0.5, 47.5)


def test_a_box_over_a_whole_pixel_is_that_pixel(tmp_path: Path, canvas: Canvas) -> None:
    mark = read_one(tmp_path / "a.reg", "image\nbox(10,20,1,1,0)")
    shape = mark.draw(canvas).shape
    assert shape == Box(9, 28, 1, 1)
    mask = imported_mask(mark, canvas)
    assert np.argwhere(mask).tolist() == [[28, 9]]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("circle(20.2,11.1,6.3)", Ellipse),
        ("ellipse(30.2,20.1,9.3,4.2,35)", Ellipse),
        ("box(30.2,20.1,18.3,7.2,35)", Box),
        ("box(30.2,20.1,18.3,7.2,90)", Box),
        ("polygon(5.2,4.1,40.3,9.4,33.1,40.2)", Polygon),
        ("point(5,4)", Point),
    ],
)
def test_shapes_in_label_studio_equal_those_of_astropy(tmp_path: Path, canvas: Canvas, text: str, kind: type) -> None:
    mark = read_one(tmp_path / "a.reg", f"image\n{text}")
    region = RegionFitter(SHAPES).object_region(mark, canvas, image="i")
    control = SHAPES.control(region["from_name"])
    assert control is not None
    shape = CONTROLS[control.tag].decode(region)
    assert type(shape.shape) is kind
    if kind is not Point:
        (expected,) = Regions.parse(f"image\n{text}", format="ds9")
        redrawn = Mark("again", lambda _: PlacedMark(shape.shape))
        inside = expected.to_mask(mode="center").to_image(canvas.size[::-1]) > 0
        assert np.array_equal(imported_mask(redrawn, canvas), inside[::-1])


def test_a_bad_line_is_left_out_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.reg"
    file.write_text(
        "# Region file format: DS9 version 4.1\nglobal color=green\nimage\ncircle(10,20,5) # text={A; B} tag={Galaxy}\n"
        "annulus(30,30,3,6,9,n=2)\npanda(10,10,0,90,1,2,3,1)\nphysical\ncircle(5,5,2)\nimage;circle(9,9,x);circle(3,3,1)\n"
        "-circle(1,2,3)\n# text(5,5) text={hello}\nline(1,1,5,5)\n"
    )
    images, problems = sky_regions.read(file)
    marks = [mark for image in images for mark in image.marks]
    assert [mark.name for mark in marks] == ["line 4", "line 9"]
    assert marks[0].labels == ("A; B", "Galaxy")
    assert [name for name, _ in problems] == ["line 5", "line 6", "line 8", "line 9", "line 10", "line 11", "line 12"]
    reasons = dict(problems)
    assert "physical" in reasons["line 8"]
    assert "image, fk5" in reasons["line 8"]


@pytest.mark.parametrize("text", ["", "# nothing\n", "\0\0\0"])
def test_a_file_without_a_region_is_rejected(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.reg").write_text(text)
    with pytest.raises(RegionsError):
        sky_regions.read(tmp_path / "a.reg")


def test_other_formats_of_regions_are_read(tmp_path: Path, canvas: Canvas) -> None:
    regions = Regions([PIXELS["circle"], PIXELS["ellipse"]])
    regions.write(tmp_path / "a.fits", format="fits")
    sky = Regions([ON_SKY["circle"]])
    sky.write(tmp_path / "a.crtf", format="crtf")
    (image,), problems = sky_regions.read(tmp_path / "a.fits")
    assert problems == []
    expected = PIXELS["circle"].to_mask(mode="center").to_image(canvas.size[::-1]) > 0
    assert np.array_equal(imported_mask(image.marks[0], canvas), expected[::-1])
    (image,), problems = sky_regions.read(tmp_path / "a.crtf")
    assert problems == []
    assert image.by_place
