"""Policy for the image references of tasks: allowed addresses, and the addresses that receive the token.

Any user who imports tasks can write references, and Label Studio's own resolver would follow them with the token of this
program: up the path into the API, over plain http, and to any host. References are therefore never used unchanged: a reference
is parsed, compared with the forms that Label Studio creates, and the requested URL is built from its checked parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urljoin, urlsplit

from sync.errors.images import ImageError

__all__ = ["Policy", "Target", "shorten"]

MAX_REFERENCE_CHARACTERS = 8192  # longer than presigned URLs; servers reject longer request lines
MAX_SHOWN_CHARACTERS = 100
DEFAULT_PORTS = {"http": 80, "https": 443}

# Path of Label Studio -> its query parameter, or None.
LABEL_STUDIO_PATHS: tuple[tuple[re.Pattern[str], str | None], ...] = (
    (re.compile(r"/data/upload/[0-9]{1,18}/[^/]+"), None),
    (re.compile(r"/data/local-files/"), "d"),
    (re.compile(r"/(tasks|projects)/[0-9]{1,18}/(resolve|presign)/"), "fileuri"),
    (re.compile(r"/storage-data/uploaded/"), "filepath"),
)
UPLOADED_FILE = re.compile(r"upload/[0-9]{1,18}/[^/]+")
CONTROL_CHARACTER = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Target:
    """An allowed address.

    Attributes
    ----------
    url : str
        Absolute URL of checked and quoted parts.
    trusted : bool
        True for Label Studio, to which alone the token is sent.
    """

    url: str
    trusted: bool


class Policy:
    """Rules for the addresses that references may use.

    Parameters
    ----------
    label_studio_url : str
        Address at which this program reaches Label Studio, such as "http://label-studio:8080" or "https://host/below".
    public_url : str, optional
        Address of Label Studio for its users (LABEL_STUDIO_HOST), if it differs; references to it are requested from
        `label_studio_url`.
    allowed_hosts : iterable of str
        Other hosts, "host" (ports 80 and 443) or "host:port"; the token is not sent to them.

    Raises
    ------
    ValueError
        If an address or a host is malformed.
    """

    def __init__(
        self, label_studio_url: str, *, public_url: str | None = None, allowed_hosts: Iterable[str] = frozenset()
    ) -> None:
        self._server, self._prefix = _server(label_studio_url, "label_studio_url")
        self._aliases = {self._server: self._prefix}
        if public_url:
            origin, prefix = _server(public_url, "public_url")
            self._aliases.setdefault(origin, prefix)
        self._others = frozenset(origin for host in allowed_hosts for origin in _origins_of_host(host))

    def target(self, reference: str) -> Target:
        """Return the address to request for a reference.

        Parameters
        ----------
        reference : str
            A path of Label Studio or an absolute http(s) URL.

        Raises
        ------
        ImageError
            If the reference is malformed or not allowed.
        """
        if not isinstance(reference, str) or not reference:
            raise ImageError(f"the image reference must be a non-empty text, not {type(reference).__name__}")
        if len(reference) > MAX_REFERENCE_CHARACTERS:
            raise ImageError(
                f"image reference {shorten(reference)} has {len(reference)} characters, "
                f"more than the {MAX_REFERENCE_CHARACTERS} that are followed"
            )
        if "\\" in reference or CONTROL_CHARACTER.search(reference):
            raise ImageError(f"image reference {shorten(reference)} holds a backslash or a control character")
        try:
            parts = urlsplit(reference)
            origin = _origin(parts)
        except ValueError as error:
            raise ImageError(f"image reference {shorten(reference)} is not a well-formed address") from error
        if not parts.scheme and not parts.netloc and not reference.startswith("//"):
            return self._on_label_studio(parts, reference, self._prefix)
        if origin in self._aliases:
            return self._on_label_studio(parts, reference, self._aliases[origin])
        if origin in self._others:
            return Target(_elsewhere(origin, parts, reference), trusted=False)
        raise ImageError(
            f"image reference {shorten(reference)} is neither on Label Studio ({_format_origin(self._server)}) "
            "nor on an allowed host"
        )

    def redirect(self, source: Target, location: str) -> Target:
        """Return the address to request for a redirect of `source` to `location`; the rules are those of `target`.

        Raises
        ------
        ImageError
            If `location` is malformed or not allowed.
        """
        if "\\" in location or CONTROL_CHARACTER.search(location):
            raise ImageError(f"{shorten(source.url)} redirects to a malformed address")
        try:
            return self.target(urljoin(source.url, location))
        except ValueError as error:
            raise ImageError(f"{shorten(source.url)} redirects to {shorten(location)}, which is not allowed") from error

    def _on_label_studio(self, parts: SplitResult, reference: str, prefix: str) -> Target:
        path = _clean_path(parts.path, reference)
        path = path.removeprefix(prefix) if path.startswith(prefix + "/") else path
        path = path + "/" if path == "/data/local-files" else path
        for pattern, key in LABEL_STUDIO_PATHS:
            if pattern.fullmatch(path):
                query = "" if key is None else f"?{key}={quote(_parameter(parts.query, key, reference), safe='/')}"
                return Target(_format_origin(self._server) + quote(self._prefix + path) + query, trusted=True)
        raise ImageError(
            f"image reference {shorten(reference)} is not an upload, a local file or a storage file of Label Studio"
        )


def shorten(reference: str) -> str:
    """Return a reference for a message: short, on one line, without credentials and signatures."""
    start, mark, query = reference[:MAX_REFERENCE_CHARACTERS].partition("?")
    if mark and start.rstrip("/").endswith("/data/local-files"):
        start += "?d=" + dict(parse_qsl(query)).get("d", "")
    start = re.sub(r"//[^/]*@", "//", start.partition("#")[0])
    printable = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in start)
    return repr(printable if len(printable) <= MAX_SHOWN_CHARACTERS else printable[: MAX_SHOWN_CHARACTERS - 3] + "...")


def _clean_path(path: str, reference: str) -> str:
    """Decode a path once; reject path traversal, also after repeated decoding, because a proxy may decode it again."""
    try:
        clean = decoded_path = unquote(path, errors="strict")
        while True:
            if (
                not decoded_path.startswith("/")
                or "//" in decoded_path
                or "\\" in decoded_path
                or CONTROL_CHARACTER.search(decoded_path)
                or any(segment in (".", "..") for segment in decoded_path.split("/"))
            ):
                raise ImageError(f"image reference {shorten(reference)} is not a plain path")
            if (further := unquote(decoded_path, errors="strict")) == decoded_path:
                return clean
            decoded_path = further
    except UnicodeDecodeError as error:
        raise ImageError(f"image reference {shorten(reference)} is not UTF-8") from error


def _parameter(query: str, key: str, reference: str) -> str:
    try:
        values = [value for name, value in parse_qsl(query, errors="strict", max_num_fields=16) if name == key]
    except ValueError as error:
        raise ImageError(f"image reference {shorten(reference)} has a malformed query") from error
    if len(values) != 1:
        raise ImageError(f"image reference {shorten(reference)} must have exactly one parameter {key!r}")
    value = values[0]
    climbs = key != "fileuri" and ".." in value.split("/")
    if climbs or "\\" in value or CONTROL_CHARACTER.search(value) or (key == "filepath" and not UPLOADED_FILE.fullmatch(value)):
        raise ImageError(f"image reference {shorten(reference)} has a parameter {key!r} that is not a plain path")
    return value


def _elsewhere(origin: Origin, parts: SplitResult, reference: str) -> str:
    path = _clean_path(parts.path or "/", reference)
    # The query is not changed, because a signature covers its exact characters.
    return (
        _format_origin(origin) + quote(path) + ("?" + quote(parts.query, safe="%/:?&=+,;@!$'()*~-._[]") if parts.query else "")
    )


def _server(url: str, name: str) -> tuple[Origin, str]:
    try:
        parts = urlsplit(url)
        origin = _origin(parts)
    except ValueError as error:
        raise ValueError(f"{name} {url!r} is not an http(s) address") from error
    if origin is None or parts.query or parts.fragment:
        raise ValueError(f"{name} {url!r} must be an http(s) address without user, query and fragment")
    return origin, unquote(parts.path).rstrip("/")


def _origins_of_host(host: str) -> Iterable[Origin]:
    try:
        parts = urlsplit("//" + host)
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"allowed host {host!r} must be 'host' or 'host:port'") from error
    if not name or parts.path or parts.query or parts.fragment or "@" in host:
        raise ValueError(f"allowed host {host!r} must be 'host' or 'host:port'")
    return [(scheme, name, port or default) for scheme, default in DEFAULT_PORTS.items()]


def _origin(parts: SplitResult) -> Origin | None:
    """Return scheme, host and port; None without a host, with another scheme than http(s) or with a user name.

    Raises
    ------
    ValueError
        If the port is malformed.
    """
    scheme, host, port = parts.scheme, parts.hostname, parts.port
    if scheme not in DEFAULT_PORTS or not host or "@" in parts.netloc:
        return None
    return scheme, host, port or DEFAULT_PORTS[scheme]


def _format_origin(origin: Origin) -> str:
    scheme, host, port = origin
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" + ("" if port == DEFAULT_PORTS[scheme] else f":{port}")
