"""Import rate and memory of each storage, compared with the SDK's file import in the same run.

Run: .venv/bin/python -m benchmarks.ingest.run [--quick]     (minutes on 2 idle cores; --quick: 20 images, no report)

Each import is a process that imports into a new project of a fresh Label Studio on this machine; its time includes the start of
the interpreter. The images are crops of the Hubble deep field, 256 pixels wide, and the same crops as FITS files of three
bands. S3 is moto's server, one Python process: its row gives the cost of galaxyloop and Label Studio, not the rate of a
cloud storage.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, Popen

import numpy as np
from astropy.io import fits
from PIL import Image
from rich.console import Console
from skimage.data import hubble_deep_field

from benchmarks.loop.fixture import LABEL_STUDIO, free_port
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from sync.label_studio.client import LabelStudioClient
from sync.label_studio.local_server import LabelStudioServer
from sync.label_studio.login import login
from sync.label_studio.projects import create_project, project_state

COUNTS = (200, 1000)
CROP_PX = 256
LOOK_EVERY_S = 0.02
USER, PASSWORD = "benchmark@example.com", "galaxies-for-benchmarks"
BUCKET = "galaxies"
console = Console()


@dataclass(frozen=True, slots=True)
class Method:
    """One way of importing.

    Attributes
    ----------
    name : str
    kind : {"png", "fits"}
        Format of the files.
    words : tuple of str or None
        Options of `galaxyloop import`; None is the SDK's import.
    """

    name: str
    kind: str
    words: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Time and memory of one import.

    Attributes
    ----------
    images : int
    seconds : float
    cpu_seconds : float
        CPU time of the importing process; less affected by other processes than `seconds`.
    peak_mib : float
        Largest resident memory of the importing process.
    again_seconds : float or None
        Time of the same import a second time, when nothing is new; None for the SDK, which would import every file again.
    """

    method: str
    kind: str
    images: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    again_seconds: float | None


def main() -> None:
    """Measure all methods and write the report."""
    quick = "--quick" in sys.argv[1:]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-")))
        studio = stack.enter_context(
            LabelStudioServer(
                LABEL_STUDIO, folder / "studio", port=free_port(), user=USER, password=PASSWORD, local_files=folder / "served"
            )
        )
        studio.start()
        studio.wait()
        environment = os.environ | {
            "LABEL_STUDIO_URL": studio.url,
            "LABEL_STUDIO_API_KEY": login(studio.url, USER, PASSWORD),
            "GALAXYLOOP_DATA_DIR": str(folder / "data"),
            "GALAXYLOOP_LOCAL_FILES_DOCUMENT_ROOT": str(folder / "served"),
        }
        s3 = stack.enter_context(_bucket())
        client = stack.enter_context(LabelStudioClient(studio.url, environment["LABEL_STUDIO_API_KEY"]))
        measurements = []
        for count in (20,) if quick else COUNTS:
            folders = {kind: _write_files(folder / f"{kind}-{count}", kind, count) for kind in ("png", "fits")}
            for method in _methods(with_s3=bool(s3)):
                result = _measure(method, count, folders[method.kind], client, environment | s3)
                console.print(
                    f"{result.images} {result.kind}, {result.method}: {result.images / result.seconds:.1f} a second, "
                    f"{result.peak_mib:.0f} MiB"
                )
                measurements.append(result)
    if not quick:
        _write(measurements)


def _methods(*, with_s3: bool) -> list[Method]:
    methods = [Method("SDK, one file a call", "png", None)]
    methods += [Method(f"galaxyloop, {storage}", "png", ("--storage", storage)) for storage in ("uploads", "local")]
    methods.append(Method("galaxyloop, local", "fits", ("--storage", "local")))
    if with_s3:
        methods.append(Method("galaxyloop, s3", "png", ("--storage", "s3", "--bucket", BUCKET)))
    return methods


