"""Images in an S3 bucket as a source: which keys a word names, and their bytes.

An image that is not there or may not be read is that image's fault; a bucket that does not answer is everybody's, and ends the
work instead of marking a million images as unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sync.images.decode import IMAGE_SUFFIXES
from sync.images.errors import ImageError
from sync.sources.item import SourceError

__all__ = ["SCHEME", "Buckets"]

SCHEME = "s3://"
ATTEMPTS = 6
"""Of a request; boto3 waits twice as long before each."""
CONNECTIONS = 16
ONES_OWN_FAULT = frozenset({403, 404})
"""HTTP status of an object that may not be read, or is not there."""
_WILD = re.compile(r"[*?\[]")


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
        except ModuleNotFoundError as error:
            raise SourceError("images in S3 need boto3: pip install 'galaxyloop[s3]'") from error
        self._refused = ClientError
        self._failed = BotoCoreError
        retries = Config(retries={"mode": "standard", "total_max_attempts": ATTEMPTS}, max_pool_connections=CONNECTIONS)
        try:
            self._s3: Any = boto3.client("s3", config=retries)
        except (BotoCoreError, ValueError) as error:
            raise SourceError(f"S3 cannot be used: {error}") from error

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
            raise SourceError(f"the bucket {bucket!r} cannot be listed: {error}") from error

    def read(self, address: str, *, max_bytes: int) -> bytes:
        """Read an object.

        Raises
        ------
        ImageError
            If this object is not there, may not be read, or is too large.
        SourceError
            If the bucket does not answer.
        """
        bucket, _, key = address.removeprefix(SCHEME).partition("/")
        try:
            found = self._s3.get_object(Bucket=bucket, Key=key)
            size = int(found["ContentLength"])
            if size > max_bytes:
                raise ImageError(f"the object has {size} bytes, more than the {max_bytes} that are allowed")
            content: bytes = found["Body"].read()
        except self._refused as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status in ONES_OWN_FAULT and error.response["Error"].get("Code") != "NoSuchBucket":
                raise ImageError(f"the object cannot be read: {error}") from error
            raise SourceError(f"{address} cannot be read: {error}") from error
        except self._failed as error:
            raise SourceError(f"{address} cannot be read: {error}") from error
        return content


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
