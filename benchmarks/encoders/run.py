"""Compare encoders by the accuracy that few labels give on their frozen embeddings; the table decides which encoder is shipped.

Run: .venv/bin/python -m benchmarks.encoders.run DATA NAME=CHECKPOINT... [--shipped CHECKPOINT]   (DATA holds gz1/ and gz2/)

The galaxies are those of `val` and three in ten training galaxies; no compared encoder was trained on their votes. Each cell is
the mean over draws of the macro AUC (one-vs-rest) of the product's morphology head, without the shipped head's offset, on all
galaxies but the labelled ones. `test` is used once, for the shipped encoder.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from rich.progress import track

from backend.heads.classification.morphology import Morphology
from backend.images.store import StoredImage
from backend.lvm.backbones.swin import SwinConfig
from backend.lvm.checkpoint import fingerprint, load_encoder
from backend.lvm.cropping import frame
from backend.lvm.embeddings import Embeddings
from backend.lvm.encoder import Encoder, quarter_turns
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from benchmarks.shipped_weights.base_head import CLASSES, LABELS, macro_auc
from benchmarks.shipped_weights.galaxy_zoo_votes import is_for_encoder_choice
from sync.files.cache import FileCache, key_of
from sync.images.decode import decode

LADDER = {"gz2": (32, 64), "gz1": (32, 64, 256, 600)}
TEST_LADDER = {"gz2": (32, 64), "gz1": (32, 64, 256, 1000)}
DRAWS = 10
AVERAGED = {"one view": 1, "four quarter turns": 4, "all eight dihedral views": 8}
BATCH = 64

Cells = dict[str, dict[int, float]]


@dataclass(frozen=True)
class Galaxies:
    """Labelled galaxies of one set."""

    files: list[Path]
    targets: NDArray[np.float64]

    def embed(self, embeddings: Embeddings) -> NDArray[np.float32]:
        """Return the embeddings, shape (n, d)."""
        parts = [self.files[start : start + BATCH] for start in range(0, len(self.files), BATCH)]
        batches = ([StoredImage(key_of(file.read_bytes()), file.read_bytes, 10**8) for file in part] for part in parts)
        return np.concatenate([embeddings.of(batch) for batch in track(batches, "embedding", total=len(parts), transient=True)])


def read(data: Path, name: str, *, test: bool) -> Galaxies:
    """Read the galaxies of a set on which encoders are compared, or its test part."""
    label, object_id = LABELS[name]
    with (data / name / "labels.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row[label] in CLASSES]

    def belongs(row: dict[str, str]) -> bool:
        if test:
            return row["split"] == "test"
        return row["split"] == "val" or (row["split"] == "train" and is_for_encoder_choice(row[object_id]))

    part = [row for row in rows if belongs(row)]
    files = [data / name / row["file"] for row in part]
    return Galaxies(files, np.array([[row[label] == class_ for class_ in CLASSES] for row in part], np.float64))


def draw_labels(targets: NDArray[np.float64], n: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield random labelled galaxies, at least one of each class, and the remaining ones."""
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(targets))
        firsts = [order[targets[order, column] > 0][0] for column in range(targets.shape[1])]
        labelled_rows = np.array(list(dict.fromkeys([*firsts, *order]))[:n])
        yield labelled_rows, np.setdiff1d(order, labelled_rows)


def ladder(embeddings: NDArray[np.float32], targets: NDArray[np.float64], rungs: tuple[int, ...]) -> dict[int, float]:
    """Return the mean macro AUC at each number of labels."""
    cells = {}
    for n in rungs:
        scores = []
        for labelled_rows, rest in draw_labels(targets, n):
            head = Morphology.fit(embeddings[labelled_rows], targets[labelled_rows], classes=CLASSES, exclusive=True)
            scores.append(macro_auc(head.predict(embeddings[rest]), targets[rest]))
        cells[n] = float(np.mean(scores))
    return cells


