"""Stores the newest report of each project in the registry's database."""

from __future__ import annotations

import logging

from pydantic import ValidationError
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from backend.registry.tables import ReportRow, insert_of
from backend.reports.report import Report

__all__ = ["ReportStore"]

log = logging.getLogger("galaxyloop.reports")


class ReportStore:
    """Reads and writes reports.

    Parameters
    ----------
    engine : Engine
        From `open_database`.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, project_id: int) -> Report | None:
        """Return the newest report of a project; None if none was made, or if it cannot be read and must be made again."""
        with Session(self._engine) as session:
            content = session.scalar(select(ReportRow.content).where(ReportRow.project_id == project_id))
        if content is None:
            return None
        try:
            return Report.model_validate_json(content)
        except ValidationError as error:  # made by another release
            log.warning("event=report_unreadable project=%d reason=%r", project_id, str(error.errors()[0]["msg"]))
            return None

    def made_at(self, project_id: int) -> float | None:
        """Return when the newest report of a project was made, Unix time; None if none was made."""
        with Session(self._engine) as session:
            return session.scalar(select(ReportRow.made_at).where(ReportRow.project_id == project_id))

    def write(self, report: Report) -> None:
        """Replace the report of a project, in one transaction."""
        values = {"made_at": report.made_at, "content": report.model_dump_json()}
        insert = insert_of(self._engine)(ReportRow).values(project_id=report.project, **values)
        with Session(self._engine) as session:
            session.execute(insert.on_conflict_do_update(index_elements=["project_id"], set_=values))
            session.commit()
