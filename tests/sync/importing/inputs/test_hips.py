"""hips2fits through astroquery, against a local server."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from sync.errors.images import ImageError
from sync.images.display import display
from sync.importing.inputs.catalogue import Position
from sync.importing.inputs.hips import HipsSurvey
from sync.importing.inputs.item import InputError

hips2fits = pytest.importorskip("astroquery.hips2fits", reason="no astroquery: install galaxyloop[import]")

PLACE = Position(150.1, 2.2)


def cut_out(requests: dict[str, str]) -> bytes:
    """Return the service's answer: a plane in the requested projection."""
    width, height = int(requests["width"]), int(requests["height"])
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [float(requests["ra"]), float(requests["dec"])]
    wcs.wcs.crpix = [(width + 1) / 2, (height + 1) / 2]
    wcs.wcs.cdelt = [-float(requests["fov"]) / width, float(requests["fov"]) / width]
    plane = np.random.default_rng(len(requests["hips"])).normal(size=(height, width)).astype(np.float32)
    if requests["hips"] == "empty":
        plane[:] = np.nan
    if requests["hips"] == "colour":
        plane = np.zeros((3, height, width), np.uint8)
        plane[0, 0, 0], plane[2, -1, -1] = 200, 100  # red at the lower left, blue at the upper right
    file = io.BytesIO()
    fits.PrimaryHDU(plane, wcs.to_header()).writeto(file)
    return file.getvalue()


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, str]]]:
    """Run a service on this machine; yield the list of its requests."""
    queries: list[dict[str, str]] = []

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            queries.append({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
            body = b'{"title": "Bad Request", "description": "no such survey"}'
            is_known = queries[-1]["hips"] != "unknown"
            body = cut_out(queries[-1]) if is_known else body
            self.send_response(200 if is_known else 400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(hips2fits.hips2fitsClass, "server", f"http://127.0.0.1:{server.server_address[1]}/hips2fits")
        yield queries
        server.shutdown()


def test_the_request_contains_survey_field_of_view_and_size(requests: list[dict[str, str]]) -> None:
    content = HipsSurvey(("some/g", "some/red"), fov_arcsec=90, side_px=64).cut(PLACE)
    assert [query["hips"] for query in requests] == ["some/g", "some/red"]
    assert (requests[0]["width"], requests[0]["height"], requests[0]["format"]) == ("64", "64", "fits")
    assert float(requests[0]["fov"]) == pytest.approx(90 / 3600)
    picture = display(content, stretch="asinh")
    assert picture.data["bands"] == ["some/g", "some/red"]
    assert (picture.data["ra"], picture.data["dec"]) == (pytest.approx(PLACE.ra), pytest.approx(PLACE.dec))
    assert picture.data["pixel_scale_arcsec"] == pytest.approx(90 / 64, rel=1e-4)
    assert fits.getdata(io.BytesIO(picture.science or b"")).shape == (2, 64, 64)


@pytest.mark.usefixtures("requests")
def test_a_survey_in_colours_is_displayed_unchanged_and_upright() -> None:
    picture = display(HipsSurvey(("colour",), fov_arcsec=60, side_px=16).cut(PLACE), stretch="zscale")
    pixels = np.asarray(Image.open(io.BytesIO(picture.image)))
    assert pixels[-1, 0].tolist() == [200, 0, 0]
    assert pixels[0, -1].tolist() == [0, 0, 100]
    assert picture.data["bands"] == ["colour red", "colour green", "colour blue"]
    assert (picture.data["ra"], picture.data["dec"]) == (pytest.approx(PLACE.ra), pytest.approx(PLACE.dec))


@pytest.mark.parametrize(
    ("surveys", "reason"),
    [
        (("unknown",), "no cut-out of unknown"),
        (("empty",), "has no pixels at ra 150.1"),
        (("some/g", "colour"), "colour is a colour image: it cannot be one band of several"),
    ],
)
@pytest.mark.usefixtures("requests")
def test_a_missing_cut_out_gives_one_sentence(surveys: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ImageError, match=reason) as error:
        HipsSurvey(surveys, fov_arcsec=60, side_px=16).cut(PLACE)
    assert "\n" not in str(error.value)


def test_a_service_that_is_down_gives_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hips2fits.hips2fitsClass, "server", "http://127.0.0.1:1/")
    with pytest.raises(ImageError, match="hips2fits returned no cut-out of some/g"):
        HipsSurvey(("some/g",), fov_arcsec=60, side_px=16).cut(PLACE)


def test_everything_that_changes_a_cut_out_changes_its_identity() -> None:
    surveys = [HipsSurvey(names, fov, side) for names in (("a",), ("a", "b")) for fov in (60, 61) for side in (16, 17)]
    places = [PLACE, Position(PLACE.ra + 1e-6, PLACE.dec)]
    assert len({survey.identity(place) for survey in surveys for place in places}) == 16


def test_a_size_of_nothing_is_rejected() -> None:
    with pytest.raises(InputError, match="1 to 4096 pixels a side, not 0"):
        HipsSurvey(("a",), fov_arcsec=60, side_px=0)
