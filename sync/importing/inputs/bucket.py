"""Images in an S3 bucket as a source: which keys a word names, and their bytes.

An image that is not there or may not be read is that image's fault; a bucket that does not answer, or refuses whoever asks, is
everybody's, and ends the work instead of marking a million images as unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from sync.errors.images import ImageError
from sync.images.decode import IMAGE_SUFFIXES
from sync.importing.inputs.item import InputError

__all__ = ["SCHEME", "Buckets", "DeniedError"]

SCHEME = "s3://"
ATTEMPTS = 6
"""Of a request; boto3 waits twice as long before each."""
READS = 4
"""Of an object whose bytes broke off on their way: boto3 repeats a request, but not the reading of its answer."""
LONGEST_WAIT_S = 5.0
CONNECTIONS = 16
NOT_FOUND = 404
DENIED = frozenset({"AccessDenied", "InvalidObjectState"})
"""Codes of an object that may not be read, or lies in an archive; other refusals (InvalidAccessKeyId, ExpiredToken,
RequestTimeTooSkewed …) are of whoever asks."""
_WILD = re.compile(r"[*?\[]")


class DeniedError(ImageError):
    """An object that may not be read: where all are, the fault is not theirs."""


class _BrokenOffError(InputError):
    """An object whose bytes did not all come."""


class Buckets:
    """Buckets, read with the credentials, region and endpoint that boto3 finds (environment, profile, role).

    Raises
    ------
    SourceError
        If boto3 is not installed.
    """

    def __init__(self) -> None:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
            from urllib3.exceptions import HTTPError
        except ModuleNotFoundError as error:
            raise InputError("images in S3 need boto3: pip install 'galaxyloop[s3]'") from error
        self._refused = ClientError
        self._failed = BotoCoreError
        self._broken_off = (BotoCoreError, HTTPError, OSError)
        retries = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, max_pool_connections=CONNECTIONS)
        try:
            self._s3: Any = boto3.client("s3", config=retries)
        except (BotoCoreError, ValueError) as error:
            raise InputError(f"S3 cannot be used: {error}") from error

    def find(self, word: str) -> Iterator[str]:
        """Give the addresses of the images that a word names, in the order of their keys, without holding them.

        Parameters
        ----------
        word : str
            `s3://bucket/prefix`: all images below; or a pattern, in which `*` stands for anything but `/`, `**` for any
            folders, `?` for one character and `[abc]` for one of several.

        Raises
        ------
        SourceError
            If the bucket does not answer, or is not there.
        """
        bucket, _, rest = word.removeprefix(SCHEME).partition("/")
        wild = _WILD.search(rest)
        wanted = re.compile(_as_regex(rest)) if wild else None
        prefix = rest[: wild.start()] if wild else rest
        try:
            for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                for key in (item["Key"] for item in page.get("Contents", ())):
                    if wanted.fullmatch(key) if wanted else key == rest or _is_image_below(key, rest):
                        yield f"{SCHEME}{bucket}/{key}"
        except (self._refused, self._failed, ValueError) as error:
            raise InputError(f"the bucket {bucket!r} cannot be listed: {error}") from error

    def read(self, address: str, *, max_bytes: int) -> bytes:
        """Read an object.

        Raises
        ------
        DeniedError
            If this object may not be read.
        ImageError
            If it is not there, or too large.
        SourceError
            If the bucket does not answer, or refuses the credentials; or if the object breaks off again and again.
        """
        attempts = Retrying(
            retry=retry_if_exception_type(_BrokenOffError),
            stop=stop_after_attempt(READS),
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT_S),
            reraise=True,
        )
        return attempts(self._read, address, max_bytes)

    def _read(self, address: str, max_bytes: int) -> bytes:
        bucket, _, key = address.removeprefix(SCHEME).partition("/")
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key)
        except self._refused as error:
            raise _as_ours(error, error.response, address) from error
        except self._failed as error:
            raise InputError(f"{address} cannot be read: {error}") from error
        size = int(found["ContentLength"])
        if size > max_bytes:
            found["Body"].close()
            raise ImageError(f"the object has {size} bytes, more than the {max_bytes} that are allowed")
        try:
            content: bytes = found["Body"].read()
        except self._broken_off as error:
            raise _BrokenOffError(f"{address} cannot be read to its end: {error}") from error
        return content


def _as_ours(error: Exception, response: dict[str, Any], address: str) -> ImageError | InputError:
    """Say whose fault a refusal is."""
    code = response.get("Error", {}).get("Code")
    if code in DENIED:
        return DeniedError(f"the object cannot be read: {error}")
    if response.get("ResponseMetadata", {}).get("HTTPStatusCode") == NOT_FOUND and code != "NoSuchBucket":
        return ImageError(f"the object cannot be read: {error}")
    return InputError(f"{address} cannot be read: {error}")


def _is_image_below(key: str, prefix: str) -> bool:
    below = not prefix or prefix.endswith("/") or key.startswith(f"{prefix}/")
    return below and any(key.lower().endswith(suffix) for suffix in IMAGE_SUFFIXES)


def _as_regex(pattern: str) -> str:
    """Write a pattern as `glob` reads it, but over a whole key, as a regular expression."""
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
