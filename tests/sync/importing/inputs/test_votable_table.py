"""VOTables of services: names, UCDs, COOSYS, several tables, bad rows, and references, which are not followed."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import FK4, SkyCoord
from astropy.io import votable
from astropy.table import MaskedColumn, Table

from sync.importing.inputs.catalogue import Position, bad_rows, open_catalogue, positions, rows
from sync.importing.inputs.item import InputError

DOCUMENT = """<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>{systems}<TABLE name="{name}">
{fields}<DATA>{data}</DATA></TABLE>{more}</RESOURCE></VOTABLE>"""


def field(name: str, ucd: str = "", ref: str = "", kind: str = "double") -> str:
    words = {"name": name, "ID": f"id_{name}", "datatype": kind, "unit": "deg" if ucd else "", "ucd": ucd, "ref": ref}
    return "<FIELD " + " ".join(f'{key}="{value}"' for key, value in words.items() if value) + "/>"


def data(*records: tuple[object, ...]) -> str:
    lines = ("<TR>" + "".join(f"<TD>{value}</TD>" for value in record) + "</TR>" for record in records)
    return "<TABLEDATA>" + "".join(lines) + "</TABLEDATA>"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "table.vot"


def write(file: Path, fields: str, content: str, *, systems: str = "", more: str = "") -> Path:
    file.write_text(DOCUMENT.format(systems=systems, name="first", fields=fields, data=content, more=more))
    return file


@pytest.mark.parametrize(
    ("right", "answer"),
    [("pos.eq.ra;meta.main", "pos.eq.dec;meta.main"), ("POS_EQ_RA_MAIN", "POS_EQ_DEC_MAIN"), ("pos.eq.ra", "pos.eq.dec")],
)
def test_ucds_determine_the_position(file: Path, right: str, answer: str) -> None:
    fields = field("x", right) + field("y", answer) + field("e_x", "stat.error;pos.eq.ra")
    assert positions(open_catalogue(write(file, fields, data((10.5, -0.2, 1.0))))) == [Position(10.5, -0.2)]


def test_the_main_position_comes_before_usual_names(file: Path) -> None:
    fields = field("ra", "pos.eq.ra") + field("dec", "pos.eq.dec")
    fields += field("best_ra", "pos.eq.ra;meta.main") + field("best_dec", "pos.eq.dec;meta.main")
    assert positions(open_catalogue(write(file, fields, data((1, 2, 10.5, -0.2))))) == [Position(10.5, -0.2)]


@pytest.mark.parametrize(
    ("system", "frame"),
    [
        ('system="eq_FK4" equinox="B1950"', "fk4"),
        ('system="eq_FK4" equinox="1950"', "fk4"),
        ('system="FK4"', "fk4"),
        ('system="eq_FK5" equinox="J2000"', "fk5"),
        ('system="FK5"', "fk5"),
        ('system="ICRS"', "icrs"),
        ('system="galactic"', "galactic"),
    ],
)
@pytest.mark.parametrize("ref", ["S", ""])
def test_coosys_is_converted_as_astropy_does(file: Path, system: str, frame: str, ref: str) -> None:
    place = SkyCoord(10.5, -0.2, unit="deg", frame=FK4(equinox="B1950") if frame == "fk4" else frame)
    prefix = ("pos.galactic.lon", "pos.galactic.lat") if frame == "galactic" else ("pos.eq.ra", "pos.eq.dec")
    fields = field("x", prefix[0], ref) + field("y", prefix[1], ref)
    (position,) = positions(open_catalogue(write(file, fields, data((10.5, -0.2)), systems=f'<COOSYS ID="S" {system}/>')))
    assert position is not None
    assert SkyCoord(position.ra, position.dec, unit="deg").separation(place.icrs).arcsec < 1e-6


def test_a_frame_that_is_not_converted_is_named(file: Path) -> None:
    fields = field("ra", "pos.eq.ra", "S") + field("dec", "pos.eq.dec", "S")
    table = open_catalogue(write(file, fields, data((1, 2)), systems='<COOSYS ID="S" system="AZ_EL_OF_MINE"/>'))
    with pytest.raises(InputError, match="in the frame 'AZ_EL_OF_MINE', which cannot be converted to ICRS"):
        positions(table)


@pytest.mark.parametrize("kind", ["tabledata", "binary", "binary2"])
def test_each_serialisation_gives_astropys_values(file: Path, kind: str) -> None:
    table = Table(
        {
            "ra": [10.5, 11.5],
            "dec": [-0.2, 0.3],
            "name": ["M 51", "é"],
            "n": MaskedColumn([1, 2], mask=[False, kind != "binary"], dtype=np.int64),
            "mags": np.array([[1.5, 2.5], [3.5, 4.5]], dtype=np.float32),
            "is_red": [True, False],
        }
    )
    votable.writeto(votable.from_table(table), str(file), tabledata_format=kind)
    first, second = (row.columns for row in rows(open_catalogue(file)))
    assert (first["name"], first["n"], first["mags"], first["is_red"]) == ("M 51", 1, [1.5, 2.5], True)
    assert (second["name"], second["n"]) == ("é", 2 if kind == "binary" else None)


def test_a_cell_that_is_not_a_number_is_masked(file: Path) -> None:
    table = open_catalogue(write(file, field("ra") + field("dec"), data(("abc", 1), (10.5, -0.2))))
    assert positions(table) == [None, Position(10.5, -0.2)]


def test_one_of_several_tables_is_chosen_by_name_or_number(file: Path) -> None:
    more = f'<TABLE name="second">{field("ra")}{field("dec")}<DATA>{data((1, 2), (3, 4))}</DATA></TABLE>'
    write(file, field("ra") + field("dec"), data((10.5, -0.2)), more=more)
    with pytest.raises(InputError, match=r"choose one with --catalogue-table, .*: 1 first \(1 rows\), 2 second \(2 rows\)"):
        open_catalogue(file)
    assert [len(open_catalogue(file, table=name)) for name in ("second", "SECOND", "2", "1", "first")] == [2, 2, 2, 1, 1]
    with pytest.raises(InputError, match="has no table 'third': it has 1 first"):
        open_catalogue(file, table="third")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        yield listener


@pytest.mark.parametrize("element", ["BINARY", "BINARY2", "FITS", "PARQUET", "TABLEDATA"])
@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "file"])
def test_a_reference_is_rejected_and_nothing_is_opened(
    file: Path, tmp_path: Path, listener: socket.socket, element: str, scheme: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.array([1.0, 2.0], dtype=">f8").tobytes())
    address = f"file://{secret}" if scheme == "file" else f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/x"
    write(file, field("ra") + field("dec"), f'<{element}><STREAM href="{address}"/></{element}>')
    with pytest.raises(InputError, match="references are not followed: save the table with its data") as error:
        open_catalogue(file)
    assert "\n" not in str(error.value)
    with pytest.raises(TimeoutError):
        listener.accept()


def test_a_prefix_does_not_hide_a_reference(file: Path) -> None:
    write(file, field("ra"), '<BINARY><STREAM href="file:///etc/x"/></BINARY>')
    file.write_text(file.read_text().replace("<STREAM", '<v:STREAM xmlns:v="http://www.ivoa.net/xml/VOTable/v1.3"'))
    with pytest.raises(InputError, match="references are not followed"):
        open_catalogue(file)


@pytest.mark.parametrize(
    "entity",
    [
        '<!ENTITY a SYSTEM "file:///etc/passwd">',
        '<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">',
        '<!ENTITY % a SYSTEM "http://h/x">',
    ],
)
def test_entities_are_rejected(file: Path, entity: str) -> None:
    write(file, field("name", kind="char"), data(("&a;",)))
    file.write_text(file.read_text().replace("<VOTABLE", f"<!DOCTYPE VOTABLE [{entity}]>\n<VOTABLE", 1))
    with pytest.raises(InputError, match=r"declares the XML entity '[ab]'"):
        open_catalogue(file)


def test_the_document_type_of_old_services_is_not_fetched(file: Path, listener: socket.socket) -> None:
    write(file, field("ra") + field("dec"), data((10.5, -0.2)))
    kind = f'<!DOCTYPE VOTABLE SYSTEM "http://127.0.0.1:{listener.getsockname()[1]}/VOTable.dtd">'
    file.write_text(file.read_text().replace("<VOTABLE", f"{kind}\n<VOTABLE", 1))
    assert positions(open_catalogue(file)) == [Position(10.5, -0.2)]
    with pytest.raises(TimeoutError):
        listener.accept()


def test_the_error_message_of_a_service_is_reported(file: Path) -> None:
    info = '<INFO name="QUERY_STATUS" value="ERROR">no such table</INFO>'
    file.write_text(f'<?xml version="1.0"?><VOTABLE version="1.3"><RESOURCE type="results">{info}</RESOURCE></VOTABLE>')
    with pytest.raises(InputError, match=r"it is the error message of a service \(no such table\)"):
        open_catalogue(file)


@pytest.mark.parametrize("claim", ["100000000000", " 700 ", "150000000"])
def test_a_row_count_beyond_the_rows_changes_nothing(file: Path, claim: str) -> None:
    """astropy would allocate memory for as many rows as `nrows` states."""
    write(file, field("ra") + field("dec"), data((10.5, -0.2)))
    description = """name='first' ucd=' nrows="3"' nrows="CLAIM" utype="more\""""
    file.write_text(file.read_text().replace('name="first"', description.replace("CLAIM", claim)))
    table = open_catalogue(file)
    assert positions(table) == [Position(10.5, -0.2)]
    assert table.meta.get("utype", "more") == "more"


