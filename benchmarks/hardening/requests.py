"""Send events, malformed requests and broken images to a server, and record its answers and its memory."""

from __future__ import annotations

import asyncio
import base64
import gc
import io
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from astropy.io import fits
from PIL import Image

from benchmarks.loop.fixture import LabelStudioFixture
from benchmarks.loop.webhooks import an_event, post, request_bytes
from sync.label_studio.attach import WEBHOOK_SECRET_HEADER

__all__ = ["Events", "Requests", "measure_events", "measure_images", "measure_malformed", "memory_mb"]

AT_ONCE = 100
WARM_UP = 100
"""Requests before the first memory reading: they load the libraries and networks that every request needs."""
SETTLE_S = 12.0
"""The server returns freed memory to the operating system every ten seconds."""
IMAGES_A_REQUEST = 20
PATHS = ("/setup", "/predict", "/webhook", "/versions")
PATIENCE_S = 60.0
LABEL_STUDIO_GIVES_UP_S = 1.0
CONFIG = """<View><Image name="image" value="$image"/><Choices name="class" toName="image"><Choice value="Spiral"/></Choices>
<RectangleLabels name="boxes" toName="image"><Label value="Galaxy"/></RectangleLabels></View>"""
NASTY: tuple[Any, ...] = (None, -1, 1e308, "", "\x00", [], {}, [[]], "9" * 5000, {"$ref": "#"}, True, "<View>", "\ud83d", 2**63)


@dataclass(frozen=True, slots=True)
class Events:
    """Acknowledgement of events; `lost` counts those without an answer within Label Studio's timeout of one second."""

    events: int
    at_once: int
    p50_ms: float
    p99_ms: float
    lost: int


@dataclass(frozen=True, slots=True)
class Requests:
    """Answers to requests of one kind, and the server's resident memory after `WARM_UP` of them and after all.

    Attributes
    ----------
    kind : str
    requests : int
    refused, failed : int
        Answers with status 4xx and with status 5xx.
    memory_before_mb, memory_after_mb : float
    """

    kind: str
    requests: int
    refused: int
    failed: int
    memory_before_mb: float
    memory_after_mb: float


def measure_events(fixture: LabelStudioFixture, *, events: int) -> Events:
    """Send `events` events, `AT_ONCE` at the same time, each over its own connection."""
    project = fixture.project("morphology.xml", tasks=20)
    fixture.attach(project)
    fixture.services.mark([project])
    fixture.wait_until(lambda: fixture.is_published(project), "the first predictions", every_s=0.5)
    secret = fixture.services.settings.webhook_secret.get_secret_value()
    request = request_bytes(an_event(fixture, project), {WEBHOOK_SECRET_HEADER: secret})
    # A full garbage collection over the libraries of this process stops its 100 clients for 160 ms, once or twice in a run.
    gc.collect()
    gc.freeze()
    answers = asyncio.run(_send_many(fixture.services.settings.port, request, events))
    gc.unfreeze()
    fixture.rest()
    times = [1000 * seconds for seconds, _ in answers]
    lost_count = sum(not fine or seconds > LABEL_STUDIO_GIVES_UP_S for seconds, fine in answers)
    return Events(events, AT_ONCE, float(np.percentile(times, 50)), float(np.percentile(times, 99)), lost_count)


def measure_malformed(fixture: LabelStudioFixture, *, requests: int) -> Requests:
    """Send malformed requests with the right credentials."""
    dice = random.Random(0)
    return _measure(fixture, "malformed requests", [_make_malformed(dice) for _ in range(requests)], warm_up=WARM_UP)


def measure_images(fixture: LabelStudioFixture, *, images: int) -> Requests:
    """Request predictions of broken images."""
    dice = random.Random(0)
    tasks = [{"id": number + 1, "data": {"image": image}} for number, image in enumerate(_break_images(dice, images))]
    bodies = [
        {"tasks": tasks[start : start + IMAGES_A_REQUEST], "project": "990.1", "label_config": CONFIG}
        for start in range(0, images, IMAGES_A_REQUEST)
    ]
    requests = [("/predict", json.dumps(body).encode()) for body in bodies]
    measurement = _measure(fixture, "broken images", requests, warm_up=WARM_UP // IMAGES_A_REQUEST)
    return Requests("broken images", images, *_fields(measurement))


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process, megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000


def _fields(measurement: Requests) -> tuple[int, int, float, float]:
    return measurement.refused, measurement.failed, measurement.memory_before_mb, measurement.memory_after_mb


def _measure(fixture: LabelStudioFixture, kind: str, requests: list[tuple[str, bytes]], *, warm_up: int) -> Requests:
    settings = fixture.services.settings
    server = next(child for child in fixture.children if child.name == "server")
    credentials = settings.basic_auth_user, settings.basic_auth_password.get_secret_value()
    with httpx.Client(base_url=settings.public_url, auth=credentials, timeout=PATIENCE_S, trust_env=False) as client:
        for path, body in requests[:warm_up]:
            client.post(path, content=body, headers={"Content-Type": "application/json"})
        time.sleep(SETTLE_S)
        before = memory_mb(server.pid)
        statuses = Counter(
            client.post(path, content=body, headers={"Content-Type": "application/json"}).status_code for path, body in requests
        )
    time.sleep(SETTLE_S)
    refused_count = sum(count for status, count in statuses.items() if 400 <= status < 500)
    failed_count = sum(count for status, count in statuses.items() if status >= 500)
    return Requests(kind, len(requests), refused_count, failed_count, before, memory_mb(server.pid))


async def _send_many(port: int, request: bytes, events: int) -> list[tuple[float, bool]]:
    left = iter(range(events))

    async def client() -> list[tuple[float, bool]]:
        return [await post(port, request, patience_s=PATIENCE_S) for _ in left]

    answers = await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    return [answer for batch in answers for answer in batch]


def _make_malformed(dice: random.Random) -> tuple[str, bytes]:
    body: dict[str, object] = {
        "tasks": [{"id": 1, "data": {"image": "/data/upload/1/none.png"}}],
        "project": "990.1",
        "label_config": CONFIG,
        "schema": CONFIG,
        "action": "ANNOTATION_CREATED",
        "params": {"context": {"result": [{"type": "keypointlabels", "value": {"x": 1, "y": 2}, "original_width": 10_000}]}},
    }
    for name in dice.sample(sorted(body), dice.randint(1, 3)):
        body[name] = dice.choice(NASTY)
    content = bytearray(json.dumps(body).encode())
    for _ in range(dice.choice((0, 0, 1, 5))):
        content[dice.randrange(len(content))] = dice.randrange(256)
    return dice.choice(PATHS), bytes(content[: dice.choice((len(content), len(content), dice.randrange(len(content))))])


def _break_images(dice: random.Random, count: int) -> Iterator[str]:
    images = _images()
    for _ in range(count):
        content = bytearray(dice.choice(images))
        for _ in range(dice.choice((1, 3, 30))):
            content[dice.randrange(len(content))] = dice.randrange(256)
        cut = dice.choice((len(content), len(content), dice.randrange(1, len(content))))
        yield "data:image/png;base64," + base64.b64encode(bytes(content[:cut])).decode()


def _images() -> list[bytes]:
    """Return a small image in each file format."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    files = []
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        files.append(file.getvalue())
    file = io.BytesIO()
    fits.PrimaryHDU(pixels[..., 0].astype(np.float32)).writeto(file)
    return [*files, file.getvalue()]
