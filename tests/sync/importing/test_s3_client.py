"""The S3 client against moto's server: patterns, bytes, and errors of one object or of the whole run."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from sync.errors.images import ImageError
from sync.importing.inputs.collection import Collection, Span
from sync.importing.inputs.item import InputError
from sync.importing.s3_client import READS, DeniedError, S3Client

KEYS = ("survey/a.png", "survey/b.jpg", "survey/deep/c.png", "survey/deep/d[1].png", "survey/readme.txt", "survey2/e.png")


@pytest.fixture
def survey(s3: Any) -> Any:
    """Return the bucket with the objects of `KEYS`, each of which contains its own key."""
    for key in KEYS:
        s3.put_object(Bucket="sky", Key=key, Body=key.encode())
    return s3


@pytest.mark.usefixtures("survey")
@pytest.mark.parametrize(
    ("word", "keys"),
    [
        ("s3://sky/survey/*.png", ["survey/a.png"]),
        ("s3://sky/survey/**/*.png", ["survey/a.png", "survey/deep/c.png", "survey/deep/d[1].png"]),
        ("s3://sky/survey/?.[jp]*", ["survey/a.png", "survey/b.jpg"]),
        ("s3://sky/survey/[!a].*", ["survey/b.jpg"]),
        ("s3://sky/survey", ["survey/a.png", "survey/b.jpg", "survey/deep/c.png", "survey/deep/d[1].png"]),
        ("s3://sky/survey/deep/", ["survey/deep/c.png", "survey/deep/d[1].png"]),
        ("s3://sky/survey/readme.txt", ["survey/readme.txt"]),
        ("s3://sky", ["survey/a.png", "survey/b.jpg", "survey/deep/c.png", "survey/deep/d[1].png", "survey2/e.png"]),
        ("s3://sky/survey/*.gif", []),
    ],
)
def test_a_pattern_or_a_prefix_is_listed(word: str, keys: list[str]) -> None:
    assert list(S3Client().find(word)) == [f"s3://sky/{key}" for key in keys]


@pytest.mark.slow
def test_more_keys_than_a_page_are_found(s3: Any) -> None:
    for number in range(1005):
        s3.put_object(Bucket="sky", Key=f"many/{number:04d}.png", Body=b"")
    assert len(list(S3Client().find("s3://sky/many/*.png"))) == 1005


@pytest.mark.usefixtures("survey")
def test_a_collection_reads_objects_as_it_reads_files() -> None:
    collection = Collection(max_bytes=1000)
    images = list(collection.read(collection.find("s3://sky/survey/*.*g")))
    assert images == [(f"s3://sky/{key}", key.encode()) for key in KEYS[:2]]


@pytest.mark.usefixtures("survey")
def test_a_missing_or_large_object_is_an_error_of_that_image() -> None:
    client = S3Client()
    with pytest.raises(ImageError, match="the object cannot be read"):
        client.read("s3://sky/survey/gone.png", max_bytes=1000)
    with pytest.raises(ImageError, match="has 12 bytes, more than the 5 that are allowed"):
        client.read("s3://sky/survey/a.png", max_bytes=5)


def answer_with(code: str, status: int) -> Callable[..., Any]:
    """Return a `get_object` that fails as in S3, since moto checks no credentials."""

    def refuse(**_: str) -> None:
        response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(response, "GetObject")

    return refuse


@pytest.mark.usefixtures("survey")
@pytest.mark.parametrize(
    ("code", "status", "fault"),
    [
        ("AccessDenied", 403, DeniedError),
        ("InvalidObjectState", 403, DeniedError),
        ("NoSuchKey", 404, ImageError),
        ("InvalidAccessKeyId", 403, InputError),
        ("SignatureDoesNotMatch", 403, InputError),
        ("RequestTimeTooSkewed", 403, InputError),
        ("ExpiredToken", 400, InputError),
        ("NoSuchBucket", 404, InputError),
        ("SlowDown", 503, InputError),
    ],
)
def test_errors_other_than_missing_or_denied_objects_end_the_run(
    monkeypatch: pytest.MonkeyPatch, code: str, status: int, fault: type[Exception]
) -> None:
    client = S3Client()
    monkeypatch.setattr(client._client, "get_object", answer_with(code, status))
    with pytest.raises(fault, match=code):
        client.read("s3://sky/survey/a.png", max_bytes=1000)


class Breaking:
    """A stream of bytes that breaks off in the first `times` reads."""

    def __init__(self, s3: Any, times: int) -> None:
        self.get, self.left, self.reads = s3.get_object, times, 0

    def __call__(self, **words: str) -> Any:
        self.reads += 1
        answer = self.get(**words)
        if self.left:
            self.left -= 1
            answer["Body"] = StreamingBody(io.BytesIO(b"surv"), answer["ContentLength"])
        return answer


@pytest.mark.usefixtures("survey")
def test_an_interrupted_read_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    client = S3Client()
    breaking = Breaking(client._client, times=2)
    monkeypatch.setattr(client._client, "get_object", breaking)
    assert client.read("s3://sky/survey/a.png", max_bytes=1000) == b"survey/a.png"
    assert breaking.reads == 3


@pytest.mark.usefixtures("survey")
def test_repeated_interruptions_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sync.importing.s3_client.LONGEST_WAIT_S", 0.0)
    client = S3Client()
    breaking = Breaking(client._client, times=100)
    monkeypatch.setattr(client._client, "get_object", breaking)
    with pytest.raises(InputError, match=r"s3://sky/survey/a\.png cannot be read to its end"):
        client.read("s3://sky/survey/a.png", max_bytes=1000)
    assert breaking.reads == READS


@pytest.mark.usefixtures("survey")
def test_a_missing_bucket_ends_the_run() -> None:
    with pytest.raises(InputError, match="the bucket 'nowhere' cannot be listed"):
        list(S3Client().find("s3://nowhere/*.png"))
    with pytest.raises(InputError, match=r"s3://nowhere/a\.png cannot be read"):
        S3Client().read("s3://nowhere/a.png", max_bytes=1000)


@pytest.mark.usefixtures("s3")
def test_a_service_that_does_not_answer_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("sync.importing.s3_client.ATTEMPTS", 1)
    with pytest.raises(InputError, match="cannot be read"):
        list(Collection(max_bytes=1000).read([Span("s3://sky/survey/a.png")]))


def test_a_parquet_file_in_a_bucket_is_rejected(s3: Any) -> None:
    s3.put_object(Bucket="sky", Key="tables/a.parquet", Body=b"")
    with pytest.raises(InputError, match=r"s3://sky/tables/a\.parquet is a Parquet file in a bucket: copy it"):
        list(Collection(max_bytes=1000).find("s3://sky/tables/*.parquet"))
