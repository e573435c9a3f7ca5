"""`galaxyloop doctor`: check each part that the loop needs, and print a remedy for each failure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from backend.cli.progress import track_items
from backend.cli.startup import explain_missing_registry, read_settings
from backend.cli.tables import print_table

if TYPE_CHECKING:
    from backend.doctor.report import Check
    from backend.settings import Settings

__all__ = ["doctor"]


def doctor() -> None:
    """Check each part that the loop needs, and print a remedy for each failure; exit code 1 if a check fails.

    The command deletes the temporary project and the files that it creates.
    """
    checks = list(track_items(_checks(read_settings()), "checking", total=None, unit="checks"))
    table = Table("check", "result", "state, or what to do")
    for check in checks:
        table.add_row(check.name, Text("ok", "green") if check.ok else Text("failed", "red"), check.message)
    print_table(table)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _checks(settings: Settings) -> Iterator[Check]:
    from backend.doctor import label_studio
    from backend.doctor.machine import check_data_folder, check_models
    from backend.doctor.parts import open_parts
    from backend.doctor.processes import check_process, database_ahead_s
    from backend.doctor.report import report_failure, report_success
    from backend.doctor.round_trip import check_round_trip
    from backend.doctor.versions import check_versions
    from backend.jobs.heartbeat import KINDS
    from backend.jobs.queue_file import QueueUnavailable
    from backend.registry.connection import DatabaseUnavailable

    reason = explain_missing_registry(settings)
    yield report_failure("data folder", reason) if reason else check_data_folder(settings.data_dir)
    yield check_models()
    parts = None
    if not reason:
        try:
            parts = open_parts(settings)
        except (DatabaseUnavailable, QueueUnavailable, ValueError, OSError) as error:
            yield report_failure("database and queue", f"{error}: start them, or correct their addresses")
            return
        yield report_success("database and queue", "can be used")
        yield check_versions(parts.registry)
        for kind in KINDS:
            yield check_process(parts.engine, kind)
    try:
        client = label_studio.open_label_studio(settings)
    except ValueError as error:
        yield report_failure("Label Studio and its key", f"{error}: set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY")
        return
    with client:
        key = label_studio.check_key(client)
        yield key
        if not key.ok:
            return
        yield label_studio.check_version(client)
        if parts is not None:
            yield label_studio.check_clock(client.url, database_ahead_s=database_ahead_s(parts.engine))
            yield from check_round_trip(parts, client)
