"""Import of images into a project: each image is read, drawn and stored, and one task is created for it.

A task contains the content id of its image. The import reads the ids of the project from Label Studio and keeps no other state.
Images are stored before their tasks are created, with their ids as names, so that after an interruption the next import finds
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from sync.errors.images import ImageError
from sync.images.decode import MAX_PIXELS
from sync.images.stretches import DEFAULT_STRETCH
from sync.importing.drawing import Companion, CompanionPicture, Drawer, DrawnImage, draw_items
from sync.importing.inputs.item import Item
from sync.importing.spectra import PLOT_KEY, spectrum_data
from sync.importing.storage.stored import Storage, StoredFile
from sync.label_studio.client import LabelStudioClient, LabelStudioError
from sync.labelling.config import parse

__all__ = ["Companion", "IngestReport", "image_key_of", "ingest", "read_content_ids"]

BATCH = 50
"""Images and tasks per request; Label Studio accepts at most 100 files in a request."""
BATCH_BYTES = 64 * 2**20
"""Size of the images of a batch at which it is sent, bytes; it limits the memory."""
MAX_IMAGE_BYTES = 128 * 2**20
"""Largest displayed image, bytes: with a batch below `BATCH_BYTES`, a request stays below Label Studio's limit of 250 MB."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Result of an import.

    Attributes
    ----------
    imported_count : int
        Number of new tasks.
    known_count : int
        Number of images that the project already had, and of repeated ones.
    left_out : dict
        Name of each image or item that was left out, and the reason.
    without_spectrum : dict
        Name of each imported item whose spectrum was left out, and the reason.
    """

    imported_count: int = 0
    known_count: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    without_spectrum: dict[str, str] = field(default_factory=dict)


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
    max_bytes: int = MAX_IMAGE_BYTES,
    companion: Companion | None = None,
    progress: Callable[[], None] | None = None,
) -> IngestReport:
    """Create a task for every image that the project does not have yet; a FITS file may contain several images.

    Parameters
    ----------
    items : iterable of Item
        At most two batches and the prefetched items are in memory.
    client : LabelStudioClient
    project_id : int
    storage : Storage
    image_key : str
        Key of a task's data that the project's labelling config uses for the image.
    stretch : str
        A key of `STRETCHES`.
    extension : str
        Selects the image of a FITS file; see `pick_extension`.
    max_pixels : int
        Most pixels of an image.
    max_bytes : int
        Largest displayed image that is stored, bytes; the backend must be able to read it.
    companion : Companion, optional
        Second picture of each image.
    progress : callable, optional
        Called once per item.

    Raises
    ------
    LabelStudioError
        If Label Studio rejects a request; imported tasks are kept, and the next run continues.
    StorageError
        If the storage cannot be used.
    InputError
        If the input cannot be used.
    """
    known_ids = read_content_ids(client, project_id)
    left_out: dict[str, str] = {}
    without_spectrum: dict[str, str] = {}
    duplicates = 0
    batch: list[DrawnImage] = []
    with _Sender(lambda images: _import(images, client, project_id, storage, image_key, companion)) as sender:
        limits = (max_pixels, min(max_bytes, MAX_IMAGE_BYTES))
        drawer = Drawer(frozenset(known_ids), stretch, extension, *limits, companion.draw if companion else None)
        for outcomes in draw_items(items, drawer):
            for name, outcome in outcomes:
                if isinstance(outcome, ImageError):
                    left_out[name] = str(outcome)
                elif outcome is None or outcome.content_id in known_ids:
                    duplicates += 1
                else:
                    known_ids.add(outcome.content_id)
                    batch.append(outcome)
                    if outcome.spectrum_problem:
                        without_spectrum[name] = outcome.spectrum_problem
                if len(batch) == BATCH or sum(image.size for image in batch) >= BATCH_BYTES:
                    sender.send(batch)
                    batch = []
            if progress is not None:
                progress()
        sender.send(batch)
        return IngestReport(sender.finish(), duplicates, left_out, without_spectrum)


def image_key_of(label_config: str, *, companion: Companion | None = None) -> str:
    """Return the key of a task's data that a labelling config uses for its image, other than that of the companion.

    Raises
    ------
    ValueError
        If the config cannot be read, or displays several images per task.
    """
    keys = sorted(set(parse(label_config).image_key.values()) - {PLOT_KEY} - ({companion.key} if companion else set()))
    if len(keys) > 1:
        listed_keys = ", ".join(f"${key}" for key in keys)
        raise ValueError(
            f"the labelling config shows several images of a task ({listed_keys}); an import brings one, "
            "and a second one under $restored with --restore"
        )
    return keys[0] if keys else "image"


def read_content_ids(client: LabelStudioClient, project_id: int) -> set[str]:
    """Return the content ids of a project's tasks."""
    tasks = client.pages("/api/tasks/", project=project_id, fields="task_only", include="id,data")
    return {str(task["data"]["content_id"]) for task in tasks if "content_id" in task["data"]}


