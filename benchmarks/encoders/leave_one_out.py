"""Leave one question out: how well an encoder carries over to a question that it was not trained on.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.encoders.leave_one_out DATA WORK --galaxies PARQUET... [--only NAME]

For each question of Galaxy Zoo 2 in `LEFT_OUT`, a network is trained as that of the shipped classifier, from the label-free
stage on, on the galaxies of the Parquet files without the votes on this question; `galaxy_zoo_votes DATA OUTPUT
--sets gz1,gz2` writes such a file. `rings` and `metallicity` are of other sets, and no votes need be left out. With
`--together`, one network is trained without the votes on all six questions, which is harder and takes a seventh of the time. As
in the shipped encoder, annular means and profiles are joined to its embedding. WORK holds checkpoints and results: the next run
continues. Labels are drawn from the train parts; `val` and `test` are scored, once.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.checkpoint import load_encoder, save_model
from backend.lvm.cropping import frame
from backend.lvm.embeddings import Embedder
from backend.lvm.encoder import Encoder
from backend.lvm.pretraining.dataset import PretrainDataset, read_dataset
from backend.lvm.pretraining.pretrain import PretrainConfig, pretrain
from backend.lvm.shipped_encoder import ShippedEncoder
from benchmarks.encoders.probes import Interval, Question, compare, probe, score
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section
from benchmarks.shipped_weights import imagenet_start
from benchmarks.shipped_weights.galaxy_zoo_votes import galaxy_zoo_2
from benchmarks.shipped_weights.shipped_axes import fit_axes
from sync.images.decode import decode

LEFT_OUT = {
    "bar": ("t03_bar", "a06_bar"),
    "arm number": ("t11_arms_number", "a32_2"),
    "bulge": ("t05_bulge_prominence", "a12_obvious"),
    "ring": ("t08_odd_feature", "a19_ring"),
    "odd": ("t06_odd", "a14_yes"),
    "roundness": ("t07_rounded", "a16_completely_round"),
}
"""Question and answer; a galaxy is positive if its share of all volunteers is among the highest tenth."""
OTHER_SETS = ("rings", "metallicity")
HIGHEST = 0.1
RUNGS = (32, 128, 256)
OURS = "ours"
LABEL_FREE = Path(__file__).parents[1] / "weights" / "label_free.safetensors"
TRAINING = PretrainConfig(epochs=12, batch=64, learning_rate=5e-4, objectives=("invariance", "reconstruction", "votes"))
NETWORK = EfficientNetConfig()

Files = list[Path]


def read_question(data: Path, name: str) -> tuple[Files, Question]:
    """Return the images of a question and its truth."""
    folder = {"rings": "rings", "metallicity": "metallicity"}.get(name, "gz2")
    with (data / folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    files = [data / folder / row["file"] for row in rows]
    if name == "metallicity":
        is_train = np.array([zlib.crc32(row["sdss_objid_dr14"].encode()) % 10 < 7 for row in rows])
        return files, Question(name, np.array([float(row["oh_12plus_log"]) for row in rows]), is_train, is_numeric=True)
    is_train = np.array([row["split"] == "train" for row in rows])
    if name == "rings":
        return files, Question(name, np.array([float(row["ring"]) for row in rows]), is_train)
    shares = np.array([galaxy_zoo_2(row)["/".join(LEFT_OUT[name])] for row in rows])
    return files, Question(name, (shares >= np.quantile(shares, 1 - HIGHEST)).astype(float), is_train)


def embed(arm: str, checkpoint: Path, files: Files, work: Path, *, pool: Path) -> NDArray[np.float32]:
    """Embed images, shape (n, d), or read their embeddings, since most questions are about the same images."""
    file_of_embeddings = work / f"{arm} {checkpoint.stem} {files[0].parents[1].name}.npy"
    if file_of_embeddings.exists():
        return np.asarray(np.load(file_of_embeddings), np.float32)
    network, parts = load_encoder(checkpoint), []
    encoder: Embedder = ShippedEncoder(network, fit_axes(network, pool)) if arm == OURS else network
    for begin in range(0, len(files), 32):
        crops = [frame(decode(file.read_bytes()), side=encoder.image_px) for file in files[begin : begin + 32]]
        parts.append(encoder.embed(torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2)).numpy())
    np.save(file_of_embeddings, np.concatenate(parts))
    return np.concatenate(parts)


def drop_questions(dataset: PretrainDataset, names: Collection[str]) -> PretrainDataset:
    """Return the data without the votes on questions of `LEFT_OUT`."""
    questions = {LEFT_OUT[name][0] for name in names}
    columns = [column for column, answer in enumerate(dataset.answers) if answer.split("/")[0] not in questions]
    answers = tuple(dataset.answers[column] for column in columns)
    return replace(dataset, answers=answers, votes=dataset.votes[:, columns])


def train(names: Collection[str], work: Path, galaxies: list[Path]) -> Path:
    """Train the network without the votes on some questions, unless its checkpoint exists; return the checkpoint."""
    checkpoint = work / f"without {', '.join(names) or 'nothing'}.safetensors"
    if not checkpoint.exists():
        dataset = drop_questions(read_dataset(galaxies, side=NETWORK.image_px), names)
        pretrain(dataset, output=checkpoint, config=TRAINING, network=NETWORK, start=LABEL_FREE)
    return checkpoint


def imagenet(work: Path) -> Path:
    """Return the checkpoint with ImageNet's weights; write it first if it is missing."""
    if not (path := work / "imagenet.safetensors").exists():
        imagenet_start.main(path)
    return path


