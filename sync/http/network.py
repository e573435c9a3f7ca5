"""Certificates and proxies from the environment, for downloads of images and for Label Studio's API.

The variables are those that curl, requests and httpx read. httpx reads them only for its own transports, which have no deadline
for a complete exchange (`sync/http/deadline.py`), so this module reads them.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from urllib.request import getproxies

import httpx

__all__ = ["Proxies", "advice", "open_client", "trusted_certificates"]

SCHEMES = ("http", "https")


def trusted_certificates() -> ssl.SSLContext:
    """Return the trusted certificates.

    They come from `SSL_CERT_FILE` and `SSL_CERT_DIR`, else from `REQUESTS_CA_BUNDLE`, else from httpx's default bundle.

    Raises
    ------
    ValueError
        If a variable names a file or folder without readable certificates.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder and (bundle := os.environ.get("REQUESTS_CA_BUNDLE")):
        file, folder = (None, bundle) if os.path.isdir(bundle) else (bundle, None)
    if not file and not folder:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:  # includes ssl.SSLError
        reason = error.strerror or str(error)
        raise ValueError(
            f"SSL_CERT_FILE or REQUESTS_CA_BUNDLE names {file!r}, which holds no certificates in PEM form: {reason}"
        ) from error


class Proxies:
    """The proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, and the hosts of `NO_PROXY`, read when it is created.

    Requests to this machine (``localhost``, 127.0.0.0/8, ``::1``) never use a proxy.

    Raises
    ------
    ValueError
        If the address of a proxy is invalid.
    """

    def __init__(self) -> None:
        variables = getproxies()
        self._proxies = {
            scheme: _proxy(scheme, address) for scheme in SCHEMES if (address := variables.get(scheme) or variables.get("all"))
        }
        self._direct = [entry.strip().lower() for entry in variables.get("no", "").split(",") if entry.strip()]

    def of(self, url: httpx.URL | str) -> httpx.Proxy | None:
        """Return the proxy for requests to `url`, or None for a direct connection."""
        url = httpx.URL(url)
        proxy = self._proxies.get(url.scheme)
        if proxy is None or _is_this_machine(url.host) or any(_covers(entry, url) for entry in self._direct):
            return None
        return proxy


def open_client(url: str, *, timeout: httpx.Timeout | float) -> httpx.Client:
    """Open a client for requests to `url`; it does not follow redirects.

    Raises
    ------
    ValueError
        If the environment names certificates or a proxy that cannot be used.
    """
    return httpx.Client(timeout=timeout, verify=trusted_certificates(), proxy=Proxies().of(url), trust_env=False)


def advice(error: Exception) -> str:
    """Return a hint, starting with a colon, for a connection error that a setting can fix; empty for other errors."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return ": its certificate is not trusted; for a private authority, set SSL_CERT_FILE to the file of that authority"
    if isinstance(error, httpx.ProxyError):
        return ": the proxy in the environment rejected the request or failed"
    return ""


def _proxy(scheme: str, address: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        usable = proxy.url.scheme in SCHEMES and bool(proxy.url.host)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:  # the message omits the address, which may contain a password
        raise ValueError(f"the proxy in the environment for {scheme} must be an address like http://proxy:3128")
    return proxy


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _covers(entry: str, url: httpx.URL) -> bool:
    """Return whether an entry of `NO_PROXY` covers `url`.

    An entry is ``*``, a network, or a host with or without a port; a host covers its subdomains too.
    """
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(url.host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    name, _, port = entry.rpartition(":")
    if not (name and port.isdecimal()) or entry.endswith("]"):
        name, port = entry, ""
    default = {"http": 80, "https": 443}.get(url.scheme)
    if port and int(port) != (url.port or default):
        return False
    name, host = name.strip("[]").removeprefix("*").removeprefix("."), url.host.lower()
    return host == name or host.endswith(f".{name}")
