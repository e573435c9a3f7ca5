"""A private certificate authority and the environment's proxies apply to images as to the API."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sync.errors.images import ImageError
from sync.http.network import Proxies, trusted_certificates
from sync.images.fetch import Fetcher, FetchLimits
from sync.label_studio.client import LabelStudioClient, LabelStudioError

PNG = b"\x89PNG\r\n\x1a\n and so on"
REFERENCE = "/data/upload/1/a.png"
STUDIO, IMAGE_HOST, ELSEWHERE = "label-studio.example", "images.example", "elsewhere.example"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


class Studio(BaseHTTPRequestHandler):
    """A reduced Label Studio: one upload and the API; every path under /redirect redirects to another host."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append((self.headers["Host"], self.path, self.headers.get("Authorization", "")))
        self.send_response(302 if "redirect" in self.path else 200)
        self.send_header("Location", f"http://{ELSEWHERE}/a.png")
        body = b'{"version": 1}' if self.path.startswith("/api") else PNG
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Studio)
        self.requests: list[tuple[str, str, str]] = []
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)


class Proxy(threading.Thread):
    """A forward proxy: it forwards requests, by URL or by CONNECT, to the given servers."""

    def __init__(self, http: int, https: int) -> None:
        super().__init__(daemon=True)
        self._to = {"http": http, "https": https}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.requests: list[tuple[str, str]] = []
        self.silent = False
        self._over = threading.Event()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def stop(self) -> None:
        self._over.set()
        self._listener.close()

    def _serve(self, caller: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := caller.recv(65536)):
                return
            head += more
        first, rest = head.split(b"\r\n", 1)
        method, target, version = first.decode().split()
        authorization = next((line for line in rest.decode().split("\r\n") if line.lower().startswith("proxy-auth")), "")
        self.requests.append((f"{method} {target}", authorization))
        if self.silent:
            self._over.wait(30)
            return
        upstream = socket.create_connection(("127.0.0.1", self._to["https" if method == "CONNECT" else "http"]))
        if method == "CONNECT":
            caller.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            path = "/" + target.split("/", 3)[3]
            upstream.sendall(f"{method} {path} {version}\r\n".encode() + rest)
        threading.Thread(target=_pour, args=(upstream, caller), daemon=True).start()
        _pour(caller, upstream)


