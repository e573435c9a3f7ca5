"""Bulk prediction: chunks of growing size, stored in order while the next ones are predicted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from backend.prediction.bulk import Pairs, predict_and_store, predicting_here
from backend.prediction.predictor import CHUNK, Prediction, Task
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
        self._say({})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.imports.append([one["task"] for one in body])
        self._say({"created": len(body)})

    def _say(self, answer: object) -> None:
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
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def client(studio: Studio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(studio.url, "a-legacy-token") as connected:
        yield connected


def batches(count: int) -> Iterator[Pairs]:
    """Yield an engine's predictions of `count` tasks."""
    for start in range(0, count, CHUNK):
        yield [(Task(number, {}), Prediction([], 1.0, "v0001")) for number in range(start, min(start + CHUNK, count))]


def test_few_come_first_and_each_further_chunk_may_be_twice_as_large(client: LabelStudioClient, studio: Studio) -> None:
    stored = list(predict_and_store(client, 1, batches(1000)))
    assert [len(one) for one in studio.imports] == [192, 384, 424]
    assert [one.count for one in stored] == [192, 384, 424]
    assert sorted(task for one in studio.imports for task in one) == list(range(1000))


def test_a_chunk_is_stored_when_it_has_gathered_for_long(
    client: LabelStudioClient, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.prediction.bulk.LONGEST_CHUNK_S", 0.0)
    list(predict_and_store(client, 1, batches(3 * CHUNK)))
    assert [len(one) for one in studio.imports] == [CHUNK] * 3


def test_each_chunk_is_stored_in_its_turn(client: LabelStudioClient, studio: Studio) -> None:
    turns = []

    @contextmanager
    def exclusive() -> Iterator[None]:
        before = len(studio.imports)
        yield
        turns.append(len(studio.imports) - before)

    list(predict_and_store(client, 1, batches(500), exclusive=exclusive))
    assert turns == [1, 1]


def test_no_turn_means_no_storing(client: LabelStudioClient, studio: Studio) -> None:
    @contextmanager
    def refused() -> Iterator[None]:
        raise RuntimeError("another version is live")
        yield

    with pytest.raises(RuntimeError, match="another version"):
        list(predict_and_store(client, 1, batches(10), exclusive=refused))
    assert studio.imports == []


def test_this_process_predicts_in_order_and_in_batches(predicting: Services, files: object, png: Callable[..., bytes]) -> None:
    predictor = predicting.predictors.build(parse(CONFIG), ProjectHeads(), version="v0001")
    reference = files.put("/data/upload/9/bulk.png", png())  # type: ignore[attr-defined]
    given = list(predicting_here(predictor)([Task(number, {"image": reference}) for number in range(CHUNK + 1)]))
    assert [len(batch) for batch in given] == [CHUNK, 1]
    assert [task.id for batch in given for task, _ in batch] == list(range(CHUNK + 1))


def test_a_picture_that_cannot_be_read_says_why(predicting: Services) -> None:
    predictor = predicting.predictors.build(parse(CONFIG), ProjectHeads(), version="v0001")
    (((_, prediction),),) = predicting_here(predictor)([Task(1, {"image": "/data/upload/9/not-there.png"})])
    assert "not-there.png" in prediction.problem
    assert "problem" not in prediction.as_json()
