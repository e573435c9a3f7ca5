"""Spectra of an import: the file of each item, found in a folder, and the plot that annotators see."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sync.errors.images import ImageError
from sync.errors.spectra import SpectrumError
from sync.importing.inputs.item import InputError, Item
from sync.importing.inputs.table_keys import stem_of
from sync.importing.storage.stored import Storage, StoredFile
from sync.labelling.synonyms import normalise
from sync.spectra.spectrum import is_plausible_redshift

__all__ = [
    "PLOT_KEY",
    "PROBLEM_KEY",
    "SPECTRUM_KEY",
    "SpectrumFile",
    "SpectrumFolder",
    "SpectrumPlot",
    "attach_spectra",
    "draw_reason",
    "draw_spectrum_of",
    "refuse_named_spectrum",
    "spectrum_data",
]

SPECTRUM_KEY, PLOT_KEY, PROBLEM_KEY = "spectrum", "spectrum_plot", "spectrum_problem"
"""Keys of a task's data: the file of the spectrum, its plot as a list of one page, and why there is none.

A list is shown by `valueList`: Label Studio 1.23.2 refuses uploads to a project whose config has two keys in `value`."""
MAX_BYTES = 64 * 2**20
SUFFIXES = (".fits", ".fit", ".csv", ".txt", ".dat", ".ecsv", ".tsv")
"""Suffixes of spectra, each also with `.gz`."""
PACKED = ".gz"
REDSHIFTS = frozenset({"redshift", "z spec", "zspec", "spec z", "specz"})
"""Normalised names of columns with a known redshift, at which the plot marks lines."""


@dataclass(frozen=True, slots=True)
class SpectrumFile:
    """The file of a spectrum: its hash, its content, and ``.fits`` or ``.txt``, gzipped or not."""

    name: str
    content: bytes
    suffix: str


@dataclass(frozen=True, slots=True)
class SpectrumPlot:
    """A PNG and its hash."""

    name: str
    content: bytes


class SpectrumFolder:
    """A folder with the files of spectra, listed once.

    Parameters
    ----------
    folder : Path

    Raises
    ------
    InputError
        If there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"there is no folder of spectra {folder}")
        self._folder = folder
        self._by_stem: dict[str, list[Path]] = {}
        for path in sorted(folder.rglob("*")):
            if path.name.lower().removesuffix(PACKED).endswith(SUFFIXES) and path.is_file():
                self._by_stem.setdefault(_stem(path.name), []).append(path)

    def attach(self, item: Item) -> Item:
        """Add the file of its spectrum to an item that has none.

        It is the file that the column `spectrum` names, else, without such a name, the one with the name of the image. If there
        is none, or several have the name of the image, to read the spectrum fails.
        """
        if item.read_spectrum is not None:
            return item
        name = item.data.get(SPECTRUM_KEY)
        data = {key: value for key, value in item.data.items() if key != SPECTRUM_KEY}
        if isinstance(name, str) and name.strip():
            namesakes = self._by_stem.get(_stem(name.strip()), [])
            return replace(item, data=data, read_spectrum=partial(_read_named, self._folder, name.strip(), namesakes))
        paths = self._by_stem.get(stem_of(item.filename.lower()), [])
        return replace(item, data=data, read_spectrum=partial(_read_only, self._folder, paths))


def attach_spectra(items: Iterable[Item], folder: Path) -> Iterator[Item]:
    """Add the files of their spectra to items: see `SpectrumFolder`, whose errors it raises."""
    spectra = SpectrumFolder(folder)
    yield from map(spectra.attach, items)


def refuse_named_spectrum(item: Item) -> Item:
    """Return an item without a folder of spectra: to read the spectrum that its column names fails with the reason."""
    name = item.data.get(SPECTRUM_KEY)
    if SPECTRUM_KEY not in item.data or item.read_spectrum is not None:
        return item
    data = {key: value for key, value in item.data.items() if key != SPECTRUM_KEY}
    has_name = isinstance(name, str) and name.strip()
    return replace(item, data=data, read_spectrum=partial(_refuse_name, str(name).strip()) if has_name else None)


def draw_spectrum_of(item: Item) -> tuple[SpectrumFile, SpectrumPlot]:
    """Read the spectrum of an item and draw its plot.

    Raises
    ------
    ImageError
        If it cannot be read.
    """
    from sync.spectra.limits import unpack
    from sync.spectra.plotting import draw_spectrum  # imports of astropy and scipy that other imports do not need
    from sync.spectra.reading import read_spectrum

    assert item.read_spectrum is not None
    content = item.read_spectrum()
    spectrum = read_spectrum(content)
    redshift = _known_redshift(item)
    plot = draw_spectrum(spectrum, title=item.filename, redshift=spectrum.redshift if redshift is None else redshift)
    data = unpack(content)
    suffix = (".fits" if data.startswith(b"SIMPLE") else ".txt") + ("" if data is content else PACKED)
    return SpectrumFile(_hash(content), content, suffix), SpectrumPlot(_hash(plot), plot)


def draw_reason(reason: str) -> SpectrumPlot:
    """Draw the reason why there is no spectrum: Label Studio shows an error for a missing image."""
    from sync.spectra.plotting import draw_text

    plot = draw_text(reason)
    return SpectrumPlot(_hash(plot), plot)


def spectrum_data(spectrum: SpectrumFile | None, plot: str, problem: str, storage: Storage) -> dict[str, Any]:
    """Store the file of a spectrum; return the keys of a task's data.

    Parameters
    ----------
    spectrum : SpectrumFile or None
    plot : str
        Reference of the stored plot.
    problem : str
        Why there is no spectrum.
    storage : Storage
    """
    if spectrum is None:
        return {PLOT_KEY: [plot], PROBLEM_KEY: problem}
    return {PLOT_KEY: [plot], SPECTRUM_KEY: storage.put_science(StoredFile(spectrum.name + spectrum.suffix, spectrum.content))}


def _known_redshift(item: Item) -> float | None:
    for name, value in item.data.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and normalise(name) in REDSHIFTS and is_plausible_redshift(value):
            return float(value)
    return None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _stem(name: str) -> str:
    return Path(name).name.lower().removesuffix(PACKED).rpartition(".")[0]


def _read_only(folder: Path, paths: Sequence[Path]) -> bytes:
    """Read the file of a galaxy's spectrum if there is exactly one."""
    if not paths:
        raise SpectrumError("there is no spectrum of this galaxy in the folder")
    if len(paths) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path in paths[:2])
        raise SpectrumError(f"{len(paths)} files have the name of this galaxy, such as {names}: name one in a column spectrum")
    return _read(paths[0])


def _refuse_name(name: str) -> bytes:
    raise SpectrumError(f"the column spectrum names {name}, but no folder of spectra is given with --spectra")


def _read_named(folder: Path, name: str, namesakes: Sequence[Path]) -> bytes:
    """Read a file below the folder; a table may come from others, and must not name files elsewhere.

    The path starts at the folder or at the current one. A file of the same name in another folder may be another galaxy's.
    """
    for path in (folder / name, Path(name)):
        if path.resolve().is_relative_to(folder.resolve()) and path.is_file():
            return _read(path)
    others = [str(path.relative_to(folder)) for path in namesakes if path.name == Path(name).name]
    hint = f", only {' and '.join(others[:2])}: correct the column spectrum" if others else ""
    raise SpectrumError(f"there is no spectrum {name} below {folder}{hint}")


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpectrumError(f"the spectrum {path.name} has more than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"the spectrum {path.name} cannot be read: {error.strerror}") from error
