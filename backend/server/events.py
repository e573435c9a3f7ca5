"""Marks the projects of simultaneous events in one transaction: fifty simultaneous events take two transactions."""

from __future__ import annotations

import asyncio

from anyio import to_thread

from backend.services import Services

__all__ = ["EventBatcher"]


class EventBatcher:
    """Collects the events that arrive during a transaction and marks them in the next one."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._waiting: dict[int, None] = {}
        self._next: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def mark(self, project_id: int) -> None:
        """Mark a project; return once the mark is on disk."""
        self._waiting[project_id] = None
        if self._next is None:
            self._next = asyncio.create_task(self._write())
        await asyncio.shield(self._next)

    async def _write(self) -> None:
        async with self._writing:
            ids, self._waiting, self._next = list(self._waiting), {}, None
            await to_thread.run_sync(self._services.mark, ids)