class _Sender:
    """Sends one batch in a thread while the next is drawn; both take similar times."""

    def __init__(self, send: Callable[[list[DrawnImage]], int]) -> None:
        self._send = send
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ingest-send")
        self._pending: Future[int] | None = None
        self._sent_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()  # waits for the pending batch

    def send(self, batch: list[DrawnImage]) -> None:
        """Send a batch after the previous one is finished; raise the error of the previous one."""
        self.finish()
        self._pending = self._pool.submit(self._send, batch)

    def finish(self) -> int:
        """Wait for the pending batch and return the number of tasks of all batches."""
        if self._pending is not None:
            self._sent_count += self._pending.result()
            self._pending = None
        return self._sent_count


def _import(
    batch: list[DrawnImage],
    client: LabelStudioClient,
    project_id: int,
    storage: Storage,
    image_key: str,
    companion: Companion | None,
) -> int:
    """Store the images of a batch, then create its tasks in one request; return the number of tasks."""
    if not batch:
        return 0
    references = storage.put_images([_stored_file(image) for image in batch])
    tasks = [_task(image, reference, storage, image_key) for image, reference in zip(batch, references, strict=True)]
    if companion is not None:
        pictures = [image.companion or CompanionPicture(b"", {}) for image in batch]
        files = [
            StoredFile(f"{image.content_id}-{companion.key}.png", picture.content)
            for image, picture in zip(batch, pictures, strict=True)
        ]
        for task, picture, reference in zip(tasks, pictures, storage.put_images(files), strict=True):
            task["data"] |= {**picture.data, companion.key: [reference] if companion.is_page else reference}
    plots = [image.plot for image in batch if image.plot is not None]
    plot_references = iter(storage.put_images([StoredFile(f"{plot.name}.png", plot.content) for plot in plots]))
    for task, image in zip(tasks, batch, strict=True):
        if image.plot is not None:
            task["data"] |= spectrum_data(image.spectrum, next(plot_references), image.spectrum_problem, storage)
    answer = client.send("POST", f"/api/projects/{project_id}/import", json=tasks)
    if answer["task_count"] != len(tasks):
        message = f"Label Studio made {answer['task_count']} tasks of {len(tasks)} images in project {project_id}"
        raise LabelStudioError(message)
    return len(tasks)


def _stored_file(image: DrawnImage) -> StoredFile:
    return StoredFile(image.content_id + image.display_image.suffix, image.display_image.image)


def _task(image: DrawnImage, reference: str, storage: Storage, image_key: str) -> dict[str, Any]:
    display_image = image.display_image
    columns = image.item.data
    if image_key in columns:  # a catalogue column with the key of the image
        columns = {f"catalogue_{name}" if name == image_key else name: value for name, value in columns.items()}
    data = {**display_image.data, **columns, image_key: reference, "content_id": image.content_id}
    if image.item.filename:
        data["filename"] = image.item.filename
    if image.extension:
        data["extension"] = image.extension
    if display_image.science is not None:
        data["science"] = storage.put_science(
            StoredFile(image.content_id + display_image.science_suffix, display_image.science)
        )
    return {"data": data}
