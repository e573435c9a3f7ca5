"""Client for S3: lists, reads and writes objects.

A missing or forbidden object fails that image only. A bucket that does not respond, or that rejects the credentials, ends the
run; otherwise every image would be listed as unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from sync.errors.images import ImageError
from sync.images.decode import IMAGE_SUFFIXES
from sync.importing.inputs.item import InputError
from sync.importing.storage.stored import StorageError

__all__ = ["SCHEME", "DeniedError", "S3Client"]

SCHEME = "s3://"
ATTEMPTS = 6
"""Attempts per request; boto3 doubles the wait before each."""
READS = 4
"""Attempts to read an object; boto3 retries requests, but not interrupted responses."""
LONGEST_WAIT_S = 5.0
CONNECTIONS = 16
NOT_FOUND = 404
DENIED = frozenset({"AccessDenied", "InvalidObjectState"})
"""Error codes of one object that is forbidden or archived; other codes (InvalidAccessKeyId, ExpiredToken,
RequestTimeTooSkewed …) concern the credentials."""
_WILD = re.compile(r"[*?\[]")


class DeniedError(ImageError):
    """Access to an object is denied. If all objects are denied, the credentials are the cause."""


class _BrokenOffError(InputError):
    """An object whose bytes were not received completely."""


class S3Client:
    """S3 client with the credentials, region and endpoint of boto3's configuration (environment, profile, role).

    Raises
    ------
    InputError
        If boto3 is not installed or cannot be configured.
    """

    def __init__(self) -> None:
        try:
            import boto3
            from boto3.exceptions import Boto3Error
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
            from urllib3.exceptions import HTTPError
        except ModuleNotFoundError as error:
            raise InputError("S3 needs boto3: install galaxyloop[s3]") from error
        self._refusal = ClientError
        self._failures = (Boto3Error, BotoCoreError)
        self._broken_off = (BotoCoreError, HTTPError, OSError)
        retries = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, max_pool_connections=CONNECTIONS)
        try:
            self._client: Any = boto3.client("s3", config=retries)
        except (BotoCoreError, ValueError) as error:
            raise InputError(f"S3 cannot be used: {error}") from error

    @property
    def region(self) -> str:
        """Name of the region."""
        return str(self._client.meta.region_name)

    @property
    def endpoint(self) -> str:
        """URL of the service."""
        return str(self._client.meta.endpoint_url)

    def find(self, pattern: str, suffixes: Collection[str] = IMAGE_SUFFIXES) -> Iterator[str]:
        """Yield the addresses of objects in the order of their keys.

        Parameters
        ----------
        pattern : str
            `s3://bucket/prefix` for that object and the objects below the prefix, or a pattern in which `*` matches any
            characters but `/`, `**` any folders, `?` one character and `[abc]` one of the listed characters.
        suffixes : collection of str
            Suffixes of the objects that are taken from below a prefix, in lower case; those of images by default.

        Raises
        ------
        InputError
            If the bucket does not respond or does not exist.
        """
        bucket, _, pattern_of_keys = pattern.removeprefix(SCHEME).partition("/")
        wild = _WILD.search(pattern_of_keys)
        expression = re.compile(_translate_pattern(pattern_of_keys)) if wild else None
        prefix = pattern_of_keys[: wild.start()] if wild else pattern_of_keys
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for key in (entry["Key"] for entry in page.get("Contents", ())):
                    if (
                        expression.fullmatch(key)
                        if expression
                        else key == pattern_of_keys or _is_below(key, pattern_of_keys, suffixes)
                    ):
                        yield f"{SCHEME}{bucket}/{key}"
        except (self._refusal, *self._failures, ValueError) as error:
            raise InputError(f"the bucket {bucket!r} cannot be listed: {error}") from error

    def read(self, address: str, *, max_bytes: int) -> bytes:
        """Read an object.

        Raises
        ------
        DeniedError
            If access to the object is denied.
        ImageError
            If it does not exist or is larger than `max_bytes`.
        InputError
            If the bucket does not respond or rejects the credentials, or the transfer is interrupted repeatedly.
        """
        attempts = Retrying(
            retry=retry_if_exception_type(_BrokenOffError),
            stop=stop_after_attempt(READS),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT_S),
            reraise=True,
        )
        return attempts(self._read, address, max_bytes)

    def write(self, bucket: str, key: str, content: bytes, *, content_type: str) -> str:
        """Write an object and return its address.

        Raises
        ------
        StorageError
            If the bucket does not accept it.
        """
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=content, ContentType=content_type)
        except (self._refusal, *self._failures) as error:
            raise StorageError(f"the bucket {bucket!r} does not accept {key}: {error}") from error
        return f"{SCHEME}{bucket}/{key}"

    def _read(self, address: str, max_bytes: int) -> bytes:
        bucket, _, key = address.removeprefix(SCHEME).partition("/")
        try:
            answer = self._client.get_object(Bucket=bucket, Key=key)
        except self._refusal as error:
            raise _classify_refusal(error, error.response, address) from error
        except self._failures as error:
            raise InputError(f"{address} cannot be read: {error}") from error
        size = int(answer["ContentLength"])
        if size > max_bytes:
            answer["Body"].close()
            raise ImageError(f"the object has {size} bytes, more than the {max_bytes} that are allowed")
        try:
            content: bytes = answer["Body"].read()
        except self._broken_off as error:
            raise _BrokenOffError(f"{address} cannot be read to its end: {error}") from error
        return content


def _classify_refusal(error: Exception, response: dict[str, Any], address: str) -> ImageError | InputError:
    """Return ImageError for an error of one object, or InputError for one that ends the run."""
    code = response.get("Error", {}).get("Code")
    if code in DENIED:
        return DeniedError(f"the object cannot be read: {error}")
    if response.get("ResponseMetadata", {}).get("HTTPStatusCode") == NOT_FOUND and code != "NoSuchBucket":
        return ImageError(f"the object cannot be read: {error}")
    return InputError(f"{address} cannot be read: {error}")


def _is_below(key: str, prefix: str, suffixes: Collection[str]) -> bool:
    below = not prefix or prefix.endswith("/") or key.startswith(f"{prefix}/")
    return below and any(key.lower().endswith(suffix) for suffix in suffixes)


def _translate_pattern(pattern: str) -> str:
    """Return the regular expression that matches whole keys as `glob` matches the pattern."""
    parts = []
    for part in re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern):
        if part in ("**/", "**"):
            parts.append("(?:.*/)?" if part == "**/" else ".*")
        elif part == "*":
            parts.append("[^/]*")
        elif part == "?":
            parts.append("[^/]")
        elif part.startswith("[") and part.endswith("]"):
            parts.append("[" + part[1:-1].replace("\\", r"\\").replace("!", "^", 1) + "]" if part[1] == "!" else part)
        else:
            parts.append(re.escape(part))
    return "".join(parts)