def test_a_row_count_beyond_a_binary_stream_changes_nothing(file: Path) -> None:
    table = Table({"ra": [10.5, 20.5], "dec": [-0.2, 0.2], "flags": np.ones((2, 16), bool)})
    votable.from_table(table, table_id="first").to_xml(str(file), tabledata_format="binary2")
    file.write_text(re.sub('nrows="2"', 'nrows="90000000000"', file.read_text()))
    assert positions(open_catalogue(file)) == [Position(10.5, -0.2), Position(20.5, 0.2)]


def test_a_row_count_that_cannot_be_removed_is_rejected(file: Path) -> None:
    write(file, field("ra") + field("dec"), data((10.5, -0.2)))
    text = file.read_text().replace("?>", ' encoding="utf-16"?>', 1).replace('name="first"', 'nrows="100000000000"')
    file.write_text(text, encoding="utf-16")
    with pytest.raises(InputError, match="claims 100000000000 rows, more than the file can hold: correct nrows, or save"):
        open_catalogue(file)


def test_a_table_with_too_many_values_is_rejected(file: Path) -> None:
    write(file, field("ra").replace("<FIELD", '<FIELD arraysize="100000x10000"'), data((10.5,)))
    with pytest.raises(InputError, match="claims 256 rows of 1000000000 columns, more than the 200000000 values"):
        open_catalogue(file)
    write(file, field("ra").replace("<FIELD", '<FIELD arraysize="10000x50"'), data(*[(10.5,)] * 401))
    with pytest.raises(InputError, match="claims 401 rows of 500000 columns"):
        open_catalogue(file)


