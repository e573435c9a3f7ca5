"""Cost of attacks: kills, events, malformed requests and broken images, against a real Label Studio, server and worker.

Run: .venv/bin/python -m benchmarks.hardening.run [--quick]

It prints a table, and writes benchmarks/results/hardening.json and the table of docs/benchmarks.md; a tenth of it (--quick)
took two minutes. The soak test is a separate benchmark (benchmarks/soak).

How the cost grows. A kill loses the current work of its process: a training is repeated, a request gets no answer. Events share
their writes, so a hundred concurrent events take as long as the server's one thread takes to read them. Memory follows the
largest request in progress, not the number of requests. It is read after 100 requests or images, which load the networks, the
decoders and the threads that all of them need (90 MB), and again at the end.

Limitations. Everything is on loopback and on the same cores, the client included; the database is SQLite. The alternative,
label-studio-ml, is measured for events only (benchmarks/loop): it has no queue, and loses an event with a killed process.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.hardening.kills import measure_kills
from benchmarks.hardening.requests import measure_events, measure_images, measure_malformed
from benchmarks.loop.fixture import open_fixture
from benchmarks.report import machine_line, markdown_table, write_numbers, write_section

CROPS = 330


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description="Attack a server and a worker beside a real Label Studio.")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything, to try it; writes nothing")
    quick = parser.parse_args().quick
    share = 10 if quick else 1
    console = Console()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="galaxyloop-bench-") as folder,
        open_fixture(Path(folder), crops=CROPS // share, console=console) as fixture,
    ):
        events = measure_events(fixture, events=10_000 // share)
        malformed_requests = measure_malformed(fixture, requests=10_000 // share)
        images = measure_images(fixture, images=1_000 // share)
        kills = measure_kills(fixture, kills=100 // share, annotations=CROPS // share)
    rows = [
        ["events", f"{events.events:,} at {events.at_once} at once", f"p50 {events.p50_ms:.0f} ms, p99 {events.p99_ms:.0f} ms",
         f"{events.lost} lost", ""],
        *(
            [result.kind, f"{result.requests:,}", f"{result.refused:,} refused", f"{result.failed} answers of 500",
             f"{result.memory_before_mb:.0f} → {result.memory_after_mb:.0f} MB"]
            for result in (malformed_requests, images)
        ),
        ["kill -9", f"{kills.kills} while {kills.annotations} annotations were submitted",
         f"{kills.versions} versions, {kills.doubled_versions} twice, {kills.damaged_versions} damaged",
         f"{kills.lost} annotations lost, {kills.doubled_predictions} predictions twice", ""],
    ]  # fmt: skip
    columns = ["attack", "how many", "what happened", "what was lost", "server's memory"]
    table = markdown_table(columns, rows, title="Attacks on one server and one worker")
    console.print(table)
    machine = machine_line()
    console.print(f"{machine}; {time.monotonic() - began:.0f} s")
    if not quick:
        write_numbers(
            "hardening",
            {"machine": machine}
            | {
                name: asdict(result)
                for name, result in (
                    ("events", events),
                    ("malformed", malformed_requests),
                    ("images", images),
                    ("kills", kills),
                )
            },
        )
        write_section("hardening", f"One run on {machine}.\n\n{table}")


if __name__ == "__main__":
    main()
