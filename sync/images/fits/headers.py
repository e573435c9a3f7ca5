"""Reader of the headers of a FITS file that checks all counts before astropy uses them.

astropy does not check the counts: NAXIS = 99999999999 exhausts the memory, and a Rice block of 0 pixels causes an endless loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from astropy.io.fits import Header, VerifyError

from sync.errors.images import ImageError

__all__ = ["StoredPart", "check_compression", "read_headers", "walk"]

BLOCK = 2880
END = b"END".ljust(80)
MAX_HDUS = 512
MAX_HEADER_BLOCKS = 1024
MAX_AXES = 8
MAX_LENGTH = 2**31
MAX_TILES = 100_000  # one tile per row is usual
BITPIX = (8, 16, 32, 64, -32, -64)
# Other codecs write outside their buffers for damaged tiles: in a test with 3,000 damaged HCOMPRESS_1 files the process
# crashed (astropy 8.0.2). PLIO_1 is for masks.
SAFE_COMPRESSIONS = {"RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS"}
RICE_SETTINGS = {"BLOCKSIZE": (16, 32), "BYTEPIX": (1, 2, 4, 8)}


@dataclass(frozen=True, eq=False, slots=True)
class StoredPart:
    """One part (HDU) of a FITS file and its position in the file.

    Attributes
    ----------
    header : Header
        Header of the part; for a compressed image, that of the table that contains it.
    start, data, end : int
        Offsets of the header, of the data, and of the next part, bytes.
    """

    header: Header
    start: int
    data: int
    end: int


def walk(data: bytes) -> list[StoredPart]:
    """Read all headers of a file and check the counts that astropy uses.

    Parameters
    ----------
    data : bytes
        Content of the file, not gzipped.

    Raises
    ------
    ImageError
        If a count is out of range, or the file ends early.
    """
    parts: list[StoredPart] = []
    start = 0
    while data[start : start + 8] in ((b"XTENSION",) if parts else (b"SIMPLE  ",)):
        if len(parts) == MAX_HDUS:
            raise ImageError(f"the FITS file has more than the {MAX_HDUS} parts that are read")
        end = _end_of_header(data, start)
        header = Header.fromstring(data[start:end])
        size = _size(header)
        if end + size > len(data):
            raise ImageError(f"the FITS file is truncated: part {len(parts)} needs {end + size} bytes of {len(data)}")
        if _value(header, "ZIMAGE", False):
            _check_tiling(header)
        following = end + -(-size // BLOCK) * BLOCK
        parts.append(StoredPart(header, start, end, following))
        start = following
    return parts


def read_headers(data: bytes) -> list[Header]:
    """Return the headers of `walk`."""
    return [part.header for part in walk(data)]


def _end_of_header(data: bytes, start: int) -> int:
    for end in range(start + BLOCK, start + (MAX_HEADER_BLOCKS + 1) * BLOCK, BLOCK):
        block = data[end - BLOCK : end]
        if len(block) < BLOCK:
            raise ImageError("the FITS file is truncated inside a header")
        if any(block[card : card + 80] == END for card in range(0, BLOCK, 80)):
            return end
    raise ImageError(f"the FITS file has a header of more than {MAX_HEADER_BLOCKS} blocks")


def _size(header: Header) -> int:
    """Return the number of bytes of data after a header, without padding."""
    axes = _count(header, "NAXIS", largest=MAX_AXES)
    lengths = [_count(header, f"NAXIS{axis + 1}", largest=MAX_LENGTH) for axis in range(axes)]
    depth = _value(header, "BITPIX")
    if not isinstance(depth, int) or depth not in BITPIX:
        raise ImageError(f"the FITS file has BITPIX = {depth!r} in a header; it must be one of {BITPIX}")
    if _value(header, "GROUPS", False) or _count(header, "GCOUNT", largest=MAX_LENGTH, default=1) != 1:
        raise ImageError("the FITS file holds random groups, not an image")
    _count(header, "TFIELDS", largest=999, default=0)
    extra = _count(header, "PCOUNT", largest=MAX_LENGTH, default=0)
    return abs(depth) // 8 * (extra + prod(lengths)) if axes else 0


def check_compression(header: Header) -> None:
    """Reject a compressed image that astropy cannot decompress safely; call it for the images that are opened.

    Parameters
    ----------
    header : Header
        Header of the table that contains the image.

    Raises
    ------
    ImageError
        If the codec is not in `SAFE_COMPRESSIONS`.
    """
    compression = str(_value(header, "ZCMPTYPE", "")).strip().upper()
    if compression not in SAFE_COMPRESSIONS:
        raise ImageError(
            f"the FITS image is compressed with {compression or 'nothing known'}, which cannot be opened safely; "
            "use RICE_1 (fpack -r) or GZIP_1 (fpack -g)"
        )


def _check_tiling(header: Header) -> None:
    _count(header, "NAXIS2", largest=MAX_TILES)
    for axis in range(_count(header, "ZNAXIS", largest=MAX_AXES)):
        length = _count(header, f"ZNAXIS{axis + 1}", largest=MAX_LENGTH)
        _count(header, f"ZTILE{axis + 1}", smallest=1, largest=MAX_LENGTH, default=length if axis == 0 else 1)
    for number in range(1, 10):
        allowed_values = RICE_SETTINGS.get(str(_value(header, f"ZNAME{number}", "")).strip().upper())
        value = _value(header, f"ZVAL{number}")
        if allowed_values and value not in allowed_values:
            raise ImageError(f"the FITS image has ZVAL{number} = {value!r} in its header; it must be one of {allowed_values}")


def _value(header: Header, key: str, default: object = None) -> object:
    try:
        return header.get(key, default)
    except VerifyError:
        raise ImageError(f"the FITS file has a card {key} that cannot be read") from None


def _count(header: Header, key: str, *, largest: int, smallest: int = 0, default: int | None = None) -> int:
    value = _value(header, key, default)
    if type(value) is not int or not smallest <= value <= largest:
        raise ImageError(f"the FITS file has {key} = {value!r} in a header; it must be a number from {smallest} to {largest}")
    return value
