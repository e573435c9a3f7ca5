"""Report of the speed of clicks: tables of docs/benchmarks.md and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.prompts.speed import ANNOTATOR_CLICKS, SIDES, USUAL_SIDE, Times
from benchmarks.report import IMAGES, machine_line, markdown_table, write_section

__all__ = ["speed_tables", "write_speed"]

PLOT = IMAGES / "prompts_speed.png"
SLOWER = 1.1
"""Ratio from which on a click counts as slower; a smaller ratio is within the noise of one run."""
VIT_B = "SAM ViT-B, encoding"
KINDS = {
    "first click": "first click on a new image (cold)",
    "later clicks": "later clicks on the object (warm)",
    "first click on another object": "first click on another galaxy of the image",
    "first click, training": "cold, during a training",
    "later clicks, training": "warm, during a training",
    VIT_B: "SAM ViT-B, encoder run at each click",
    "SAM ViT-B on one thread, encoding": "the same, on one thread",
    "SAM ViT-B, embedding kept": "SAM ViT-B in galaxyloop, embedding cached",
    "SAM ViT-B on one thread, embedding kept": "the same, on one thread",
}


HOW = """
One run on {machine}; load average {load:.1f} before. A click is timed from opening its request's connection to the last byte
of the answer. The server process has default settings: one computing thread on two cores. A file server on the same machine
serves the images, as Label Studio does. SAM ViT-B has random weights, which does not change its time. It runs in the same
server, once with one thread and once with all cores, and the faster of both is compared. Each of its clicks is on a new image,
so its encoder runs each time, as in Label Studio's example for SAM 2 on every click. (The older example for SAM keeps the
embedding of the last image only.)
"""
GROWTH = """
How the cost grows. The encoder runs once for each window of an image that an object needs: the whole image, and one window for
each halving of its side, down to 96 px. Every window is encoded at 256 px, so an image of twice the side costs one window more,
not four times as much. Decoding the file and writing the mask grow with the image's area. Further clicks cost about the same,
whatever their number: the server keeps the mask of the first click, and one pass refines it with all further clicks. Each click
that the mask does not agree with adds one flood fill of isophotes.
"""
LIMITS = """
What it does not show. Label Studio and the browser add their own time, and a remote file server makes a cold click slower. Ten
clients that click without a pause are not realistic: read that row as the server's limit. The training is one process with nice
level 10 and one thread, like the worker's.
"""


def write_speed(numbers: Mapping[str, Any], load: float) -> None:
    """Draw the figure and write the section of the page; `load` is the load average before the run."""
    _draw(_times(numbers))
    image = f"![Milliseconds by click and by side](images/{PLOT.name})"
    lines = [HOW.format(machine=machine_line(), load=load), speed_tables(numbers), GROWTH, LIMITS, image]
    write_section("prompts_speed", "\n\n".join(line.strip() for line in lines))


def speed_tables(numbers: Mapping[str, Any]) -> str:
    """Return all tables as Markdown."""
    times = _times(numbers)
    sides = markdown_table(
        ["milliseconds, p50 / p95 (clicks)", *(f"{side}²" for side in SIDES)],
        [*_by_side(times), *_ratios(times)],
        title="One click",
    )
    others = [
        [
            entry.kind,
            f"{entry.side}²",
            *_percentiles(entry).split(" / "),
            str(len(entry.milliseconds)),
            str(entry.failed),
        ]
        for entry in times
        if "annotators" in entry.kind or "regions" in entry.kind
    ]
    many = markdown_table(
        ["", "image", "p50, ms", "p95, ms", "clicks", "failed"], others, title="Ten annotators at once, and 100 regions"
    )
    growth = {entry.kind: entry for entry in times if entry.kind.startswith("click ")}
    kinds = [kind for kind in ("click 1", "click 2", "click 5", "click 10", f"click {ANNOTATOR_CLICKS}") if kind in growth]
    clicks = markdown_table(
        ["", *kinds], [["p50, ms", *(f"{growth[kind].percentile(50):.0f}" for kind in kinds)]], title="Clicks on one object"
    )
    steps = [[name, f"{milliseconds:.1f}"] for name, milliseconds in numbers["passes"].items()]
    passes = markdown_table(["step, one thread, without the server", "p50, ms"], steps, title="Where the time goes")
    aims = markdown_table(["aim", "measured", "reached"], _aims(times), title="Aims")
    return "\n\n".join([aims, sides, many, clicks, passes])


def _times(numbers: Mapping[str, Any]) -> list[Times]:
    return [Times(entry["kind"], entry["side"], tuple(entry["milliseconds"]), entry["failed"]) for entry in numbers["times"]]


def _by_side(times: Sequence[Times]) -> list[list[str]]:
    entry_by_key = {(entry.kind, entry.side): entry for entry in times}
    return [[title, *(_format_cell(entry_by_key.get((kind, side))) for side in SIDES)] for kind, title in KINDS.items()]


def _ratios(times: Sequence[Times]) -> list[list[str]]:
    """Return the speed-ups of cold and warm clicks over ViT-B's clicks with its encoder."""
    return [
        [
            f"ViT-B with its encoder, the faster of both / {name}",
            *(f"**{_ratio(times, kind, side):.0f}×**" for side in SIDES),
        ]
        for kind, name in (("first click", "cold"), ("later clicks", "warm"))
    ]


