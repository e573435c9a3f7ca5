"""Gather volunteers' votes on training galaxies into one Parquet file for `galaxyloop pretrain`.

Run: .venv/bin/python -m benchmarks.shipped_weights.galaxy_zoo_votes DATA OUTPUT   (DATA holds gz1/, gz2/ and rings/)

Each row is a galaxy of a train part: its `image`, and one column `question/answer` for each answer with the share of all
volunteers who gave it, so that a question which few volunteers were asked has a small weight. Galaxies of a validation or test
part of any set are left out; with `--choosing` also those on which encoders are compared; `--sets` selects sets.
"""

from __future__ import annotations

import csv
import re
import zlib
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as parquet
import typer

ASKED_AFTER = {
    "t02": "t01_smooth_or_features/a02_features_or_disk",
    "t03": "t02_edgeon/a05_no",
    "t04": "t02_edgeon/a05_no",
    "t05": "t02_edgeon/a05_no",
    "t07": "t01_smooth_or_features/a01_smooth",
    "t08": "t06_odd/a14_yes",
    "t09": "t02_edgeon/a04_yes",
    "t10": "t04_spiral/a08_spiral",
    "t11": "t04_spiral/a08_spiral",
}
"""Galaxy Zoo 2's tree (Willett+2013, figure 1): the answer that leads to each question."""
COLUMN = re.compile(r"(t\d\d_\w+?)_(a\d\d_\w+)_weighted_fraction")
RING_QUESTIONS = {
    "smooth-or-featured_featured-or-disk_fraction": ("decals_featured", "yes", "no"),
    "disk-edge-on_no_fraction": ("decals_edge_on", "no", "yes"),
    "has-spiral-arms_no_fraction": ("decals_spiral", "no", "yes"),
}

Votes = dict[str, float]


def galaxy_zoo_1(row: dict[str, str]) -> Votes:
    """Return the majority answer as one vote: only the majority is published with these images."""
    return {f"gz1/{row['coarse5']}": 1.0}


def galaxy_zoo_2(row: dict[str, str]) -> Votes:
    """Return shares of all volunteers: each question's shares times the share of volunteers who were asked it."""
    votes: Votes = {}
    for column, value in row.items():
        match = COLUMN.fullmatch(column)
        if match is not None:
            question, answer = match.groups()
            led_here = votes.get(ASKED_AFTER[question[:3]], 0.0) if question[:3] in ASKED_AFTER else 1.0
            votes[f"{question}/{answer}"] = led_here * float(value or 0)
    return votes


def rings(row: dict[str, str]) -> Votes:
    """Return the ring class, and three shares of Galaxy Zoo DECaLS."""
    votes = {f"ring/{'yes' if row['ring'] == '1' else 'no'}": 1.0}
    for column, (question, match, other) in RING_QUESTIONS.items():
        if row[column]:
            votes |= {f"{question}/{match}": float(row[column]), f"{question}/{other}": 1 - float(row[column])}
    return votes


SETS = {"gz1": (galaxy_zoo_1, "sdss_dr7_objid"), "gz2": (galaxy_zoo_2, "dr7objid"), "rings": (rings, "id_str")}


def is_for_encoder_choice(object_id: str) -> bool:
    """Return whether encoders are compared on this training galaxy, as on three in ten (`benchmarks.encoders.run`)."""
    return zlib.crc32(object_id.encode()) % 10 < 3


def main(
    data: Path,
    output: Path,
    sets: Annotated[str, typer.Option(help="With commas.")] = ",".join(SETS),
    choosing: Annotated[bool, typer.Option(help="Leave out the galaxies that encoders are compared on.")] = False,
) -> None:
    """Write the file and print its numbers of galaxies, answers and questions."""
    tables = {}
    for name in SETS:
        with (data / name / "labels.csv").open() as file:
            tables[name] = list(csv.DictReader(file))
    held_out = {row[SETS[name][1]] for name, rows in tables.items() for row in rows if row["split"] != "train"}
    galaxies = []
    for name in sets.split(","):
        vote, object_id = SETS[name]
        galaxies += [
            {"id": row[object_id], "image": (data / name / row["file"]).read_bytes()} | vote(row)
            for row in tables[name]
            if row["split"] == "train"
            and row[object_id] not in held_out
            and not (choosing and is_for_encoder_choice(row[object_id]))
        ]
    columns = list(dict.fromkeys(name for galaxy in galaxies for name in galaxy))
    output.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table({name: [galaxy.get(name) for galaxy in galaxies] for name in columns}), output)
    questions = {name.split("/")[0] for name in columns[2:]}
    print(f"{len(galaxies)} galaxies, {len(columns) - 2} answers to {len(questions)} questions")


if __name__ == "__main__":
    typer.run(main)
