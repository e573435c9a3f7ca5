"""galaxyloop for other programs: the names that they import, one module per purpose.

The code is in the packages `backend` and `sync`; names that are not offered here may move.
"""

from __future__ import annotations

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("galaxyloop")
