"""Images into a project: each is read, made visible, stored, and becomes a task, once for all times.

A task carries its image's content id. Label Studio is asked once which ids the project has, and nothing else is believed: no
state of ours can disagree with it. Pictures are stored before their tasks are made, under names that are their ids, so that
an import that was killed in between finds them again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self

from sync.errors.failures import attempt
from sync.errors.images import ImageError
from sync.images.decode import MAX_PIXELS, unpacked
from sync.images.fits_extraction import pick_extension, split_pictures
from sync.images.import_picture import Displayed, content_id, display
from sync.images.stretches import DEFAULT_STRETCH
from sync.importing.inputs.item import Item
from sync.importing.storage.stored import Storage, StoredFile
from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.labelling.config import parse

__all__ = ["IngestReport", "image_key_of", "ingest", "known_content"]

BATCH = 50
"""Pictures stored and tasks made together; Label Studio takes at most 100 files in a request."""
BATCH_BYTES = 64 * 2**20
"""A batch ends earlier when its pictures reach this size: it bounds memory."""
MAX_PICTURE_BYTES = 128 * 2**20
"""Label Studio takes at most 250 MB in a request, which one picture and the batch before it must share."""
THREADS = 2
"""Images read and drawn at the same time: zlib, numpy and downloads all run without Python's lock."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of the items.

    Attributes
    ----------
    imported : int
        New tasks.
    known : int
        Images that the project had already, or that came twice.
    left_out : dict
        Name of each item that could not be read, and why.
    """

    imported: int = 0
    known: int = 0
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ready:
    item: Item
    content_id: str
    displayed: Displayed
    extension: str = ""

    @property
    def size(self) -> int:
        return len(self.displayed.picture) + len(self.displayed.science or b"")


def ingest(
    items: Iterable[Item],
    *,
    client: LabelStudioClient,
    project_id: int,
    storage: Storage,
    image_key: str = "image",
    stretch: str = DEFAULT_STRETCH,
    extension: str = "",
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_PICTURE_BYTES,
    progress: Callable[[], None] | None = None,
) -> IngestReport:
    """Make a task of every item that the project does not have yet, and of each picture of a FITS file with several.

    Parameters
    ----------
    items : iterable of Item
        Read one after the other; what is held of them is two batches.
    client : LabelStudioClient
    project_id : int
    storage : Storage
    image_key : str
        Under which the project's labelling config looks for the picture.
    stretch : str
        A key of `STRETCHES`.
    extension : str
        Which of the images of a FITS file: see `pick_extension`.
    max_pixels : int
        Of an image.
    max_bytes : int
        Of the picture that is drawn of it: what reads it back later must take it.
    progress : callable, optional
        Called once an item.

    Raises
    ------
    LabelStudioError
        If Label Studio refuses: what is imported by then stays, and the next run goes on.
    StorageError
        If the storage cannot be used.
    SourceError
        If the source cannot be.
    """
    known = known_content(client, project_id)
    left_out: dict[str, str] = {}
    duplicates = 0
    batch: list[_Ready] = []
    with _Sender(lambda ready: _import(ready, client, project_id, storage, image_key)) as sender:
        drawing = _Drawing(frozenset(known), stretch, extension, max_pixels, min(max_bytes, MAX_PICTURE_BYTES))
        for pictures in _prepared(items, drawing):
            for name, ready in pictures:
                if isinstance(ready, ImageError):
                    left_out[name] = str(ready)
                elif ready is None or ready.content_id in known:
                    duplicates += 1
                else:
                    known.add(ready.content_id)
                    batch.append(ready)
                if len(batch) == BATCH or sum(one.size for one in batch) >= BATCH_BYTES:
                    sender.send(batch)
                    batch = []
            if progress is not None:
                progress()
        sender.send(batch)
        return IngestReport(sender.finish(), duplicates, left_out)


def image_key_of(label_config: str) -> str:
    """Return the key of a task's data under which a labelling config looks for its picture.

    Raises
    ------
    ValueError
        If the config cannot be read, or shows several pictures of a task.
    """
    keys = sorted(set(parse(label_config).image_key.values()))
    if len(keys) > 1:
        named = ", ".join(f"${key}" for key in keys)
        raise ValueError(f"the labelling config shows several pictures of a task ({named}); an import brings one")
    return keys[0] if keys else "image"


def known_content(client: LabelStudioClient, project_id: int) -> set[str]:
    """Return the content ids of a project's tasks."""
    tasks = client.pages("/api/tasks/", project=project_id, fields="task_only", include="id,data")
    return {str(task["data"]["content_id"]) for task in tasks if "content_id" in task["data"]}


