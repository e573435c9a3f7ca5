"""`galaxyloop import` from catalogues and URLs into every storage; the backend can read all images."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from astropy.wcs import WCS
from typer.testing import Result

from sync.label_studio.client import LabelStudioClient
from sync.label_studio.projects import create_project, project_state
from sync.label_studio.tasks import read_tasks

CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Smooth"/></Choices>
</View>
"""


def test_local_files_are_served_to_annotators_and_to_the_backend(
    client: LabelStudioClient, project: int, run: Callable[..., Result], shape_of: Callable[..., Any], image_folder: Path
) -> None:
    for _ in range(2):
        run(project, image_folder, "--storage", "local")
    tasks = [task.data for task in read_tasks(client, project)]
    assert len(tasks) == 4
    assert {shape_of(data["image"]) for data in tasks} == {(24, 32, 3)}
    assert all(data["image"].startswith("/data/local-files/?d=galaxyloop/") for data in tasks)
    assert shape_of(next(data["science"] for data in tasks if data["filename"] == "d.fits")) == (24, 32, 3)
    (storage,) = client.get("/api/storages/localfiles", project=project)
    client.send("POST", f"/api/storages/localfiles/{storage['id']}/sync")  # the sync button of Label Studio
    assert project_state(client, project).task_count == 4


def test_cut_outs_of_a_catalogue_have_its_columns(
    client: LabelStudioClient,
    project: int,
    run: Callable[..., Result],
    shape_of: Callable[..., Any],
    noise: Callable[..., Any],
    tmp_path: Path,
) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [100.5, 100.5]
    wcs.wcs.cdelt = [-0.5 / 3600, 0.5 / 3600]
    for band in "gr":
        fits.PrimaryHDU(noise(ord(band), (200, 200)), wcs.to_header()).writeto(tmp_path / f"{band}.fits")
    catalogue = tmp_path / "galaxies.csv"
    catalogue.write_text("name,ra,dec,redshift,mag\nA,150.0,2.0,0.5,21.5\nB,150.005,1.995,,20\nC,10,2,0.1,19\nD,,,0.1,19\n")
    mosaics = ["--mosaic", tmp_path / "[gr].fits"]
    for new_count in (2, 0):
        result = run(project, "--catalogue", catalogue, *mosaics, "--fov-arcsec", 20)
        assert f"{new_count} imported, {2 - new_count} already in the project, 2 left out" in result.stdout
    assert "row 3 (J004000.0+020000.0): no g mosaic covers the position at ra 10.00000, dec 2.00000" in result.stderr
    assert "row 4: the row has no position" in result.stderr
    first, second = (task.data for task in read_tasks(client, project))
    assert {key: first[key] for key in ("name", "ra", "dec", "redshift", "mag")} == {
        "name": "A", "ra": 150.0, "dec": 2.0, "redshift": 0.5, "mag": 21.5
    }  # fmt: skip
    assert second["redshift"] is None
    assert (first["bands"], first["pixel_scale_arcsec"]) == (["g", "r"], pytest.approx(0.5))
    assert shape_of(first["image"]) == (40, 40, 3)
    assert WCS(fits.Header(first["wcs"])).wcs_world2pix(150.0, 2.0, 0) == pytest.approx([19.5, 19.5], abs=0.51)
    assert fits.getdata(tmp_path / "data" / first["science"]).shape == (2, 40, 40)


def test_a_table_is_joined_to_images_by_their_ids(
    client: LabelStudioClient, project: int, run: Callable[..., Result], make_images: Callable[[int], Path], tmp_path: Path
) -> None:
    folder, table = make_images(4), tmp_path / "ids.csv"
    table.write_text("objid,ra,dec,class\n000,150.5,2.0,Spiral\n1,151.0,3.0,Smooth\n002,1,2,Spiral,x\n77,1,2,Smooth\n")
    for new_count in (2, 0):
        result = run(project, folder, "--table", table, "--key", "objid")
        assert f"{new_count} imported, {2 - new_count} already in the project, 4 left out" in result.stdout
        assert result.exit_code == 1
    assert result.stderr.count("matches this image") == 2
    assert f"row 3 of {table}: line 4 has 5 values for 4 columns" in result.stderr
    assert f"row 4 of {table} (77): no image has this name" in result.stderr
    data_by_name = {task.data["filename"]: task.data for task in read_tasks(client, project)}
    columns = ("objid", "ra", "dec", "class")
    assert [[data_by_name[f"{number:03d}.png"][key] for key in columns] for number in (0, 1)] == [
        ["000", 150.5, 2.0, "Spiral"],
        ["1", 151.0, 3.0, "Smooth"],
    ]


def test_the_image_has_the_key_of_the_labelling_config(
    client: LabelStudioClient, run: Callable[..., Result], shape_of: Callable[..., Any], make_images: Callable[[int], Path]
) -> None:
    project = create_project(client, "Pictures called photo", CONFIG.replace("$image", "$photo"))
    assert "2 imported" in run(project, make_images(2)).stdout
    for task in read_tasks(client, project):
        assert "image" not in task.data
        assert shape_of(task.data["photo"]) == (8, 8, 3)


