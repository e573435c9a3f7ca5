"""One method of benchmarks/throughput/run.py, measured in its own process: one network with one image side.

run.py starts it with a `Method` as JSON; it prints a `Measured` as JSON. Each network gets its fastest batch size and memory
layout, found in short trials before it is timed.
"""

from __future__ import annotations

import io
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

__all__ = ["OURS", "OURS_AVERAGED", "Measured", "Method", "Setting"]

OURS, OURS_AVERAGED = "galaxyloop, one view", "galaxyloop, four views"
BATCHES = (1, 8, 32)
GPU_BATCHES = (16, 64, 256)
TRIAL_S = 0.4
ROUND_S = 1.0
ROUNDS = 5
COUNTS = (1, 8, 32, 128)
FILES = 32
FILE_PX = 256
CLOSE = 0.97  # the smallest batch with at least this share of the highest rate is used: it needs less memory


@dataclass(frozen=True, slots=True)
class Setting:
    """Precision, batch size and memory layout of a network."""

    precision: str
    batch: int
    channels_last: bool


@dataclass(frozen=True, slots=True)
class Method:
    """Network, image side, threads and device; with a `setting`, only its peak memory is measured."""

    network: str
    side: int
    threads: int
    device: str
    setting: Setting | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """Result of a method.

    Attributes
    ----------
    method : Method
    parameters : int
    settings : list of Setting
        The fastest of each precision.
    rates : list of list of float
        Images per second of each setting, one number per round, from frames in memory.
    from_files, from_files_ahead : list of float
        Images per second of the fastest setting from JPEG files, decoded and cropped serially, or in a second thread as in
        `galaxyloop embed`.
    preparing_ms : float
        Decoding and cropping, milliseconds per image.
    seconds_for : dict
        Seconds by number of images in one call; of `OURS_AVERAGED` only.
    bare_mb, peak_mb : float
        Largest resident memory of the process before a network is loaded, and at the end (on a GPU: of its allocator).
    """

    method: Method
    parameters: int
    settings: list[Setting]
    rates: list[list[float]]
    from_files: list[float]
    from_files_ahead: list[float]
    preparing_ms: float
    seconds_for: dict[int, float]
    bare_mb: float
    peak_mb: float


def main() -> None:
    """Measure the method that the first argument describes."""
    fields = json.loads(sys.argv[1])
    setting = fields.pop("setting")
    print(json.dumps(asdict(measure(Method(**fields, setting=Setting(**setting) if setting else None)))))


def measure(method: Method) -> Measured:
    """Measure one method in this process; its peak memory includes everything that the process has done before."""
    import timm
    import torch

    from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, load_encoder

    torch.set_num_threads(method.threads)
    torch.manual_seed(0)
    bare_mb = _peak_mb("cpu")
    if method.network in (OURS, OURS_AVERAGED):
        network: Any = load_encoder(SHIPPED_CHECKPOINT)
        compute: Callable[[Any], Any] = network if method.network == OURS else network.embed
    else:
        network = compute = timm.create_model(method.network, pretrained=False, num_classes=0).eval().requires_grad_(False)
    network.to(method.device)
    frames = torch.rand(max(BATCHES if method.device == "cpu" else GPU_BATCHES), 3, method.side, method.side).to(method.device)

    def run(setting: Setting, images: Any) -> Any:
        layout = torch.channels_last if setting.channels_last else torch.contiguous_format
        network.to(memory_format=layout)  # no cost if the network already has this layout
        low = torch.autocast(method.device, torch.bfloat16) if setting.precision == "bf16" else nullcontext()
        with torch.inference_mode(), low:
            return compute(images.to(memory_format=layout)).float().cpu()  # the copy waits for the GPU

    def rate(setting: Setting, seconds: float) -> float:
        return _rate(lambda: run(setting, frames[: setting.batch]), setting.batch, seconds)

    if method.setting:
        rate(method.setting, TRIAL_S)
        return _result(method, network, [method.setting], bare_mb=bare_mb)
    # `embed` chooses its own precision and layout; the other networks are tried in both precisions and layouts.
    precisions = ("as shipped",) if method.network == OURS_AVERAGED else ("fp32", "bf16")
    layouts = (False,) if method.network == OURS_AVERAGED else (False, True)
    batches = BATCHES if method.device == "cpu" else GPU_BATCHES
    settings = [_fastest([Setting(p, b, c) for c, b in product(layouts, batches)], rate) for p in precisions]
    rates = [[rate(setting, ROUND_S) for _ in range(ROUNDS)] for setting in settings]
    counts = COUNTS if method.network == OURS_AVERAGED else ()
    seconds_for = {
        count: _seconds(count, lambda images: run(settings[0], images), frames[: settings[0].batch]) for count in counts
    }
    best = max(zip(rates, settings, strict=True), key=lambda pair: statistics.median(pair[0]))[1]
    return _result(
        method, network, settings, rates=rates, bare_mb=bare_mb, seconds_for=seconds_for, **_from_files(method, best, run)
    )


