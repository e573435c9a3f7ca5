"""The S3 storage against moto's server: keys, bytes and types; and the error message of a missing bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sync.importing.storage.s3 import S3, Bucket
from sync.importing.storage.stored import StorageError, StoredFile
from sync.label_studio.client import LabelStudioClient


@pytest.fixture
def client() -> Iterator[LabelStudioClient]:
    """Return a client without a Label Studio, which science values do not need."""
    with LabelStudioClient("http://127.0.0.1:1", "a-legacy-token", patience_s=0.1) as client:
        yield client


def test_a_file_is_stored_below_its_project_with_its_type(s3: Any, client: LabelStudioClient) -> None:
    storage = S3(client, 7, bucket=Bucket("sky"))
    reference = storage.put_science(StoredFile("abc.fits", b"science"))
    assert storage.put_science(StoredFile("abc.fits", b"science")) == reference == "s3://sky/galaxyloop/7/abc.fits"
    (entry,) = s3.list_objects_v2(Bucket="sky")["Contents"]
    assert entry["Key"] == "galaxyloop/7/abc.fits"
    s3_object = s3.get_object(Bucket="sky", Key=entry["Key"])
    assert (s3_object["Body"].read(), s3_object["ContentType"]) == (b"science", "image/fits")


@pytest.mark.usefixtures("s3")
def test_a_missing_bucket_is_named(client: LabelStudioClient) -> None:
    with pytest.raises(StorageError, match=r"the bucket 'nowhere' does not accept galaxyloop/7/abc\.fits"):
        S3(client, 7, bucket=Bucket("nowhere")).put_science(StoredFile("abc.fits", b""))
