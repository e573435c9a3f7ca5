"""Loading of the networks: at the start of a server with projects, and otherwise at the first request that needs them.

A server without projects needs neither torch nor the networks, which take four seconds to load and most of the memory of the
process. Label Studio sends `/setup` when it connects the backend, long before the first click.
"""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import Future, ThreadPoolExecutor, wait

from anyio import to_thread

from backend.services import Services

__all__ = ["WarmUp"]


class WarmUp:
    """Loads torch, the encoder and the shipped heads once, in a thread; its methods are called in the event loop.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        # Not a task of an event loop, which would never end once its loop is closed.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="networks")
        self._loading: Future[None] | None = None

    def start(self) -> None:
        """Start to load the networks, unless this was done before; a failure is tried again."""
        if self._loading is None or (self._loading.done() and self._loading.exception() is not None):
            self._loading = self._executor.submit(self._load)

    async def finish(self) -> None:
        """Load the networks, and wait until they are there.

        Raises
        ------
        CheckpointError
            If the SAM checkpoint cannot be used.
        """
        self.start()
        assert self._loading is not None
        # Shielded: the request may be cancelled, and others wait for the same networks.
        await asyncio.shield(asyncio.wrap_future(self._loading))

    async def stop(self) -> None:
        """Wait for a thread that loads: an interpreter that exits meanwhile is aborted."""
        if self._loading is not None:
            await to_thread.run_sync(wait, [self._loading])

    def _load(self) -> None:
        import torch

        torch.set_num_threads(self._services.settings.threads)
        self._services.predictors.warm_up()
        # A full garbage collection over torch's objects stops every thread for 0.3 s; frozen objects are not scanned.
        gc.freeze()
