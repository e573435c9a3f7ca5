"""Bulk prediction: chunks of growing size, stored in order while the next ones are predicted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backend.prediction.bulk import Pairs, make_engine, predict_and_store
from backend.prediction.predictor import CHUNK, Prediction, PredictionTask
from backend.prediction.project_heads import ProjectHeads
from backend.services import Services
from sync.label_studio.client import LabelStudioClient
from sync.labelling.config import parse

CONFIG = """<View><Image name="image" value="$image"/>
<Choices name="class" toName="image"><Choice value="Spiral"/><Choice value="Elliptical"/></Choices></View>"""


class Studio(ThreadingHTTPServer):
    """A Label Studio without predictions, which accepts every import."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.imports: list[list[int]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Studio

    def do_GET(self) -> None:
        self._send({})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.imports.append([prediction["task"] for prediction in body])
        self._send({"created": len(body)})

    def _send(self, answer: object) -> None:
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def studio() -> Iterator[Studio]:
    with Studio() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def client(studio: Studio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(studio.url, "a-legacy-token") as client:
        yield client


def batches(count: int) -> Iterator[Pairs]:
    """Yield an engine's predictions of `count` tasks."""
    for start in range(0, count, CHUNK):
        yield [(PredictionTask(number, {}), Prediction([], 1.0, "v0001")) for number in range(start, min(start + CHUNK, count))]


def test_each_chunk_is_up_to_twice_as_large_as_the_last(client: LabelStudioClient, studio: Studio) -> None:
    counts = list(predict_and_store(client, 1, batches(1000)))
    assert [len(tasks) for tasks in studio.imports] == [192, 384, 424]
    assert [chunk.count for chunk in counts] == [192, 384, 424]
    assert sorted(task for tasks in studio.imports for task in tasks) == list(range(1000))


def test_a_chunk_is_stored_after_the_longest_time(
    client: LabelStudioClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.prediction.bulk.LONGEST_CHUNK_S", 0.0)
    list(predict_and_store(client, 1, batches(3 * CHUNK)))
    assert [len(tasks) for tasks in studio.imports] == [CHUNK] * 3


def test_each_chunk_is_stored_under_the_exclusive_lock(client: LabelStudioClient, studio: Studio) -> None:
    imports_in_turn = []

    @contextmanager
    def exclusive() -> Iterator[None]:
        before = len(studio.imports)
        yield
        imports_in_turn.append(len(studio.imports) - before)

    list(predict_and_store(client, 1, batches(500), exclusive=exclusive))
    assert imports_in_turn == [1, 1]


def test_without_the_exclusive_lock_nothing_is_stored(client: LabelStudioClient, studio: Studio) -> None:
    @contextmanager
    def refuse() -> Iterator[None]:
        raise RuntimeError("another version is live")
        yield

    with pytest.raises(RuntimeError, match="another version"):
        list(predict_and_store(client, 1, batches(10), exclusive=refuse))
    assert studio.imports == []


def test_this_process_predicts_in_order_and_in_batches(predicting: Services, files: object, png: Callable[..., bytes]) -> None:
    predictor = predicting.predictors.build(parse(CONFIG), ProjectHeads(), version="v0001")
    reference = files.put("/data/upload/9/bulk.png", png())  # type: ignore[attr-defined]
    predictions = list(make_engine(predictor)([PredictionTask(number, {"image": reference}) for number in range(CHUNK + 1)]))
    assert [len(batch) for batch in predictions] == [CHUNK, 1]
    assert [task.id for batch in predictions for task, _ in batch] == list(range(CHUNK + 1))


def test_an_unreadable_image_gives_the_reason(predicting: Services) -> None:
    predictor = predicting.predictors.build(parse(CONFIG), ProjectHeads(), version="v0001")
    (((_, prediction),),) = make_engine(predictor)([PredictionTask(1, {"image": "/data/upload/9/not-there.png"})])
    assert "not-there.png" in prediction.problem
    assert "problem" not in prediction.as_json()
