from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.errors.images import ImageError
from sync.images.url_policy import Policy, Target, shorten

LABEL_STUDIO = "http://ls.example:8080"
PNG = "/data/upload/1/349e27d8-up0.png"


@pytest.fixture(scope="module")
def policy() -> Policy:
    return Policy(LABEL_STUDIO, public_url="https://galaxies.example", allowed_hosts={"images.example", "s3.example:9000"})


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        (PNG, PNG),
        (LABEL_STUDIO + PNG, PNG),
        ("HTTP://LS.EXAMPLE:8080" + PNG, PNG),
        ("https://galaxies.example" + PNG, PNG),
        ("/data/upload/1/a%20galaxy.png", "/data/upload/1/a%20galaxy.png"),
        ("/data/upload/1/a galaxy é.png", "/data/upload/1/a%20galaxy%20%C3%A9.png"),
        ("/data/upload/1/100%25.png", "/data/upload/1/100%25.png"),
        (PNG + "?d=../../api/users#x", PNG),
        ("/data/local-files/?d=galaxies/a b.fits", "/data/local-files/?d=galaxies/a%20b.fits"),
        ("/data/local-files?d=a.png", "/data/local-files/?d=a.png"),
        ("/data/local-files/?d=a%26x=1.png", "/data/local-files/?d=a%26x%3D1.png"),
        ("/tasks/7/resolve/?fileuri=czM6Ly9iL2E=", "/tasks/7/resolve/?fileuri=czM6Ly9iL2E%3D"),
        ("/tasks/7/presign/?fileuri=czM6", "/tasks/7/presign/?fileuri=czM6"),
        ("/projects/7/resolve/?fileuri=czM6", "/projects/7/resolve/?fileuri=czM6"),
        ("/projects/7/presign/?fileuri=czM6", "/projects/7/presign/?fileuri=czM6"),
        ("/storage-data/uploaded/?filepath=upload/1/a.png", "/storage-data/uploaded/?filepath=upload/1/a.png"),
    ],
)
def test_references_of_label_studio_are_requested_with_the_token(policy: Policy, reference: str, url: str) -> None:
    assert policy.target(reference) == Target(LABEL_STUDIO + url, trusted=True)


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("https://images.example/a/b.jpg?sig=a%2Bb&x=1", "https://images.example/a/b.jpg?sig=a%2Bb&x=1"),
        ("http://images.example:80/a.jpg", "http://images.example/a.jpg"),
        ("http://s3.example:9000/bucket/a.jpg", "http://s3.example:9000/bucket/a.jpg"),
    ],
)
def test_an_allowed_host_is_requested_without_the_token(policy: Policy, reference: str, url: str) -> None:
    assert policy.target(reference) == Target(url, trusted=False)


@pytest.mark.parametrize(
    "reference",
    [
        "/data/upload/../../api/users/",
        "/data/upload/1/../../../api/users/",
        "/data/upload/1/..",
        "/data/upload/1/%2e%2e",
        "/data/upload/%2e%2e/%2e%2e/api/users/",
        "/data/upload/%252e%252e/%252e%252e/api/users/",
        "/data/upload/1%2f..%2f..%2fapi/x",
        "/data/upload/1/..%5c..%5capi",
        "/data/upload/1/..\\..\\api",
        "/data/upload/./1/a.png",
        "//evil.example/data/upload/1/a.png",
        "/data//upload/1/a.png",
        "/data/upload/1/a\n.png",
        "/data/upload/1/a%00.png",
        "/data/upload/1/a%0d%0aX-Header:1.png",
        "/data/upload/1/%ff.png",
        "/data/upload/1/\ud800.png",
        "/data/upload/one/a.png",
        "/data/upload/1/",
        "/data/upload/a.png",
        "/data/upload/1/sub/a.png",
        "data/upload/1/a.png",
        "/api/projects/",
        "/",
        "?x",
        "/data/local-files/",
        "/data/local-files/?d=",
        "/data/local-files/?d=../../etc/passwd",
        "/data/local-files/?d=%2e%2e/secret",
        "/data/local-files/?d=a.png&d=b.png",
        "/data/local-files/x?d=a.png",
        "/storage-data/uploaded/?filepath=avatars/a.png",
        "/storage-data/uploaded/?filepath=upload/1/../a.png",
        "/tasks/7/?fileuri=x",
        "/tasks/7/resolve/?x=1",
        LABEL_STUDIO + "/api/users/",
        "https://galaxies.example/api/users/",
        "https://ls.example:8080" + PNG,
        "http://ls.example:8081" + PNG,
        "http://ls.example" + PNG,
        "http://ls.example.:8080" + PNG,
        "http://galaxies.example" + PNG,
        "http://user:pass@ls.example:8080" + PNG,
        "http://ls.example:8080@evil.example" + PNG,
        "http://ls.example:8080\\@evil.example" + PNG,
        "http://ls.example:http" + PNG,
        "http://ls.example:99999" + PNG,
        "http://[::1" + PNG,
        "http://evil.example" + PNG,
        "http://images.example:8080/a.jpg",
        "http://sub.images.example/a.jpg",
        "http://images.example/a/../b.jpg",
        "https://s3.example/a.jpg",
        "http:///data/upload/1/a.png",
        "http:/data/upload/1/a.png",
        "http:data/upload/1/a.png",
        "file:///etc/passwd",
        "ftp://ls.example/a.png",
        "s3://bucket/a.png",
        "javascript:alert(1)",
        "",
        "/data/upload/1/" + "a" * 9000,
    ],
)
def test_other_references_are_rejected(policy: Policy, reference: str) -> None:
    with pytest.raises(ImageError):
        policy.target(reference)