def _pour(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a private authority (`ca.pem`) and a certificate for the tests' hosts (`server.pem`)."""
    folder = tmp_path_factory.mktemp("authority")
    now = datetime.datetime.now(datetime.UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Observatory authority")])

    def certificate(subject: x509.Name, public_key: Any) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(root_name, subject, public_key, x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    root = (
        certificate(root_name, root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    names = [x509.DNSName(name) for name in ("localhost", STUDIO, IMAGE_HOST)]
    hosts = x509.SubjectAlternativeName([*names, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = (
        certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, STUDIO)]), key.public_key())
        .add_extension(hosts, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "server.pem").write_bytes(leaf.public_bytes(pem) + secret)
    return folder


@pytest.fixture
def running() -> Iterator[Callable[..., Any]]:
    """Return a function that starts servers, which are stopped after the test."""
    servers: list[Server] = []

    def start(certificate: Path | None = None) -> Server:
        servers.append(Server(certificate))
        threading.Thread(target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def tls(running: Callable[..., Server], authority: Path) -> Server:
    return running(authority / "server.pem")


@pytest.fixture
def plain(running: Callable[..., Server]) -> Server:
    return running()


@pytest.fixture
def proxy(plain: Server, tls: Server) -> Iterator[Proxy]:
    servers = Proxy(plain.server_address[1], tls.server_address[1])
    servers.start()
    yield servers
    servers.stop()


def trust(authority: Path, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set the environment variable of the client to the authority."""
    if variable != "SSL_CERT_DIR":
        monkeypatch.setenv(variable, str(authority / "ca.pem"))
        return
    if shutil.which("openssl") is None:
        pytest.skip("no openssl, which names the files of such a folder")
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority / "ca.pem")]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(authority / "ca.pem", tmp_path / f"{name}.0")
    monkeypatch.setenv(variable, str(tmp_path))


def fetch_image(url: str, reference: str = REFERENCE, *, timeout_s: float = 20.0, **more: Any) -> bytes:
    limits = FetchLimits(timeout_s=timeout_s, connections=1)
    fetcher = Fetcher(label_studio_url=url, authorization=lambda: "Token secret", limits=limits, **more)
    try:
        return fetcher.fetch(reference)
    finally:
        fetcher.close()


def api(url: str) -> Any:
    with LabelStudioClient(url, "legacy", patience_s=0) as client:
        return client.get("/api/version")


# -- certificates --


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_private_authority_is_trusted_for_images_and_the_api(
    tls: Server, authority: Path, host: str, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = f"https://{host}:{tls.server_address[1]}"
    trust(authority, variable, monkeypatch, tmp_path)
    assert fetch_image(url) == PNG
    assert api(url) == {"version": 1}


def test_without_a_private_authority_neither_is_read(tls: Server) -> None:
    url = f"https://127.0.0.1:{tls.server_address[1]}"
    advice = "its certificate is not trusted; for a private authority, set SSL_CERT_FILE"
    with pytest.raises(ImageError, match=f"the connection failed .*{advice}"):
        fetch_image(url)
    with pytest.raises(LabelStudioError, match=advice):
        api(url)


def test_a_certificate_of_another_name_is_rejected(
    tls: Server, authority: Path, monkeypatch: pytest.MonkeyPatch, proxy: Proxy
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    with pytest.raises(ImageError, match="the connection failed"):
        fetch_image(f"https://{ELSEWHERE}")


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_file_without_certificates_is_named(content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(ValueError, match="holds no certificates in PEM form"):
        trusted_certificates()


# -- proxies --


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_images_and_the_api_use_the_proxy(variable: str, proxy: Proxy, plain: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, proxy.url)
    assert fetch_image(f"http://{STUDIO}:8080") == PNG
    assert api(f"http://{STUDIO}:8080") == {"version": 1}
    assert fetch_image(f"http://{STUDIO}", f"http://{IMAGE_HOST}/a.png", allowed_hosts=frozenset({IMAGE_HOST})) == PNG
    assert [line for line, _ in proxy.requests] == [
        f"GET http://{STUDIO}:8080{REFERENCE}",
        f"GET http://{STUDIO}:8080/api/version",
        f"GET http://{IMAGE_HOST}/a.png",
    ]
    assert [authorization for _, _, authorization in plain.requests] == ["Token secret", "Token legacy", ""]


def test_tls_uses_the_proxy_and_checks_the_server(
    proxy: Proxy, tls: Server, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http://", "http://user:secret@"))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    assert fetch_image(f"https://{STUDIO}") == PNG
    assert api(f"https://{STUDIO}") == {"version": 1}
    assert [line for line, _ in proxy.requests] == [f"CONNECT {STUDIO}:443"] * 2
    assert all(authorization.endswith("Basic dXNlcjpzZWNyZXQ=") for _, authorization in proxy.requests)
    assert [authorization for _, _, authorization in tls.requests] == ["Token secret", "Token legacy"]


def test_the_url_policy_applies_before_the_proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    with pytest.raises(ImageError, match="nor on an allowed host"):
        fetch_image(f"http://{STUDIO}", f"http://{ELSEWHERE}/a.png", allowed_hosts=frozenset({IMAGE_HOST}))
    assert proxy.requests == []
    with pytest.raises(ImageError, match="which is not allowed"):
        fetch_image(f"http://{STUDIO}", f"http://{IMAGE_HOST}/redirect.png", allowed_hosts=frozenset({IMAGE_HOST}))
    assert [line for line, _ in proxy.requests] == [f"GET http://{IMAGE_HOST}/redirect.png"]


def test_an_unresponsive_proxy_ends_at_the_deadline(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    proxy.silent = True
    for url in (f"http://{STUDIO}", f"https://{STUDIO}"):
        with pytest.raises(ImageError, match=r"did not arrive within 0\.3 s"):
            fetch_image(url, timeout_s=0.3)


def test_this_machine_is_requested_directly(plain: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    url = f"http://127.0.0.1:{plain.server_address[1]}"
    assert fetch_image(url) == PNG
    assert api(url) == {"version": 1}


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", "http://a.example", False),
        ("*", "http://a.example", True),
        ("example", "http://a.example", True),
        (".example", "http://a.example", True),
        ("*.example", "http://a.example", True),
        ("other, a.example ", "http://a.example", True),
        ("A.EXAMPLE", "http://a.example", True),
        ("ple", "http://a.example", False),
        ("a.example", "http://b.a.example", True),
        ("a.example", "http://ba.example", False),
        ("a.example:8080", "http://a.example:8080", True),
        ("a.example:8080", "http://a.example", False),
        ("a.example:443", "https://a.example", True),
        ("10.0.0.0/8", "http://10.1.2.3", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.1.2.3", "http://10.1.2.3:9000", True),
        ("10.1.2.3:9000", "http://10.1.2.3:9000", True),
        ("fd00::/8", "http://[fd00::1]", True),
        ("[fd00::1]", "http://[fd00::1]:80", True),
        ("other", "http://127.0.0.1:8080", True),
        ("other", "http://[::1]:8080", True),
        ("other", "http://LOCALHOST:8080", True),
    ],
)
def test_hosts_of_no_proxy_are_requested_directly(
    no_proxy: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "proxy:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    proxy = Proxies().of(url)
    assert (proxy is None) == direct
    assert direct or str(proxy and proxy.url) == "http://proxy:3128"


@pytest.mark.parametrize("address", ["socks5://user:secret@proxy:1080", "http://", "http://user:secret@proxy:port"])
def test_an_invalid_proxy_is_rejected_without_its_password(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(
        ValueError, match="the proxy in the environment for https must be an address like http://proxy:3128"
    ) as error:
        Proxies()
    assert "secret" not in str(error.value)
