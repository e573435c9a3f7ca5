"""galaxyloop for other programs.

The functions of this package are stable: before a release removes one, or changes its arguments or its result, the previous
release warns with a `DeprecationWarning`. The code is in the packages `backend` and `sync`, whose names may change.

Importing the package loads neither torch nor the model; the first call of a function does.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from galaxyloop.images import Image, load_image
    from galaxyloop.masks import Segmentation, segment
    from galaxyloop.measurements import measure
    from galaxyloop.models import classify, detect, embed
    from galaxyloop.restoration import Restored, denoise, restore
    from galaxyloop.tables import read_export

__all__ = [
    "Image",
    "Restored",
    "Segmentation",
    "__version__",
    "classify",
    "denoise",
    "detect",
    "embed",
    "load_image",
    "measure",
    "read_export",
    "restore",
    "segment",
]

__version__ = version("galaxyloop")

_MODULES = {
    "galaxyloop.images": ("Image", "load_image"),
    "galaxyloop.masks": ("Segmentation", "segment"),
    "galaxyloop.measurements": ("measure",),
    "galaxyloop.models": ("classify", "detect", "embed"),
    "galaxyloop.restoration": ("Restored", "denoise", "restore"),
    "galaxyloop.tables": ("read_export",),
}
"""Names by the module that defines them, which is imported when a name is first used."""


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'galaxyloop' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
