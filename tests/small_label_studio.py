"""A small Label Studio for unit tests: an HTTP server with one project in memory.

It answers the requests of `sync.label_studio` as Label Studio 1.23.2 does, as far as `sync` reads the answers; the tests in
tests/e2e compare `sync` with the real server.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PROJECT = 7
KEY = "a-legacy-token"

Answer = tuple[int, Any]
NOT_FOUND: Answer = (404, {"detail": "Not found."})


class SmallLabelStudio(ThreadingHTTPServer):
    """The server's state.

    Attributes
    ----------
    project : dict
        The project in the form of Label Studio's API.
    tasks : dict
        Task id to its fields, with its annotations and predictions.
    backends, webhooks : dict
        Rows by id.
    files : dict
        Path to the bytes of an uploaded file.
    refused : dict
        "METHOD /path" to the status and the body of the error for such a request.
    requests : list of str
        "METHOD /path" of each request, oldest first.
    """

    daemon_threads = True

    def __init__(self, label_config: str = "<View/>") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.project: dict[str, Any] = {
            "id": PROJECT,
            "title": "Rings",
            "label_config": label_config,
            "model_version": "",
            "sampling": "Sequential sampling",
            "created_at": "2026-02-02T00:00:00Z",
            "organization": 1,
            "show_collab_predictions": True,
            "evaluate_predictions_automatically": False,
        }
        self.organizations: list[dict[str, Any]] = [{"id": 1, "created_at": "2026-01-01T00:00:00Z"}]
        self.tasks: dict[int, dict[str, Any]] = {}
        self.backends: dict[int, dict[str, Any]] = {}
        self.webhooks: dict[int, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.refusals: dict[str, Answer] = {}
        self.requests: list[str] = []
        self._last_id = 100

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def add_task(self, task: int, *, data: dict[str, Any] | None = None) -> int:
        self.tasks[task] = {
            "id": task,
            "data": data or {"image": f"/data/upload/{PROJECT}/{task}.png"},
            "updated_at": "2026-03-01T00:00:00Z",
            "annotations": [],
            "predictions": [],
        }
        return task

    def annotate(self, task: int, result: list[dict[str, Any]], **fields: Any) -> int:
        """Add an annotation; return its id."""
        id_ = self.new_id()
        row = {"id": id_, "result": result, "updated_at": "2026-03-02T00:00:00Z", "completed_by": 1} | fields
        self.tasks[task]["annotations"].append(row)
        self.tasks[task]["updated_at"] = row["updated_at"]
        return id_

    def predict(self, task: int, version: str, **fields: Any) -> int:
        """Add a prediction; return its id."""
        id_ = self.new_id()
        row = {"id": id_, "task": task, "model_version": version, "result": [], "score": 0.5} | fields
        self.tasks[task]["predictions"].append(row)
        return id_

    def predictions(self) -> dict[int, list[tuple[int, str]]]:
        """Return ids and versions of the predictions of each task."""
        return {id_: [(row["id"], row["model_version"]) for row in task["predictions"]] for id_, task in self.tasks.items()}

    # -- answers -------------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], content: bytes) -> Answer | bytes:
        self.requests.append(f"{method} {path}")
        if (refusal := self.refusals.get(f"{method} {path}")) is not None:
            return refusal
        if path in self.files:
            return self.files[path]
        if path == "/api/projects/":
            return 200, {"results": [self._project()], "next": None}
        if path == "/api/organizations/":
            return 200, self.organizations
        if path.startswith(f"/api/projects/{PROJECT}/"):
            return self._of_project(method, path.removeprefix(f"/api/projects/{PROJECT}/"), content)
        if path == "/api/tasks/":
            return self._tasks(query)
        if match := re.fullmatch(r"/api/predictions/(\d*)/?", path):
            return self._predictions(method, match[1], query, content)
        if match := re.fullmatch(r"/api/(ml|webhooks)/?(\d*)/?", path):
            rows = self.backends if match[1] == "ml" else self.webhooks
            return self._rows(method, rows, match[2], content)
        return NOT_FOUND

    def _project(self) -> dict[str, Any]:
        annotation_count = sum(bool(task["annotations"]) for task in self.tasks.values())
        return self.project | {"task_number": len(self.tasks), "num_tasks_with_annotations": annotation_count}

    def _of_project(self, method: str, rest: str, content: bytes) -> Answer:
        if rest == "model-versions/":
            versions = [row["model_version"] for task in self.tasks.values() for row in task["predictions"]]
            return 200, dict(Counter(versions))
        if rest == "import/predictions":
            rows = json.loads(content)
            if any(row["task"] not in self.tasks for row in rows):
                return 400, {"detail": "Invalid task"}
            for row in rows:
                self.predict(row["task"], row["model_version"], result=row["result"], score=row["score"])
            return 201, {"created": len(rows)}
        if rest == "import":
            names = re.findall(rb'filename="([^"]+)"', content)
            for name in names:
                id_ = self.new_id()
                self.add_task(id_, data={"image": f"/data/upload/{PROJECT}/{id_:08x}-{name.decode()}"})
            return 201, {"task_count": len(names)}
        if method == "PATCH":
            self.project |= json.loads(content)
        return 200, self._project()

    def _tasks(self, query: dict[str, str]) -> Answer:
        query_filter = json.loads(query.get("query", "{}"))
        tasks = [task for task in self.tasks.values() if _matches(task, query_filter)]
        size, page = int(query["page_size"]), int(query["page"])
        return 200, {"tasks": [_list_task(task) for task in tasks[size * (page - 1) : size * page]], "total": len(tasks)}

    def _predictions(self, method: str, number: str, query: dict[str, str], content: bytes) -> Answer:
        if not number:
            return 200, self.tasks[int(query["task"])]["predictions"]
        for task in self.tasks.values():
            for row in task["predictions"]:
                if row["id"] == int(number):
                    if method == "DELETE":
                        task["predictions"].remove(row)
                        return 204, None
                    if method == "PATCH":
                        row |= {name: value for name, value in json.loads(content).items() if name != "project"}
                    return 200, row
        return NOT_FOUND

    def _rows(self, method: str, rows: dict[int, dict[str, Any]], number: str, content: bytes) -> Answer:
        if method == "POST":
            id_ = self.new_id()
            rows[id_] = json.loads(content) | {"id": id_}
            return 201, rows[id_]
        if not number:
            return 200, list(rows.values())
        if int(number) not in rows:
            return NOT_FOUND
        if method == "DELETE":
            del rows[int(number)]
            return 204, None
        rows[int(number)] |= json.loads(content)
        return 200, rows[int(number)]


def _versions(task: dict[str, Any]) -> list[str]:
    return [row["model_version"] for row in task["predictions"]]


def _is_labelled(task: dict[str, Any]) -> bool:
    return any(not row.get("was_cancelled") for row in task["annotations"])


def _matches(task: dict[str, Any], query: dict[str, Any]) -> bool:
    """Return whether a task is in a selection; Label Studio compares versions as parts of their joined names."""
    selection = query.get("selectedItems")
    if selection is not None and task["id"] not in selection["included"]:
        return False
    for item in query.get("filters", {}).get("items", []):
        if item["filter"] == "filter:tasks:completed_at":
            holds = _is_labelled(task) != item["value"]
        else:
            holds = (item["value"][0] in ",".join(_versions(task))) == (item["operator"] == "contains")
        if not holds:
            return False
    return True


def _list_task(task: dict[str, Any]) -> dict[str, Any]:
    skip_count = sum(bool(row.get("was_cancelled")) for row in task["annotations"])
    return task | {
        "is_labeled": _is_labelled(task),
        "total_annotations": len(task["annotations"]) - skip_count,
        "cancelled_annotations": skip_count,
        "predictions_model_versions": ",".join(_versions(task)),
    }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # buffered: one packet per answer
    server: SmallLabelStudio

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        content = self.rfile.read(int(self.headers["Content-Length"] or 0))
        answer = self.server.answer(self.command, address.path, dict(parse_qsl(address.query)), content)
        status, body = (200, answer) if isinstance(answer, bytes) else (answer[0], json.dumps(answer[1]).encode())
        body = b"" if status == 204 else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Suppress the log."""


@contextmanager
def running(label_config: str = "<View/>") -> Iterator[SmallLabelStudio]:
    """Serve while the block runs."""
    with SmallLabelStudio(label_config) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