def test_a_project_without_an_image_is_rejected_before_the_upload(
    client: LabelStudioClient, run: Callable[..., Result], make_images: Callable[[int], Path]
) -> None:
    second = CONFIG.replace("</View>", '<Image name="other" value="$other"/></View>')
    project = create_project(client, "Two pictures a task", second)
    images = make_images(2)
    assert "shows several images of a task ($image, $other); an import brings one" in run(project, images).stderr
    assert client.get(f"/api/projects/{project}/file-uploads", all="true") == []
    assert "Label Studio has no project 999999 that this key may see" in run(999999, images).stderr


def test_urls_are_fetched_from_allowed_hosts_only(
    client: LabelStudioClient,
    project: int,
    run: Callable[..., Result],
    make_images: Callable[[int], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, addresses = make_images(2), tmp_path / "urls.csv"

    def find(path: str) -> bytes | None:
        file = folder / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    with serve(find) as (host, _):
        monkeypatch.setenv("GALAXYLOOP_IMAGE_HOSTS", host)
        lines = [f"http://{host}/000.png,0.5", f"http://{host}/999.png,1", "http://elsewhere.example/a.png,1", "file:///a,1"]
        addresses.write_text("\n".join(["url,redshift", *lines, f"http://{host}/001.png,0.7"]))
        result = run(project, "--urls", addresses)
    assert "2 imported, 0 already in the project, 3 left out" in result.stdout
    assert "999.png' got HTTP 404" in result.stderr
    assert result.stderr.count("nor on an allowed host") == 2
    assert [task.data["redshift"] for task in read_tasks(client, project)] == [0.5, 0.7]


def test_one_request_per_galaxy_is_sent_to_a_survey(
    client: LabelStudioClient,
    project: int,
    run: Callable[..., Result],
    noise: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    astroquery = pytest.importorskip("astroquery.hips2fits", reason="no astroquery: install galaxyloop[import]")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.cdelt = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [-0.001, 0.001]
    cut_out = io.BytesIO()
    fits.PrimaryHDU(noise(0), wcs.to_header()).writeto(cut_out)
    catalogue = tmp_path / "galaxies.csv"
    catalogue.write_text("ra,dec\n150,2\n150.1,2\n")
    with serve(lambda path: cut_out.getvalue()) as (host, requests):
        monkeypatch.setattr(astroquery.hips2fitsClass, "server", f"http://{host}/hips2fits")
        for new_count in (2, 0):
            result = run(project, "--catalogue", catalogue, "--survey", "CDS/P/some/g", "--pixels", 32)
            assert f"{new_count} imported, {2 - new_count} already in the project, 0 left out" in result.stdout, result.stderr
        assert len(requests) == 2
    assert [task.data["ra"] for task in read_tasks(client, project)] == [150.0, 150.1]


def test_images_in_a_bucket_are_served_by_label_studio(
    client: LabelStudioClient,
    project: int,
    run: Callable[..., Result],
    shape_of: Callable[..., Any],
    bucket: tuple[str, Any],
    image_folder: Path,
) -> None:
    host, s3 = bucket
    for _ in range(2):
        result = run(project, image_folder, "--storage", "s3", "--bucket", "galaxies")
    assert "0 imported, 5 already in the project, 2 left out" in result.stdout
    tasks = {task.data["filename"]: task.data for task in read_tasks(client, project)}
    keys = {entry["Key"] for entry in s3.list_objects_v2(Bucket="galaxies")["Contents"]}
    names = {f"{data['content_id']}.{kind}" for data, kind in zip(tasks.values(), ("png", "jpg", "png", "png"), strict=True)}
    science = {f"{tasks['c.tif']['content_id']}.tif", f"{tasks['d.fits']['content_id']}.fits"}
    assert keys == {f"galaxyloop/{project}/{name}" for name in names | science}
    assert {shape_of(data["image"], host) for data in tasks.values()} == {(24, 32, 3)}
    (storage,) = client.get("/api/storages/s3", project=project)
    assert (storage["bucket"], storage["presign"]) == ("galaxies", True)
    client.send("POST", f"/api/storages/s3/{storage['id']}/sync")
    assert project_state(client, project).task_count == 4
    assert tasks["d.fits"]["bands"] == ["r"]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Any]]:
    """Yield the host and a client of moto's S3 on this machine, with a bucket."""
    moto = pytest.importorskip("moto.server", reason="no moto: install moto[server] and boto3")
    boto3 = pytest.importorskip("boto3", reason="no boto3: install galaxyloop[s3]")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "GALAXYLOOP_S3_ACCESS_KEY_ID",
        "GALAXYLOOP_S3_SECRET_ACCESS_KEY",
    ):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="galaxies")
    yield f"{host}:{port}", s3
    server.stop()


@contextmanager
def serve(find: Callable[[str], bytes | None]) -> Iterator[tuple[str, list[str]]]:
    """Yield the host of a server that answers with the result of `find` for a path, and the list of requested paths."""
    requests: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            content = find(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            """Suppress the log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}", requests
        server.shutdown()