def _fastest(settings: Sequence[Setting], rate: Callable[[Setting, float], float]) -> Setting:
    for setting in settings:
        rate(setting, 0)  # the first call with a new shape is slower
    trials = [(setting, rate(setting, TRIAL_S)) for setting in settings]
    limit = CLOSE * max(speed for _, speed in trials)
    return min((setting for setting, speed in trials if speed >= limit), key=lambda setting: setting.batch)


def _from_files(method: Method, setting: Setting, run: Callable[[Setting, Any], Any]) -> dict[str, Any]:
    """Time the computation from JPEG file to embedding, with serial decoding and with decoding in a second thread."""
    import numpy as np
    import torch

    from backend.images.local import prefetch_files
    from backend.lvm.cropping import frame
    from sync.images.decode import decode

    files = {str(number): content for number, content in enumerate(_files())}

    def prepare(name: str) -> Any:
        return frame(decode(files[name]), side=method.side)

    def embed(pixels: Sequence[Any]) -> None:
        run(setting, torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).to(method.device))

    def run_sequentially() -> None:
        names = list(files)
        for start in range(0, len(names), setting.batch):
            embed([prepare(name) for name in names[start : start + setting.batch]])

    def run_with_prefetch() -> None:
        batch = []
        for _, pixels in prefetch_files(files, prepare, ahead=2 * setting.batch):
            batch.append(pixels)
            if len(batch) == setting.batch:
                embed(batch)
                batch = []
        if batch:
            embed(batch)

    def prepare_all() -> None:
        for name in files:
            prepare(name)

    prepare_all()
    return {
        "preparing_ms": 1000 / max(_rate(prepare_all, len(files), 0) for _ in range(3)),
        "from_files": [_rate(run_sequentially, len(files), 0) for _ in range(3)],
        "from_files_ahead": [_rate(run_with_prefetch, len(files), 0) for _ in range(3)],
    }


def _files() -> list[bytes]:
    """Return JPEG crops of the Hubble deep field (NASA/ESA, public domain; part of scikit-image)."""
    import numpy as np
    from PIL import Image
    from skimage import data

    field = data.hubble_deep_field()
    rng = np.random.default_rng(0)
    files = []
    for _ in range(FILES):
        top, left = (int(rng.integers(0, length - FILE_PX)) for length in field.shape[:2])
        buffer = io.BytesIO()
        Image.fromarray(field[top : top + FILE_PX, left : left + FILE_PX]).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    return files


def _seconds(count: int, run: Callable[[Any], Any], frames: Any) -> float:
    """Return the seconds for `count` images, in batches of the length of `frames`."""
    began = time.perf_counter()
    for start in range(0, count, len(frames)):
        run(frames[: count - start])
    return time.perf_counter() - began


def _rate(work: Callable[[], object], images: int, seconds: float) -> float:
    """Return images per second over at least `seconds` and one call."""
    began, count = time.perf_counter(), 0
    while True:
        work()
        count += images
        elapsed_s = time.perf_counter() - began
        if elapsed_s >= seconds:
            return count / elapsed_s


def _result(method: Method, network: Any, settings: list[Setting], *, bare_mb: float, **numbers: Any) -> Measured:
    no_rates: dict[str, Any] = {"rates": [], "from_files": [], "from_files_ahead": [], "preparing_ms": 0.0, "seconds_for": {}}
    parameters = sum(weights.numel() for weights in network.parameters())
    peak_mb = _peak_mb(method.device)
    return Measured(
        method=method, parameters=parameters, settings=settings, bare_mb=bare_mb, peak_mb=peak_mb, **(no_rates | numbers)
    )


def _peak_mb(device: str) -> float:
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import torch

    return torch.cuda.max_memory_allocated() / 2**20


if __name__ == "__main__":
    main()