def _aims(times: Sequence[Times]) -> list[list[str]]:
    """Return each aim, its measured value at the worst side, and whether it was reached."""
    entry_by_key = {(entry.kind, entry.side): entry for entry in times}
    warm = max(entry_by_key["later clicks", side].percentile(50) for side in SIDES)
    faster = min(_ratio(times, "first click", side) for side in SIDES)
    beside = max(entry_by_key["later clicks, training", side].percentile(95) for side in SIDES)
    failed_count = sum(entry.failed for entry in times if "annotators" in entry.kind)
    bare, laden = (entry.percentile(50) for entry in times if "regions" in entry.kind)
    rows = [
        ("a warm click under 50 ms", f"p50 {warm:.0f} ms at most", warm < 50),
        ("a cold click 20 times faster than ViT-B", f"{faster:.0f} times at least", faster >= 20),
        ("a warm click during a training: p95 under 150 ms", f"{beside:.0f} ms at most", beside < 150),
        ("ten annotators at once without an error", f"{failed_count} clicks without a mask", failed_count == 0),
        ("100 regions on an image without slowing down", f"{laden / bare:.2f} times as long", laden < SLOWER * bare),
    ]
    return [[aim, value, "yes" if is_met else "no"] for aim, value, is_met in rows]


def _ratio(times: Sequence[Times], kind: str, side: int) -> float:
    """Return the ratio of median times: ViT-B's click with its encoder, in the faster of its two ways, over our click."""
    middle = {(entry.kind, entry.side): entry.percentile(50) for entry in times}
    alone = middle["SAM ViT-B on one thread, encoding", USUAL_SIDE]
    return min(middle[VIT_B, side], alone) / middle[kind, side]


def _format_cell(times: Times | None) -> str:
    return "" if times is None else f"{_percentiles(times)} ({len(times.milliseconds)})"


def _percentiles(times: Times) -> str:
    return f"{times.percentile(50):,.0f} / {times.percentile(95):,.0f}"


def _draw(times: Sequence[Times]) -> None:
    """Draw the twenty clicks on an object (left), and first and later clicks by side with ViT-B's, logarithmic (right)."""
    entry_by_key = {(entry.kind, entry.side): entry for entry in times}
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, 3.4), dpi=120, layout="constrained")
        left, right = figure.subplots(1, 2)
        numbers = [
            number for number in range(1, ANNOTATOR_CLICKS + 1) if entry_by_key[f"click {number}", USUAL_SIDE].milliseconds
        ]
        for q, style in ((50, "-"), (95, ":")):
            values = [entry_by_key[f"click {number}", USUAL_SIDE].percentile(q) for number in numbers]
            left.plot(numbers, values, style, color="C0", label=f"p{q}")
        left.set(
            xlabel="click on the object",
            ylabel="milliseconds",
            ylim=(0, None),
            title=f"{USUAL_SIDE} px",
            xticks=[1, 5, 10, 15, 20],
        )
        left.legend(frameon=False)
        for colour, kind in enumerate(("first click", "later clicks", "later clicks, training", VIT_B)):
            values = [entry_by_key[kind, side].percentile(50) for side in SIDES]
            right.plot(SIDES, values, marker="o", color=f"C{colour}", label=KINDS[kind])
        right.set(xlabel="side, pixels", yscale="log", xscale="log")
        right.set_xticks(SIDES, [str(side) for side in SIDES])
        right.minorticks_off()
        right.legend(frameon=False, fontsize=7)
        PLOT.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(PLOT)