def test_a_document_with_too_many_columns_is_rejected(file: Path) -> None:
    fields = "".join(f'<FIELD name="c{number}" datatype="int"/>' for number in range(10_001))
    with pytest.raises(InputError, match="has more than the 10000 columns and parameters that are read: split it"):
        open_catalogue(write(file, fields, ""))


def test_a_row_with_a_wrong_number_of_cells_is_left_out_and_named(file: Path) -> None:
    write(file, field("ra") + field("dec"), data((10.5, -0.2), (1, 2, 3), (4,), (), (20.5, 0.2)))
    table = open_catalogue(file)
    assert bad_rows(table) == {
        2: "line 3 has 3 cells for 2 columns",
        3: "line 3 has 1 cells for 2 columns",
        4: "line 3 has 0 cells for 2 columns",
    }
    assert positions(table) == [Position(10.5, -0.2), None, None, None, Position(20.5, 0.2)]


def test_bad_rows_are_those_of_the_chosen_table(file: Path) -> None:
    second = (
        f'<TABLE name="second">{field("ra")}{field("name", kind="char")}<DATA>{data((1, "a", "b"), (2, "c"))}</DATA></TABLE>'
    )
    resource = f"<RESOURCE>{second}</RESOURCE>"
    text = DOCUMENT.format(systems=resource, name="first", fields=field("ra"), data=data((1,), (2, 3)), more="")
    file.write_text(text)
    assert bad_rows(open_catalogue(file, table="first")) == {2: "line 3 has 2 cells for 1 columns"}
    assert bad_rows(open_catalogue(file, table="second")) == {1: "line 2 has 3 cells for 2 columns"}


@pytest.mark.parametrize("prefix", ["", "v:"])
def test_a_row_that_is_an_empty_element_is_left_out(file: Path, prefix: str) -> None:
    write(file, field("ra"), data((1,), (2,)).replace("<TR><TD>2</TD></TR>", "<TR/>"))
    text = file.read_text().replace("</", f"</{prefix}").replace("<TR", f"<{prefix}TR").replace("<TD>", f"<{prefix}TD>")
    for tag in ("VOTABLE", "RESOURCE", "TABLE ", "TABLEDATA", "FIELD", "DATA"):
        text = text.replace(f"<{tag}", f"<{prefix}{tag}")
    file.write_text(text.replace("xmlns=", "xmlns:v=") if prefix else text)
    assert bad_rows(open_catalogue(file)) == {2: "line 3 has 0 cells for 1 columns"}


def test_a_bad_row_of_a_document_in_utf_16_is_named(file: Path) -> None:
    write(file, field("ra"), data((1, 2)))
    file.write_text(file.read_text().replace("?>", ' encoding="utf-16"?>', 1), encoding="utf-16")
    with pytest.raises(InputError, match="line 3 has 2 cells for 1 columns, correct that row or save the document as UTF-8"):
        open_catalogue(file)