def random_weights(work: Path) -> Path:
    """Return a checkpoint of the same network with random weights."""
    if not (path := work / "random.safetensors").exists():
        torch.manual_seed(0)
        save_model(Encoder(NETWORK), None, path, training={})
    return path


def measure(name: str, data: Path, work: Path, checkpoints: Mapping[str, Path]) -> dict[str, object]:
    """Return scores and differences to ImageNet's weights of all encoders for one question."""
    files, question = read_question(data, name)
    pool = data / "pretrain" / "unlabelled.parquet"
    embeddings = {arm: embed(arm, path, files, work, pool=pool) for arm, path in checkpoints.items()}
    counts = sorted({min(rung, int(question.is_train.sum())) for rung in RUNGS})
    scores: dict[str, dict[int, float]] = {arm: {} for arm in checkpoints}
    gains: dict[int, Interval] = {}
    for count in counts:
        predictions = {arm: probe(question, vectors, labels=count) for arm, vectors in embeddings.items()}
        for arm, values in predictions.items():
            scores[arm][count] = score(question, values)
        gains[count] = compare(question, predictions[OURS], predictions["ImageNet"])
    is_scored = ~question.is_train
    positives = None if question.is_numeric else int(question.truth[is_scored].sum())
    return {
        "labels": counts,
        "scored": int(is_scored.sum()),
        "positives": positives,
        "scores": {arm: list(values.values()) for arm, values in scores.items()},
        "gain": [asdict(interval) for interval in gains.values()],
    }


def main(
    data: Path,
    work: Path,
    galaxies: Annotated[list[Path], typer.Option(help="Parquet files with galaxies and votes.")],
    only: Annotated[str, typer.Option(help="One question; default: all.")] = "",
    together: Annotated[bool, typer.Option("--together", help="Leave all six questions out of one training.")] = False,
) -> None:
    """Train, probe, and write the section once every question is measured."""
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    names = (*LEFT_OUT, *OTHER_SETS)
    for name in [only] if only else names:
        if not (result := work / f"{name}.json").exists():
            left_out = tuple(LEFT_OUT) if together else tuple({name} & set(LEFT_OUT))
            checkpoints = {OURS: train(left_out, work, galaxies), "ImageNet": imagenet(work)}
            checkpoints |= {"label-free": LABEL_FREE, "random": random_weights(work)}
            result.write_text(json.dumps(measure(name, data, work, checkpoints)))
    results = {name: json.loads((work / f"{name}.json").read_text()) for name in names if (work / f"{name}.json").exists()}
    text = table(results)
    print(text)
    if len(results) == len(names):
        write_numbers("leave_one_out", results)
        write_section("leave_one_out", f"{machine_line()}\n\n{text}")


def table(results: dict[str, dict[str, list[float]]]) -> str:
    """Return the results as a table."""
    rows = []
    for name, result in results.items():
        scores: Mapping[str, list[float]] = result["scores"]  # type: ignore[assignment]
        gains: list[dict[str, float]] = result["gain"]  # type: ignore[assignment]
        cells = [" / ".join(f"{value:.3f}" for value in scores[arm]) for arm in (OURS, "ImageNet", "label-free", "random")]
        gain = " / ".join(f"{g['difference']:+.3f} ({g['low']:+.3f} to {g['high']:+.3f})" for g in gains)
        rows.append([name, " / ".join(map(str, result["labels"])), *cells, gain])
    columns = ["left out", "labels", "trained without it", "ImageNet", "label-free stage", "random", "gain over ImageNet"]
    return markdown_table(columns, rows)


if __name__ == "__main__":
    typer.run(main)
