"""Report of the detection benchmark: the table of docs/benchmarks.md and a figure, from the cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.detection.cells import Cell
from benchmarks.detection.methods import METHODS, RECIPE
from benchmarks.report import IMAGES, markdown_table, write_section

__all__ = ["write_report"]

NAME = "detection"
COLUMNS = ("ap", "ap50", "ap75", "precision", "recall", "accuracy")
HEADINGS = ("AP", "AP50", "AP75", "precision", "recall", "TP/(TP+FP+FN)")


def write_report(cells: Sequence[Cell], *, sizes: Sequence[int], side: int, scenes: tuple[int, int]) -> None:
    """Print the table, write it into the page, and draw the figure.

    Parameters
    ----------
    cells : sequence of Cell
        Cells of one setting.
    sizes : sequence of int
        Numbers of training scenes of a complete run; the report lists the missing ones.
    side : int
        Side of a scene, pixels.
    scenes : (int, int)
        Number of validation and of test scenes.
    """
    rows = _rows(cells)
    heading = ("method", "scenes", "boxes", *HEADINGS, "error / ResNet50's", "training, s", "seeds")
    table = markdown_table(heading, rows, title="Detection of galaxies in scenes")
    print(table)
    _draw(cells, IMAGES / f"{NAME}.png")
    hardware = "; ".join(sorted({cell.hardware for cell in cells}))
    lines = [
        f"{scenes[1]} test scenes of {side} px; no method was trained on their galaxies or frames. All networks are trained for"
        f" {RECIPE.steps(50)} steps at 50 scenes; the steps grow as the square root of the number of scenes. Mask R-CNN takes"
        f" {RECIPE.batch} scenes a step (AdamW, {RECIPE.rate:g}). The score threshold of every method was chosen on {scenes[0]}"
        f" validation scenes. Error is 1 - TP/(TP+FP+FN). Machine: {hardware}.",
        table,
        _describe_missing(cells, sizes),
        f"![Accuracy against the number of training scenes](images/{NAME}.png)",
    ]
    write_section(NAME, "\n\n".join(line for line in lines if line))


def _rows(cells: Sequence[Cell]) -> list[list[str]]:
    """Return one row for each method and number of scenes, with means over the seeds."""
    rows = []
    for key, method in METHODS.items():
        for size in sorted({cell.scenes for cell in cells if cell.method == key}):
            group = [cell for cell in cells if (cell.method, cell.scenes) == (key, size)]
            rivals = [cell for cell in cells if (cell.method, cell.scenes) == ("resnet50", size)]
            ratio = (1 - _mean(group, "accuracy")) / (1 - _mean(rivals, "accuracy")) if rivals and key != "resnet50" else None
            rows.append(
                [
                    method.title,
                    f"{size:,}" if method.learns else "none",
                    f"{mean(cell.boxes for cell in group):,.0f}" if method.learns else "",
                    *(f"{_mean(group, name):.3f}" for name in COLUMNS),
                    "" if ratio is None else f"{ratio:.2f}",
                    f"{_mean(group, 'seconds'):.0f}" if method.learns else "",
                    str(len(group)),
                ]
            )
    return rows


def _describe_missing(cells: Sequence[Cell], sizes: Sequence[int]) -> str:
    """Return a sentence that lists the cells of a complete run that were not measured."""
    gaps = []
    for key, method in METHODS.items():
        left = [size for size in sizes if method.learns and size not in {cell.scenes for cell in cells if cell.method == key}]
        if left:
            gaps.append(f"{method.title}: {', '.join(f'{size:,}' for size in left)}")
    return f"Not measured (hours on two cores; a further run of the script adds them): {'; '.join(gaps)}." if gaps else ""


def _draw(cells: Sequence[Cell], file: Path) -> None:
    """Draw accuracy and AP against the number of scenes, one line per method; untrained methods are horizontal lines."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 3.8), dpi=150, layout="constrained")
        sizes = sorted({cell.scenes for cell in cells if cell.scenes}) or [1]
        for axes, name, label in zip(figure.subplots(1, 2), ("accuracy", "ap"), ("TP/(TP+FP+FN)", "AP"), strict=True):
            axes.set(xscale="log", xlabel="training scenes", ylabel=label)
            for colour, (key, method) in enumerate(METHODS.items()):
                cells_of_method = [cell for cell in cells if cell.method == key]
                sizes_present = sorted({cell.scenes for cell in cells_of_method})
                values = [_mean([cell for cell in cells_of_method if cell.scenes == size], name) for size in sizes_present]
                if sizes_present and method.learns:
                    axes.plot(sizes_present, values, marker="o", markersize=3.5, label=method.title, color=f"C{colour}")
                elif sizes_present:
                    axes.axhline(values[0], linestyle="--", linewidth=1, label=method.title, color=f"C{colour}")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
            axes.minorticks_off()
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file)


def _mean(cells: Sequence[Cell], name: str) -> float:
    return mean(float(getattr(cell, name)) for cell in cells)
