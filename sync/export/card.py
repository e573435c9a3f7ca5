"""The data card: a Markdown page with the contents, provenance, annotator agreement and credit of a data set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sync.export import ON_SKY
from sync.export.consensus.agreement import ClassAgreement, ShapeAgreement
from sync.export.dataset import Dataset
from sync.export.first_pass import FirstPass
from sync.export.formats.rows import columns_of, extra_columns
from sync.export.problems import PROBLEMS_FILE
from sync.export.splits import Splitting
from sync.export.tally import Tally
from sync.export.task_list import TASKS_FILE

__all__ = ["CARD_FILE", "Facts", "data_card"]

CARD_FILE = "README.md"

_TABLES = ("ecsv", "votable", "fits-table")


@dataclass(frozen=True, slots=True)
class Facts:
    """Input of the data card.

    Attributes
    ----------
    dataset : Dataset
    format, consensus : str
        Values of the command's options.
    first_pass : FirstPass
    tally : Tally
    classes : list of ClassAgreement
    shapes : list of ShapeAgreement
    splitting : Splitting or None
        None if the data set has no splits.
    seed : int
        Seed of the splits.
    problems : int
        Number of rows in the list of problems.
    licence, credit : str
        Values of the command's options; empty if not given.
    """

    dataset: Dataset
    format: str
    consensus: str
    first_pass: FirstPass
    tally: Tally
    classes: list[ClassAgreement]
    shapes: list[ShapeAgreement]
    splitting: Splitting | None
    seed: int
    problems: int
    licence: str
    credit: str


def data_card(facts: Facts) -> str:
    """Return the data card as Markdown text."""
    parts = [
        _front_matter(facts) if facts.format == "parquet" else "",
        f"# {facts.dataset.title}",
        _counts(facts),
        _balance("Classes of objects", ("kind", "class"), facts.tally.objects, facts.dataset.splits),
        _balance("Answers about whole images", ("control", "class"), facts.tally.answers, facts.dataset.splits),
        _agreement(facts),
        _provenance(facts),
        _splits(facts),
        _columns(facts.dataset) if facts.format in _TABLES else _quantities(facts.dataset),
        f"## Licence and credit\n\nLicence: {facts.licence or 'not stated'}.\n\nCredit: {facts.credit or 'not stated'}.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(facts: Facts) -> str:
    """Return the YAML header for the Hugging Face Hub and `datasets`: the files of each split that holds a task."""
    empty_splits = facts.tally.empty_splits(facts.dataset.splits)
    files = [
        f"  - split: {split}\n    path: data/{split}-*.parquet" for split in facts.dataset.splits if split not in empty_splits
    ]
    licence = f"license_name: {json.dumps(facts.licence)}\nlicense: other\n" if facts.licence else ""
    names = f"pretty_name: {json.dumps(facts.dataset.title)}\n{licence}"
    return f"---\n{names}configs:\n- config_name: default\n  data_files:\n" + "\n".join(files) + "\n---"


def _counts(facts: Facts) -> str:
    tally, first_pass = facts.tally, facts.first_pass
    lines = [
        f"Exported from Label Studio project {facts.dataset.project} as `{facts.format}` on {datetime.now(UTC):%Y-%m-%d} "
        "by galaxyloop.",
        f"- {tally.unit.title()}: {tally.tasks.total():,} exported of {first_pass.tasks:,} with an annotation.",
        f"- Annotations read: {first_pass.annotations:,}; "
        f"{first_pass.skipped_annotations:,} more were skipped, and are left out.",
        f"- Objects: {tally.objects.total():,}; answers about whole images: {tally.answers.total():,}.",
        f"- Annotators: {len(+tally.annotators)}; tasks that two or more people annotated: {first_pass.several:,}.",
        f"- Consensus: `{facts.consensus}`. {_CONSENSUS[facts.consensus]}",
        f"- `{TASKS_FILE}` lists the images with their original file names and the columns that came in with them.",
        *([f"- Tasks with a WCS: {tally.on_sky:,}."] if facts.format in ON_SKY else []),
        f"- Problems: {facts.problems:,}"
        + (f"; `{PROBLEMS_FILE}` lists what was left out or changed, and why." if facts.problems else "."),
    ]
    return lines[0] + "\n\n" + "\n".join(lines[1:])


_CONSENSUS = {
    "latest": "The newest of several annotations of a task is used.",
    "all": "All annotations of a task are exported.",
    "majority": "If several people annotated a task, the majority is used.",
    "dawid-skene": "If several people annotated a task, votes are weighted by the confusion matrices of the annotators "
    "(Dawid & Skene 1979).",
}


def _balance(title: str, names: tuple[str, str], counts: Counter[tuple[str, str, str]], splits: Sequence[str]) -> str:
    if not counts.total():
        return ""
    rows = []
    total = counts.total()
    for first, second in sorted({(first, second) for (first, second, _), number in counts.items() if number}):
        each = [counts[first, second, split] for split in splits]
        rows.append([first, second, *(f"{number:,}" for number in each), f"{sum(each):,}", f"{100 * sum(each) / total:.1f} %"])
    return f"## {title}\n\n" + _table([*names, *splits, "all", "share"], rows)


def _agreement(facts: Facts) -> str:
    if not facts.first_pass.several:
        return "## Agreement\n\nNo task was annotated by two people: agreement is unknown."
    parts = ["## Agreement", f"Measured on the {facts.first_pass.several:,} tasks that two or more people annotated."]
    if facts.classes:
        rows = [[agreement.topic, f"{agreement.questions:,}", f"{agreement.alpha:.3f}"] for agreement in facts.classes]
        parts.append(_table(["classes of", "tasks or objects", "Krippendorff's alpha"], rows))
    if facts.shapes:
        rows = [
            [
                agreement.control,
                f"{agreement.pairs:,}",
                f"{agreement.mean_overlap:.3f}" if agreement.pairs else "",
                f"{100 * agreement.matched_share:.1f} %",
            ]
            for agreement in facts.shapes
        ]
        parts.append(_table(["shapes of", "pairs", "mean IoU of pairs", "shapes that both drew"], rows))
    return "\n\n".join(parts)


def _provenance(facts: Facts) -> str:
    if not facts.tally.origins.total():
        return ""
    counts = sorted(facts.tally.origins.items())
    rows = [[made_by, state, version, f"{number:,}"] for (made_by, state, version), number in counts if number]
    return (
        "## Who made the labels\n\n"
        + _table(["made by", "state", "model version", "objects and answers"], rows)
        + "\n\n*Drawn* is a person's own work, with or without a prompted mask; *accepted* is a model's proposal that a person "
        "submitted as it was; *edited* one that a person changed first. Annotators are given by their numbers in Label Studio."
    )


def _splits(facts: Facts) -> str:
    if facts.splitting is None:
        return ""
    counts = ", ".join(f"{split} {facts.tally.tasks[split]:,}" for split in facts.dataset.splits)
    splitting = facts.splitting
    notice = "".join(f"**No task is in {split}.** " for split in facts.tally.empty_splits(facts.dataset.splits))
    return (
        f"## Splits\n\n{notice}{counts} tasks; seed {facts.seed}; balanced by class. Tasks that show the same galaxy or the "
        f"same file are in one split: {splitting.groups:,} groups, the largest of {splitting.largest:,} tasks. The position "
        f"on the sky is known for {splitting.located_tasks:,} of {len(splitting.split_of):,} tasks; the others are "
        "distinguished by their files."
    )


def _columns(dataset: Dataset) -> str:
    columns = columns_of(dataset, extra_columns(dataset))
    rows = [[f"`{column.name}`", column.unit, column.ucd, column.description] for column in columns]
    return "## Columns\n\n" + _table(["column", "unit", "UCD", "what"], rows)


def _quantities(dataset: Dataset) -> str:
    """Return the section on physical quantities of a format without the columns of a catalogue."""
    rows = [
        [f"`{each.control}`", f"`{each.name}`", each.quantity.unit, each.quantity.ucd, each.quantity.description]
        for each in dataset.quantities
    ]
    if not rows:
        return ""
    about = "Numbers of the images. The error of a predicted number is known if no person changed it."
    return f"## Quantities\n\n{about}\n\n" + _table(["control", "column", "unit", "UCD", "what"], rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [
        columns,
        ["---"] * len(columns),
        *([" ".join(cell.replace("|", "\\|").splitlines()) for cell in row] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
