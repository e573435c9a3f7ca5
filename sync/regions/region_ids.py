"""Ids of imported regions: hashes of the content, so that a repeated import creates the same regions."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence

from sync.controls.region import Region

__all__ = ["unique_ids", "with_stable_id"]

ID_CHARACTERS = 16


def with_stable_id(region: Region) -> Region:
    """Return a region with an id that is a hash of its control, its image tag and its value."""
    content = json.dumps({key: region[key] for key in ("from_name", "to_name", "value")}, sort_keys=True, separators=(",", ":"))
    return {**region, "id": hashlib.sha256(content.encode()).hexdigest()[:ID_CHARACTERS]}


def unique_ids(regions: Sequence[Region]) -> list[Region]:
    """Return regions with unique ids: repeated ids get a number as suffix."""
    times: Counter[str] = Counter()
    unique = []
    for region in regions:
        number = times[region["id"]]
        times[region["id"]] += 1
        unique.append(region if not number else {**region, "id": f"{region['id'][:12]}{number:04d}"})
    return unique
