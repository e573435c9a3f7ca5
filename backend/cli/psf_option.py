"""The option `--psf` of the commands `measure`, `restore` and `import --restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.terminal import wrong_call

if TYPE_CHECKING:
    from backend.heads.structure.psf import Psf

__all__ = ["read_psf_option"]


def read_psf_option(path: Path) -> tuple[Psf, ...]:
    """Read one PSF, or one for each band; end the command with a wrong call if the file cannot be used."""
    if not path.is_file():
        wrong_call(f"there is no file {path}")
    from backend.heads.structure.psf import PsfError, read_psfs

    try:
        return read_psfs(path)
    except PsfError as error:
        wrong_call(str(error))
