"""Reader of VOTables, with names, UCDs and COOSYS frames of the columns.

Documents that refer to other files or hosts are rejected.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from sync.importing.inputs.csv_table import BAD_ROWS_KEY
from sync.importing.inputs.item import InputError
from sync.importing.inputs.sky_columns import UCD_KEY
from sync.importing.inputs.sky_frames import FRAME_KEY
from sync.importing.inputs.table_choice import TableEntry, choose_table
from sync.importing.inputs.votable_checks import checked_document
from sync.importing.inputs.votable_rows import empty_bad_rows

if TYPE_CHECKING:
    from astropy.io.votable.tree import CooSys, TableElement, VOTableFile

__all__ = ["read_votable"]


def read_votable(content: bytes, *, table: str | None = None, file: Path) -> Table:
    """Read a table of a VOTable.

    Parameters
    ----------
    content : bytes
        The XML document.
    table : str, optional
        Name, ID or number of the table; numbers start at 1.
    file : Path
        For messages.

    Raises
    ------
    InputError
        If the document refers to another file or host, declares an entity, has too many values, has no table, or several and
        `table` is None.
    """
    from astropy.io import votable

    content = checked_document(content, file=file)
    faulty_rows: list[dict[int, str]] = []
    try:
        document = _parse(content)
    except (votable.exceptions.E20, votable.exceptions.E21):
        content, faulty_rows = empty_bad_rows(content, file=file)
        document = _parse(content)
    elements = list(document.iter_tables())
    if not elements:
        raise InputError(_explain_missing_table(document, file))
    if table is not None:
        elements_by_id = {element.ID: element for element in elements if element.ID}
        if table in elements_by_id:
            chosen_element = elements_by_id[table]
            return _table(chosen_element, document, faulty_rows[elements.index(chosen_element)] if faulty_rows else {})
    entries = [
        TableEntry(number, _name(element), len(element.array), (element, faulty_rows[number - 1] if faulty_rows else {}))
        for number, element in enumerate(elements, start=1)
    ]
    element, bad_rows = choose_table(entries, table, file=file)
    return _table(element, document, bad_rows)


def _parse(content: bytes) -> VOTableFile:
    from astropy.io import votable

    # Cells that cannot be converted are masked; by default, astropy rejects the whole document.
    return votable.parse(io.BytesIO(content), verify="ignore", invalid="mask")


def _table(element: TableElement, document: VOTableFile, bad_rows: dict[int, str]) -> Table:
    table = element.to_table(use_names_over_ids=True)
    if bad_rows:
        table.meta[BAD_ROWS_KEY] = bad_rows
    systems = {system.ID: system for system in document.iter_coosys() if system.ID}
    groups = {
        entry.ref: group.ref
        for group in element.groups
        for entry in group.entries
        if getattr(group, "ref", None) in systems and getattr(entry, "ref", None)
    }
    only = next(iter(systems.values())) if len(systems) == 1 else None
    for name, field in zip(table.colnames, element.fields, strict=True):
        ucd = str(field.ucd or "")
        if ucd:
            table[name].meta[UCD_KEY] = ucd
        system = systems.get(field.ref) or systems.get(groups.get(field.ID)) or (only if _is_position(ucd) else None)
        if system is not None and _is_position(ucd, unknown=True):
            frame = _frame(system)
            if frame is not None:
                table[name].meta[FRAME_KEY] = frame
    return table


def _is_position(ucd: str, *, unknown: bool = False) -> bool:
    first = ucd.lower().partition(";")[0]
    return first.startswith(("pos.eq", "pos_eq", "pos.galactic", "pos_gal")) or (unknown and not first)


def _frame(system: CooSys) -> Any:
    """Return the frame of a COOSYS; its name if astropy does not support it, None if the COOSYS has no system."""
    from astropy.coordinates import FK4, FK5

    name = str(system.system or "")
    if not name or name.upper() in ("UNKNOWN", "BARYCENTRIC", "GEO_APP", "XY"):
        return None
    equinox = system.equinox
    if name.lower().removeprefix("eq_") in ("fk4", "fk5") and not equinox:
        return FK4() if name.lower().endswith("fk4") else FK5()
    if equinox and equinox[0].isdigit():  # older documents contain 2000 instead of J2000
        equinox = ("B" if name.lower().endswith("fk4") else "J") + equinox
    try:
        system.equinox = equinox
        return system.to_astropy_frame()
    except ValueError:
        return name


def _name(element: TableElement) -> str:
    return str(element.name or element.ID or "")


def _explain_missing_table(document: VOTableFile, file: Path) -> str:
    """Return the reason why a document has no table; services report errors in such documents."""
    infos = [*document.infos, *(info for resource in document.resources for info in resource.infos)]
    for info in infos:
        if str(info.name).upper() == "QUERY_STATUS" and str(info.value).upper() == "ERROR":
            text = " ".join(str(info.content or "").split())[:200]
            return f"{file} has no table: it is the error message of a service{f' ({text})' if text else ''}"
    return f"{file} has no table"