@pytest.mark.parametrize("reference", [None, 3, ["/data/upload/1/a.png"], {"d": 1}])
def test_a_reference_that_is_not_text_is_rejected(policy: Policy, reference: object) -> None:
    with pytest.raises(ImageError, match="must be a non-empty text"):
        policy.target(reference)  # type: ignore[arg-type]


def test_label_studio_below_a_path_is_requested_below_it() -> None:
    policy = Policy("https://host.example/label-studio/")
    expected = Target("https://host.example/label-studio" + PNG, trusted=True)
    assert policy.target("/label-studio" + PNG) == expected
    assert policy.target(PNG) == expected
    assert policy.target("https://host.example/label-studio" + PNG) == expected


def test_an_ipv6_address_keeps_its_brackets() -> None:
    assert Policy("http://[::1]:8080").target(PNG).url == "http://[::1]:8080" + PNG


@pytest.mark.parametrize("host", ["", "https://images.example", "a/b", "host:port", "user@host", "host?x"])
def test_an_invalid_allowed_host_is_rejected_at_once(host: str) -> None:
    with pytest.raises(ValueError, match="allowed host"):
        Policy(LABEL_STUDIO, allowed_hosts={host})


@pytest.mark.parametrize("url", ["", "ls.example:8080", "ftp://ls.example", "http://user:pass@ls.example", "http://a:b"])
def test_an_invalid_address_of_label_studio_is_rejected_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="label_studio_url"):
        Policy(url)


def test_a_redirect_to_an_allowed_host_loses_the_token(policy: Policy) -> None:
    source = policy.target(PNG)
    assert policy.redirect(source, "https://images.example/a.png") == Target("https://images.example/a.png", trusted=False)
    assert policy.redirect(source, "/data/upload/2/b.png") == Target(LABEL_STUDIO + "/data/upload/2/b.png", trusted=True)


@pytest.mark.parametrize(
    "location",
    ["http://evil.example/a.png", "//evil.example/a", "../../api/", "/user/login/", "data:,x", "\\\\evil", "http://[x"],
)
def test_a_redirect_to_another_host_is_rejected(policy: Policy, location: str) -> None:
    with pytest.raises(ImageError, match="redirects"):
        policy.redirect(policy.target("/data/local-files/?d=a.png"), location)


@given(
    st.text()
    | st.builds(
        "".join,
        st.lists(st.sampled_from(["/data/upload/", "1", "/", "..", "%2e", "%", "\\", "a", "//", "?d=", "http:"])),
    )
)
def test_any_reference_leads_to_known_addresses_only(reference: str) -> None:
    policy = Policy(LABEL_STUDIO, allowed_hosts={"images.example"})
    try:
        target = policy.target(reference)
    except ImageError:
        return
    parts = urlsplit(target.url)
    assert parts.netloc in ("ls.example:8080", "images.example")
    assert ".." not in parts.path.split("/")
    assert target.trusted == (parts.netloc == "ls.example:8080")


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\%"), min_size=1, max_size=50).filter(
        lambda n: n not in (".", "..")
    )
)
def test_any_plain_file_name_is_requested_in_any_quoting(name: str) -> None:
    expected = LABEL_STUDIO + "/data/upload/1/" + quote(name)
    assert Policy(LABEL_STUDIO).target("/data/upload/1/" + quote(name)).url == expected


def test_a_message_names_a_reference_without_its_secrets() -> None:
    text = shorten("https://user:secret@images.example/a.png?X-Amz-Signature=secret#secret")
    assert text == "'https://images.example/a.png'"
    assert shorten("/data/local-files/?token=secret&d=a.png") == "'/data/local-files/?d=a.png'"
    assert len(shorten("/" + "a" * 100_000)) <= 102
