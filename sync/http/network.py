"""Certificates to trust and proxies to use: the environment's, for pictures as for Label Studio's API.

The variables are those that curl, requests and httpx read. httpx's own reading of them is not used, because it comes with its
own connections: pictures need a deadline over a whole exchange, which those do not have (`images/deadline.py`).
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
    """Return what to trust: `SSL_CERT_FILE` and `SSL_CERT_DIR`, else `REQUESTS_CA_BUNDLE`, else the public authorities.

    Raises
    ------
    ValueError
        If a variable names no certificates.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if not file and not folder and (bundle := os.environ.get("REQUESTS_CA_BUNDLE")):
        file, folder = (None, bundle) if os.path.isdir(bundle) else (bundle, None)
    if not file and not folder:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:  # an ssl.SSLError is one
        reason = error.strerror or str(error)
        raise ValueError(
            f"SSL_CERT_FILE or REQUESTS_CA_BUNDLE names {file!r}, which holds no certificates in PEM form: {reason}"
        ) from error


class Proxies:
    """The proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, and the hosts of `NO_PROXY`, as they stand now.

    This machine (``localhost``, 127.0.0.0/8, ``::1``) is never asked through a proxy.

    Raises
    ------
    ValueError
        If a proxy's address cannot be used.
    """

    def __init__(self) -> None:
        variables = getproxies()
        self._proxies = {
            scheme: _proxy(scheme, address) for scheme in SCHEMES if (address := variables.get(scheme) or variables.get("all"))
        }
        self._direct = [entry.strip().lower() for entry in variables.get("no", "").split(",") if entry.strip()]

    def of(self, url: httpx.URL | str) -> httpx.Proxy | None:
        """Return the proxy that `url` is asked through, None where it is asked directly."""
        url = httpx.URL(url)
        proxy = self._proxies.get(url.scheme)
        if proxy is None or _is_this_machine(url.host) or any(_covers(entry, url) for entry in self._direct):
            return None
        return proxy


def open_client(url: str, *, timeout: httpx.Timeout | float) -> httpx.Client:
    """Open a client for requests to `url` that follows no redirect.

    Raises
    ------
    ValueError
        If the environment names certificates or a proxy that cannot be used.
    """
    return httpx.Client(timeout=timeout, verify=trusted_certificates(), proxy=Proxies().of(url), trust_env=False)


def advice(error: Exception) -> str:
    """Say what to do about an error of a connection, where its cause has a setting; empty elsewhere."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            ": its certificate is not trusted; where a private authority made it, SSL_CERT_FILE must name that authority's file"
        )
    if isinstance(error, httpx.ProxyError):
        return ": the proxy that the environment names refused or failed"
    return ""


def _proxy(scheme: str, address: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(address if "://" in address else f"http://{address}")
        usable = proxy.url.scheme in SCHEMES and bool(proxy.url.host)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:  # its address is not named: it may hold a password
        raise ValueError(f"the proxy that the environment names for {scheme} must be an address like http://proxy:3128")
    return proxy


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _covers(entry: str, url: httpx.URL) -> bool:
    """Whether an entry of `NO_PROXY` covers `url`: ``*``, a network, or a host and all below it, with a port or without."""
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