Outcome = _Ready | ImageError | None
"""A picture, why there is none, or None for one that the project has."""


@dataclass(frozen=True, slots=True)
class _Drawing:
    """How items are read and drawn; see `ingest`."""

    known: frozenset[str]
    stretch: str
    extension: str
    max_pixels: int
    max_bytes: int

    def draw(self, item: Item) -> list[tuple[str, Outcome]]:
        """Read an item and draw its pictures, each with its name in the list of failures."""
        if item.identity:
            return [(item.name, attempt(lambda: self._drawn(item, "", None)))]
        pictures = attempt(lambda: split_pictures(pick_extension(unpacked(item.read()), self.extension)))
        if isinstance(pictures, ImageError):
            return [(item.name, pictures)]
        return [
            (
                f"{item.name}[{extension}]" if extension else item.name,
                attempt(partial(self._drawn, item, extension, content)),
            )
            for extension, content in pictures
        ]

    def _drawn(self, item: Item, extension: str, content: bytes | None) -> _Ready | None:
        """Draw a picture; an item that is known by something else is read only where it is new."""
        name = content_id(item.identity if content is None else content, stretch=self.stretch)
        if name in self.known:
            return None
        displayed = display(item.read() if content is None else content, stretch=self.stretch, max_pixels=self.max_pixels)
        size = len(displayed.picture)
        if size > self.max_bytes:
            raise ImageError(f"the picture has {size} bytes, more than the {self.max_bytes} that can be stored and read back")
        return _Ready(item, name, displayed, extension)


def _prepared(items: Iterable[Item], drawing: _Drawing) -> Iterator[list[tuple[str, Outcome]]]:
    """Read and draw items in threads, a few ahead, and give their pictures back in order."""
    waiting: deque[Future[list[tuple[str, Outcome]]]] = deque()
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="ingest")
    try:
        for item in items:
            waiting.append(pool.submit(drawing.draw, item))
            if len(waiting) > 2 * THREADS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Sender:
    """Sends one batch in a thread while the next is prepared: Label Studio takes as long as drawing does."""

    def __init__(self, send: Callable[[list[_Ready]], int]) -> None:
        self._send = send
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ingest-send")
        self._on_its_way: Future[int] | None = None
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()  # what is on its way arrives

    def send(self, batch: list[_Ready]) -> None:
        """Send a batch once the one before has arrived; raises what went wrong with that."""
        self.finish()
        self._on_its_way = self._pool.submit(self._send, batch)

    def finish(self) -> int:
        """Wait for the batch on its way, and return how many have arrived in all."""
        if self._on_its_way is not None:
            self._sent += self._on_its_way.result()
            self._on_its_way = None
        return self._sent


def _import(batch: list[_Ready], client: LabelStudioClient, project_id: int, storage: Storage, image_key: str) -> int:
    """Store the pictures of a batch, then make its tasks, in one request each."""
    if not batch:
        return 0
    pictures = storage.put_pictures([_picture(ready) for ready in batch])
    tasks = [_task(ready, picture, storage, image_key) for ready, picture in zip(batch, pictures, strict=True)]
    answer = client.send("POST", f"/api/projects/{project_id}/import", json=tasks)
    if answer["task_count"] != len(tasks):
        message = f"Label Studio made {answer['task_count']} tasks of {len(tasks)} images in project {project_id}"
        raise LabelStudioError(message)
    return len(tasks)


def _picture(ready: _Ready) -> StoredFile:
    return StoredFile(ready.content_id + ready.displayed.suffix, ready.displayed.picture)


def _task(ready: _Ready, picture: str, storage: Storage, image_key: str) -> dict[str, Any]:
    displayed = ready.displayed
    said = ready.item.data
    if image_key in said:  # a column of the catalogue that is called as the config calls the picture
        said = {f"catalogue_{name}" if name == image_key else name: value for name, value in said.items()}
    data = {**displayed.data, **said, image_key: picture, "content_id": ready.content_id}
    if ready.item.filename:
        data["filename"] = ready.item.filename
    if ready.extension:
        data["extension"] = ready.extension
    if displayed.science is not None:
        data["science"] = storage.put_science(StoredFile(ready.content_id + displayed.science_suffix, displayed.science))
    return {"data": data}
