"""Memory of processes: what glibc returns to the operating system, and when.

In processes that run for days, glibc keeps freed memory unless `malloc_trim` returns it.

Decoding and prediction run in several threads, and glibc's allocator has an arena for each thread. Freed memory of large images
stays in these arenas: over 1,000 broken images the server grew by 180 MB, and by 40 MB with the first two functions here.

Commands that compute in bulk do the contrary: each layer of a network frees some megabytes, and the next one needs them again.
Memory that glibc has returned in between costs a page fault for each 4 kB. With `keep_freed_memory` the encoder embedded 76
instead of 51 images per second on one busy thread. With another C library, which lacks these calls, the functions do nothing.
"""

from __future__ import annotations

import ctypes

__all__ = ["keep_freed_memory", "limit_arenas", "return_free_memory"]

M_ARENA_MAX = -8
"""Number of the option in glibc's malloc.h."""
ARENAS = 2
M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
LARGEST_KEPT_BYTES = 32 * 2**20
"""Largest block that is taken from kept memory; glibc accepts no larger value."""
KEPT_BYTES = 2**30
"""Free memory at the end of the heap that is kept."""

_libc = ctypes.CDLL(None)


def limit_arenas() -> None:
    """Limit the allocator to two arenas for all threads of this process; call it before the first thread starts."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_ARENA_MAX, ARENAS)


def return_free_memory() -> None:
    """Return freed memory to the operating system; the call took 4 to 40 ms and releases the interpreter lock."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


def keep_freed_memory() -> None:
    """Keep freed memory for the next allocation, in a command that ends after its computation."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        _libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