def _measure(method: Method, count: int, folder: Path, client: LabelStudioClient, environment: dict[str, str]) -> Measured:
    project = create_project(
        client, f"{method.name} {method.kind} {count}", files("labeling_configs").joinpath("morphology.xml").read_text()
    )
    if method.words is None:
        command = [sys.executable, "-m", "benchmarks.ingest.plain", client.url, str(project), str(folder)]
    else:
        command = [sys.executable, "-m", "backend.cli", "import", str(project), str(folder), *method.words]
    seconds, cpu, peak = _run(command, environment)
    task_count = project_state(client, project).task_count
    if task_count != count:
        raise SystemExit(f"{method.name} made {task_count} tasks of {count} files")
    second_run_s = None if method.words is None else _run(command, environment)[0]
    return Measured(method.name, method.kind, count, seconds, cpu, peak, second_run_s)


def _run(command: Sequence[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Run a command; return wall-clock seconds, CPU seconds and peak resident memory in MiB."""
    began, peak = time.monotonic(), 0.0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = Popen(command, env=environment | {"PYTHONPATH": str(Path.cwd())}, stdout=DEVNULL)
    while process.poll() is None:
        # The kernel's figure at the end (ru_maxrss) includes the memory of the forking process.
        peak = max(peak, _peak_mib(process.pid))
        time.sleep(LOOK_EVERY_S)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # the server is still running, so its time is not included
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu, peak


def _peak_mib(pid: int) -> float:
    """Return the largest resident memory that a process has had, MiB; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return max((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), default=0.0)


def _write_files(folder: Path, kind: str, count: int) -> Path:
    """Write `count` different crops as PNG or as FITS of three bands."""
    folder.mkdir()
    field = np.asarray(hubble_deep_field())
    random = np.random.default_rng(0)
    rows, columns = (side - CROP_PX for side in field.shape[:2])
    corners = random.choice(rows * columns, count, replace=False)  # identical crops would become one task
    for number, (y, x) in enumerate(divmod(int(corner), columns) for corner in corners):
        crop = field[y : y + CROP_PX, x : x + CROP_PX]
        if kind == "png":
            Image.fromarray(crop).save(folder / f"{number:04d}.png")
        else:
            linear = crop.transpose(2, 0, 1)[::-1, ::-1].astype(np.float32) + random.normal(0, 1, (3, CROP_PX, CROP_PX))
            fits.PrimaryHDU(linear.astype(np.float32)).writeto(folder / f"{number:04d}.fits")
    return folder


@contextmanager
def _bucket() -> Iterator[dict[str, str]]:
    """Create a bucket on moto's server and yield its environment variables; yield none if moto or boto3 is not installed."""
    if find_spec("moto") is None or find_spec("boto3") is None:
        console.print("no moto or boto3: S3 is left out")
        yield {}
        return
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs every request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    keys["AWS_ENDPOINT_URL"] = f"http://{host}:{port}"
    os.environ |= keys
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    try:
        yield keys | {"GALAXYLOOP_S3_ACCESS_KEY_ID": "testing", "GALAXYLOOP_S3_SECRET_ACCESS_KEY": "testing"}
    finally:
        server.stop()


def _write(measurements: Sequence[Measured]) -> None:
    write_numbers("ingest", {"machine": machine_line(), "imports": [asdict(result) for result in measurements]})
    rows = [
        [
            result.method,
            result.kind,
            str(result.images),
            f"{result.seconds:.1f}",
            f"{result.images / result.seconds:.1f}",
            f"{result.cpu_seconds:.1f}",
            f"{result.peak_mib:.0f}",
            "" if result.again_seconds is None else f"{result.again_seconds:.1f}",
        ]
        for result in measurements
    ]
    columns = ["method, storage", "files", "images", "s", "images/s", "CPU, s", "peak memory, MiB", "second run, s"]
    write_section("ingest", f"One run on {machine_line()}.\n\n" + markdown_table(columns, rows))


if __name__ == "__main__":
    main()
