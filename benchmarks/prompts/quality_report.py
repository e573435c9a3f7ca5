"""Report of the quality benchmark: tables of docs/benchmarks.md, curves, contact sheets, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.prompts.quality import ENOUGH, LEAST_CLICKS, MOST_CLICKS, SHIPPED, Judged, Quality, QualityPlan
from benchmarks.prompts.sheets import draw_sheet
from benchmarks.prompts.statistics import clicks_until, difference, mean_of, overlap_after, share_reached
from benchmarks.report import IMAGES, machine_line, markdown_table, write_section

__all__ = ["quality_numbers", "quality_tables", "write_quality"]

CLICKS = (1, 3, 5)
GOALS = (0.85, 0.9)
COLUMNS = (
    "method",
    *(f"IoU after {number} click{'s' if number > 1 else ''}" for number in CLICKS),
    *(part for goal in GOALS for part in (f"clicks to {goal:.0%}", f"reached {goal:.0%}")),
)
CURVES = IMAGES / "prompts_clicks.png"

TITLES = {
    "outlines": "Outlines of real galaxies in the test part ({}). Fine-tuned on annotators' outlines of the train part, which "
    "also trained the shipped head, and for 40 on those of train and val, which have no 50",
    "scenes": "Galaxies of test scenes ({}). Fine-tuned on masks of scenes of the train part",
    "blends": "Blends: those of them that share pixels with another galaxy ({})",
}
HOW = """
One run on {machine}, {minutes:.0f} minutes of one core; `{part}` part. The simulated annotator clicks near the middle of the
largest error, with a standard deviation of 15 % of its radius; each method's own errors decide its next clicks. It clicks
{least} times, and then until an IoU of {enough:.0%} is reached, at most {most} times; an object that never reaches a goal
counts as {most} clicks. Simulated annotators per object: {hands[outlines]} on outlines, {hands[scenes]} on scenes. Values
in brackets are 95 % intervals from a bootstrap over images.

