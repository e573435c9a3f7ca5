"""A report with all parts, as after some batches: scores of simulated predictions, and thumbnails of given images."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.reports.curve import Curve, CurvePoint, Forecast
from backend.reports.estimate import Estimate
from backend.reports.report import (
    ControlReport,
    Gallery,
    Map,
    MapPoint,
    Matrix,
    ReliabilityBin,
    Report,
    Thumbnail,
    VersionReport,
)

LABELS = ("Elliptical", "Spiral", "Edge-on", "Merger", "Star or artifact")
SHARES = (0.38, 0.34, 0.14, 0.08, 0.06)
BATCH = 40
SIDE = 96


def thumbnail(image: Image.Image) -> str:
    """Return a small JPEG of an image in Base64."""
    content = io.BytesIO()
    image.convert("RGB").resize((SIDE, SIDE)).save(content, "JPEG", quality=85)
    return base64.b64encode(content.getvalue()).decode()


def make_report(
    names: Sequence[str],
    images: Sequence[Image.Image] = (),
    *,
    project: int = 7,
    tasks: int = 800,
    problems: Sequence[str] = (),
) -> Report:
    """Return the report of a project with one version per name, the last one live, trained on `BATCH` more labels each.

    Parameters
    ----------
    names : sequence of str
        Names of the versions, number 1 first.
    images : sequence of Image
        Images of tasks, which the galleries repeat; without any they are unreadable.
    project, tasks : int
        Number of the project, and of its tasks.
    problems : sequence of str
    """
    rng = np.random.default_rng(18)
    jpegs = [thumbnail(image) for image in images] or [""]
    held_out = min(240, tasks // 4)
    truth = rng.choice(len(LABELS), held_out, p=SHARES)
    predictions = np.where(rng.random(held_out) < 0.86, truth, rng.choice(len(LABELS), held_out, p=SHARES))
    classes = _classes(names, truth, predictions, rng)
    annotation_count = BATCH * (len(names) - 1) + held_out
    galleries = [
        Gallery(kind="uncertain", title="Least certain", tasks=_thumbnails(jpegs, range(1, 9), "Spiral 0.41, Edge-on 0.40")),
        Gallery(
            kind="disagreement", title="Annotators disagree", tasks=_thumbnails(jpegs, range(11, 19), "Merger, not Spiral")
        ),
        Gallery(kind="confusion", title="Spiral taken for Edge-on", tasks=_thumbnails(jpegs, range(21, 25), "Edge-on 0.71")),
    ]
    return Report(
        project=project,
        made_at=1_764_000_000.0,
        live=len(names),
        tasks=tasks,
        annotated=annotation_count,
        training=annotation_count - held_out,
        held_out=held_out,
        controls=[classes, _boxes(names)],
        galleries=galleries,
        map=_map(tasks, annotation_count, rng),
        problems=list(problems),
    )


def _classes(
    names: Sequence[str], truth: NDArray[np.int_], predictions: NDArray[np.int_], rng: np.random.Generator
) -> ControlReport:
    quality = [float(0.965 - 0.11 * (1 + number) ** -0.7) for number in range(len(names))]
    versions = [
        VersionReport(
            number=number + 1,
            name=name,
            created_at=1_763_000_000.0 + 86_400 * number,
            labels=BATCH * number,
            metrics={
                "macro_auc": _interval(value, 0.035 / (1 + number) ** 0.3),
                "accuracy": _interval(value - 0.09, 0.045),
                "kappa": _interval(value - 0.17, 0.06),
            },
            change=_interval(0.62 + 0.33 * (1 - 0.7**number), 0.05) if number else None,
            accepted=0.58 + 0.3 * (1 - 0.75**number),
            median_seconds=9.5 - 4 * (1 - 0.75**number),
        )
        for number, (name, value) in enumerate(zip(names, quality, strict=True))
    ]
    points = [CurvePoint(labels=BATCH * i, value=value, spread=0.012 / (1 + i)) for i, value in enumerate(quality) if i]
    random = [
        CurvePoint(labels=point.labels, value=point.value - 0.012 / (point.labels / BATCH), spread=0.01) for point in points
    ]
    counts = np.zeros((len(LABELS), len(LABELS)), int)
    np.add.at(counts, (truth, predictions), 1)
    confidences = np.linspace(0.35, 0.97, 7)
    return ControlReport(
        name="morphology",
        kind="classes",
        held_out=len(truth),
        versions=versions,
        per_class={
            label: {"macro_auc": _interval(0.97 - 0.02 * i, 0.02), "accuracy": _interval(0.93 - 0.05 * i, 0.04)}
            for i, label in enumerate(LABELS)
        },
        confusion=Matrix(labels=list(LABELS), counts=counts.tolist()),
        reliability=[
            ReliabilityBin(confidence=value, accuracy=min(1.0, value + rng.normal(0, 0.03)), count=int(10 + 60 * value**2))
            for value in confidences
        ],
        curve=Curve(
            metric="macro_auc",
            points=points,
            random=random,
            forecast=Forecast(
                labels=100,
                gain=Estimate(value=0.008, low=0.002, high=0.014),
                hours=1.9,
                families={"power law": 0.009, "exponential": 0.007},
                sentence="The next 100 labels would bring +0.008 ± 0.006 macro AUC, in about 1.9 hours of work.",
            ),
            saved=Estimate(value=0.41, low=0.22, high=0.55),
        ),
    )


def _boxes(names: Sequence[str]) -> ControlReport:
    versions = [
        VersionReport(
            number=number + 1,
            name=name,
            created_at=1_763_000_000.0,
            labels=BATCH * number,
            metrics={"ap50": _interval(0.61 + 0.03 * number, 0.07), "f1": _interval(0.66 + 0.02 * number, 0.06)},
            accepted=0.72 + 0.02 * number,
        )
        for number, name in enumerate(names)
    ]
    return ControlReport(name="galaxies", kind="objects", held_out=41, versions=versions)


def _interval(value: float, half: float) -> Estimate:
    return Estimate(value=round(min(value, 1.0), 4), low=round(value - half, 4), high=round(min(value + half, 1.0), 4))


def _thumbnails(jpegs: Sequence[str], tasks: Sequence[int], caption: str) -> list[Thumbnail]:
    return [Thumbnail(task=task, jpeg=jpegs[task % len(jpegs)], caption=caption) for task in tasks]


def _map(tasks: int, annotation_count: int, rng: np.random.Generator) -> Map:
    centres = rng.uniform(-0.6, 0.6, (len(LABELS), 2))
    kinds = rng.choice(len(LABELS), tasks, p=SHARES)
    places = np.clip(centres[kinds] + rng.normal(0, 0.17, (tasks, 2)), -1, 1)
    points = [
        MapPoint(
            task=task + 1, x=round(float(x), 4), y=round(float(y), 4), label=int(kinds[task]) if task < annotation_count else -1
        )
        for task, (x, y) in enumerate(places)
    ]
    return Map(control="morphology", labels=list(LABELS), points=points)
