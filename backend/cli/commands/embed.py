"""`galaxyloop embed`: compute the embeddings of images, for use outside of Label Studio.

Memory use is constant: each image is cropped and resampled as soon as it is decoded, and embeddings are collected on disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.cli.output import open_output, reject_input
from backend.cli.progress import show_step, track_items
from backend.cli.startup import read_settings
from backend.cli.terminal import (
    AsJson,
    Extension,
    ImagePaths,
    Limit,
    console,
    end_with_left_out,
    print_json,
    stop,
    stop_for,
    wrong_call,
)
from backend.jobs.memory import keep_freed_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.lvm.embeddings import Embedder
    from sync.errors.images import ImageError
    from sync.importing.inputs.item import Item

    Frame = NDArray[np.float32]
    """Crop of one galaxy, shape (side, side, 3)."""
    Read = Frame | ImageError
    Embedded = NDArray[np.float32] | ImageError

__all__ = ["embed"]

BATCH = 32


def embed(
    paths: ImagePaths,
    output: Annotated[Path, typer.Option(help="The .npz file to write: `id` has the names, `embedding` one row per image.")],
    checkpoint: Annotated[Path | None, typer.Option(help="Checkpoint of the encoder; default: the shipped encoder.")] = None,
    limit: Limit = None,
    extension: Extension = "",
    as_json: AsJson = False,
) -> None:
    """Write the embeddings of images to an .npz file; unreadable images are listed and left out."""
    if output.suffix != ".npz":
        wrong_call(f"--output {output} must end in .npz, NumPy's format for several arrays")
    if checkpoint is not None and not checkpoint.is_file():
        wrong_call(f"--checkpoint: there is no file {checkpoint}")
    settings = read_settings()
    keep_freed_memory()
    import numpy as np

    from backend.cli.image_files import open_images
    from backend.images.local import LocalImageStore, prefetch_files
    from sync.errors.images import ImageError

    images = open_images(paths, limit=limit, max_bytes=settings.image_max_bytes)
    reject_input(output, [checkpoint, *(span.source for span in images.spans)])
    with show_step("loading the model"):
        from backend.lvm.checkpoint import CheckpointError
        from backend.lvm.cropping import frame
        from backend.lvm.openvino_encoder import load_fastest_encoder
        from backend.lvm.shipped_encoder import load_shipped_encoder

        try:
            encoder: Embedder = load_fastest_encoder(checkpoint) if checkpoint else load_shipped_encoder()
        except CheckpointError as error:
            stop_for(error)
    image_store = LocalImageStore(max_bytes=settings.image_max_bytes, max_pixels=settings.image_max_pixels, extension=extension)

    def read_frame(item: Item) -> Frame:
        return frame(image_store.decode(item.read()).pixels, side=encoder.image_px)

    frames = ((item.name, read) for item, read in prefetch_files(images, read_frame, ahead=2 * BATCH))
    ids: list[str] = []
    left_out: dict[str, str] = {}
    with open_output(output) as file, tempfile.TemporaryFile(dir=output.parent) as rows:
        for path, embedding in _embed(encoder, track_items(frames, "embedding", total=len(images))):
            if isinstance(embedding, ImageError):
                left_out[path] = str(embedding)
            else:
                ids.append(path)
                rows.write(embedding.tobytes())
        if not ids:
            path, reason = next(iter(left_out.items()))
            stop(f"none of {len(images)} images could be read; the first was {path}: {reason}")
        rows.flush()
        embeddings = np.memmap(rows, np.float32, "r", shape=(len(ids), encoder.dimension))
        np.savez(file, id=np.array(ids), embedding=embeddings)
    if as_json:
        print_json({"output": str(output), "images": len(ids), "left_out": left_out})
    else:
        line = f"{output}: embeddings of {len(ids):,} images, {encoder.dimension:,} numbers each"
        console.print(line, highlight=False, soft_wrap=True)
    end_with_left_out(left_out)


def _embed(encoder: Embedder, frames_of_files: Iterable[tuple[str, Read]]) -> Iterator[tuple[str, Embedded]]:
    """Embed images in batches; yield embeddings and errors in the order of the input."""
    batch: list[tuple[str, Read]] = []
    for item in frames_of_files:
        batch.append(item)
        if len(batch) == BATCH:
            yield from _embed_batch(encoder, batch)
            batch = []
    yield from _embed_batch(encoder, batch)


def _embed_batch(encoder: Embedder, batch: list[tuple[str, Read]]) -> Iterator[tuple[str, Embedded]]:
    import numpy as np
    import torch

    from sync.errors.failures import attempt_together

    def embed_images(images: Sequence[Frame]) -> NDArray[np.float32]:
        return encoder.embed(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)).numpy()

    embeddings = iter(attempt_together(embed_images, [read for _, read in batch if isinstance(read, np.ndarray)]))
    for path, read in batch:
        yield path, next(embeddings) if isinstance(read, np.ndarray) else read