The shipped head was trained on the 32 outlines of the train part and on other scenes, and on none of the test objects.
Fine-tuning with the product's default schedule took: {fits}. The threshold of the watershed and the distance between its peaks
were chosen on other parts, the best ones for outlines and for scenes separately.
"""
LIMITS = """
What it does not show. The outlines are twenty of one survey, one galaxy each, drawn like isophotes: they do not show how well
tails and shells are outlined. They also include blended neighbours. In scenes the true outline is by construction an isophote
at the fraction of the peak that source extraction uses: this favours source extraction and the first guess, most for isolated
galaxies. Watershed and source extraction select whole segments, so further clicks soon change nothing, where an annotator would
paint. No annotator's time was measured.
"""

Groups = dict[str, list[Judged]]


def write_quality(quality: Quality, plan: QualityPlan, seconds: float) -> None:
    """Draw the images and write the section of the page."""
    sheets = []
    for group, rows in quality.groups.items():
        file = IMAGES / f"prompts_{group}.png"
        draw_sheet([result for result in rows if result.method == SHIPPED and result.hand == 0], quality.shipped_method, file)
        sheets.append(f"![Best, median and worst of the {group} after one click](images/{file.name})")
    _draw_curves(_groups(quality), CURVES)
    lines = [
        HOW.format(
            machine=machine_line(),
            minutes=seconds / 60,
            part=plan.part,
            least=LEAST_CLICKS,
            enough=ENOUGH,
            most=MOST_CLICKS,
            hands=plan.hands,
            fits="; ".join(f"{name} {fit_s:.0f} s" for name, fit_s in quality.fits_s.items()) or "none",
        ).strip(),
        quality_tables(quality, plan),
        LIMITS.strip(),
        f"![IoU against clicks](images/{CURVES.name})",
        "In the curves, the clicks on an object end at an IoU of 90 %. Below, the shipped head after one click: in cyan the "
        "annotators' outline or the scene's mask, in orange the predicted mask, the click as a cross.",
        *sheets,
    ]
    write_section("prompts_quality", "\n\n".join(lines))


def quality_tables(quality: Quality, plan: QualityPlan) -> str:
    """Return all tables as Markdown."""
    titles = TITLES
    if plan.part != "test":
        titles = {group: f"{plan.part.upper()} PART, NOT FOR THE PAGE: {title}" for group, title in titles.items()}
    tables = []
    for group, rows in _groups(quality).items():
        objects, pictures = len({id(result.object) for result in rows}), len({result.object.number for result in rows})
        title = titles[group].format(f"{objects} in {pictures} images")
        tables.append(
            markdown_table(COLUMNS, [_row(method, results) for method, results in _by_method(rows).items()], title=title)
        )
    tables.append(_differences(quality))
    return "\n\n".join(tables)


def quality_numbers(quality: Quality, plan: QualityPlan) -> dict[str, object]:
    """Return every figure of the tables with its interval, and the time of each fine-tuning."""
    numbers: dict[str, object] = {"part": plan.part, "fits_s": quality.fits_s}
    for group, rows in _groups(quality).items():
        numbers[group] = {
            method: {
                "objects": len({id(result.object) for result in results}),
                "iou": {n: mean_of(results, overlap_after(n)).as_rounded() for n in range(1, MOST_CLICKS + 1)},
                "clicks": {goal: mean_of(results, clicks_until(goal)).as_rounded() for goal in GOALS},
                "reached": {goal: mean_of(results, share_reached(goal)).as_rounded() for goal in GOALS},
            }
            for method, results in _by_method(rows).items()
        }
    return numbers


def _groups(quality: Quality) -> Groups:
    """Return the groups of results, with the blends among the scenes as a third group."""
    blends = [result for result in quality.groups["scenes"] if result.object.blended]
    return {**quality.groups, **({"blends": blends} if blends else {})}


def _by_method(rows: Sequence[Judged]) -> dict[str, list[Judged]]:
    return {
        method: [result for result in rows if result.method == method]
        for method in dict.fromkeys(result.method for result in rows)
    }


def _row(method: str, rows: Sequence[Judged]) -> list[str]:
    row = [method, *(mean_of(rows, overlap_after(number)).show(3) for number in CLICKS)]
    for goal in GOALS:
        row += [mean_of(rows, clicks_until(goal)).show(1), f"{mean_of(rows, share_reached(goal)).mean:.0%}"]
    return row


def _differences(quality: Quality) -> str:
    """Return a table of the differences between the shipped head and every other method, object by object."""
    rows = []
    for group, judged_rows in _groups(quality).items():
        methods = _by_method(judged_rows)
        for method, results in methods.items():
            if method != SHIPPED:
                gains = [difference(methods[SHIPPED], results, overlap_after(number)).show(3) for number in CLICKS]
                rows.append([group, method, *gains, difference(methods[SHIPPED], results, clicks_until(GOALS[0])).show(1)])
    columns = ["objects", "shipped minus", *(f"IoU after {number}" for number in CLICKS), f"clicks to {GOALS[0]:.0%}"]
    return markdown_table(columns, rows, title="Difference between the shipped head and each other method, on the same objects")


def _draw_curves(groups: Groups, file: Path) -> None:
    """Draw mean IoU against clicks, one axis per group, one line per method."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(10, 3.8), dpi=110, layout="constrained")
        for axes, (group, rows) in zip(figure.subplots(1, len(groups), sharey=True), groups.items(), strict=True):
            axes.set(title=group, xlabel="clicks", xticks=[1, 5, 10, 15, 20])
            for colour, (method, results) in enumerate(_by_method(rows).items()):
                values = [mean_of(results, overlap_after(number)).mean for number in range(1, MOST_CLICKS + 1)]
                axes.plot(
                    range(1, MOST_CLICKS + 1), values, label=method if "fitted" not in method else None, color=f"C{colour}"
                )
        figure.axes[0].set_ylabel("mean IoU")
        handles = [mpl.lines.Line2D([], [], color=f"C{index}") for index in range(6)]
        names = [*list(_by_method(groups["scenes"]))[:4], "shipped, fitted on 20 masks", "shipped, fitted on more masks"]
        figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(file)