def measure(encoder: Encoder, name: str, sets: dict[str, Galaxies], rungs: dict[str, tuple[int, ...]]) -> Cells:
    """Measure all cells of one encoder."""
    cache = FileCache(Path(".cache/encoders"), max_bytes=2**32)
    embeddings = Embeddings(encoder, cache, fingerprint=name)
    return {dataset: ladder(galaxies.embed(embeddings), galaxies.targets, rungs[dataset]) for dataset, galaxies in sets.items()}


@torch.inference_mode()
def averages(encoder: Encoder, galaxies: Galaxies) -> dict[str, NDArray[np.float32]]:
    """Return the embeddings averaged over one, four and eight dihedral augmentations."""
    views: list[list[torch.Tensor]] = []
    side = encoder.config.image_px
    for file in track(galaxies.files, "views", transient=True):
        image = torch.from_numpy(frame(decode(file.read_bytes()), side=side)).permute(2, 0, 1)[None]
        views.append([encoder(view)[0] for view in [*quarter_turns(image), *quarter_turns(image.flip(-1))]])
    batch = torch.stack([torch.stack(group) for group in views])
    return {name: batch[:, :count].mean(dim=1).numpy() for name, count in AVERAGED.items()}


def random_encoder() -> Encoder:
    """Return a Swin with random weights."""
    torch.manual_seed(0)
    return Encoder(SwinConfig(image_px=64)).eval().requires_grad_(False)


def row(name: str, cells: Cells) -> list[str]:
    """Return one row of the table."""
    return [name, *(" / ".join(f"{score:.3f}" for score in cells[dataset].values()) for dataset in LADDER)]


def columns(first: str, rungs: dict[str, tuple[int, ...]]) -> list[str]:
    """Return the heading of a table."""
    return [first, *(f"Galaxy Zoo {name[-1]}, {' / '.join(map(str, counts))} labels" for name, counts in rungs.items())]


def main(
    data: Path,
    encoders: Annotated[list[str], typer.Argument(help="NAME=CHECKPOINT")],
    shipped_checkpoint: Annotated[Path | None, typer.Option("--shipped", help="Measured on test, once.")] = None,
) -> None:
    """Compare the encoders and write the section."""
    sets = {name: read(data, name, test=False) for name in LADDER}
    results = {"random Swin, 64 px": measure(random_encoder(), "random", sets, LADDER)}
    for argument in encoders:
        name, _, path = argument.partition("=")
        checkpoint = Path(path)
        results[name] = measure(load_encoder(checkpoint), fingerprint(checkpoint), sets, LADDER)
        print(row(name, results[name]), flush=True)
    sizes = ", ".join(f"{len(galaxies.files)} of {name}" for name, galaxies in sets.items())
    text = f"{machine_line()}\n\n**Macro AUC, mean of {DRAWS} draws of labels; {sizes}**\n\n"
    text += markdown_table(columns("encoder", LADDER), [row(name, cells) for name, cells in results.items()])
    last, _, path = encoders[-1].partition("=")
    encoder, cells_by_name = load_encoder(Path(path)), {name: Cells() for name in AVERAGED}
    for dataset, galaxies in sets.items():
        for name, embeddings in averages(encoder, galaxies).items():
            cells_by_name[name][dataset] = ladder(embeddings, galaxies.targets, LADDER[dataset])
    results |= cells_by_name
    text += f"\n\n**The same for embeddings of “{last}” averaged over views**\n\n"
    text += markdown_table(columns("", LADDER), [row(name, cells) for name, cells in cells_by_name.items()])
    if shipped_checkpoint is not None:
        tests = {name: read(data, name, test=True) for name in TEST_LADDER}
        results["test"] = measure(load_encoder(shipped_checkpoint), fingerprint(shipped_checkpoint), tests, TEST_LADDER)
        text += "\n\n**The shipped encoder on the test parts: labels drawn from them, scored on the rest**\n\n"
        text += markdown_table(columns("", TEST_LADDER), [row("shipped", results["test"])])
    write_numbers("encoders", results)
    write_section("encoders", text)
    print(text)


if __name__ == "__main__":
    typer.run(main)
