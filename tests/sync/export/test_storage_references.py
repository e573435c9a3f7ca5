"""References to a bucket can be fetched during an export, and its files contain them as in the project."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sync.export.storage_references import as_fetched, as_stored
from sync.images.url_policy import Policy

REFERENCES = st.builds("{}://sky/{}".format, st.sampled_from(["s3", "gs", "azure-blob"]), st.text(min_size=1))
TEXTS = st.text() | REFERENCES
DATA = st.dictionaries(
    st.text(), TEXTS | st.lists(TEXTS | st.integers()) | st.integers() | st.none() | st.just({"a": ["s3://b/c"]})
)


@given(DATA)
def test_a_storage_reference_survives_the_round_trip(data: dict[str, Any]) -> None:
    assert as_stored(as_fetched(data, task=7)) == data


@given(REFERENCES)
def test_the_url_policy_allows_the_address(reference: str) -> None:
    (address,) = as_fetched({"image": reference}, task=7).values()
    target = Policy("http://studio.example.org").target(address)
    assert target.trusted
    assert target.url.startswith("http://studio.example.org/tasks/7/resolve/?fileuri=")


def test_other_references_and_texts_are_unchanged() -> None:
    data = {"image": "/data/upload/1/a.png", "url": "https://example.org/a.png", "note": "see s3://sky/a.png", "ra": 1.5}
    assert as_fetched(data, task=7) == data
    assert as_stored(as_fetched({"image": "s3://sky/\ud800"}, task=7)) == {"image": "s3://sky/\ud800"}
    assert as_stored({**data, "odd": "/tasks/7/resolve/?fileuri=%"}) == {**data, "odd": "/tasks/7/resolve/?fileuri=%"}


def test_the_pages_of_an_image_are_converted_one_by_one() -> None:
    data = as_fetched({"pages": ["s3://sky/a.png", "/data/upload/1/b.png"]}, task=7)
    assert data == {"pages": ["/tasks/7/resolve/?fileuri=czM6Ly9za3kvYS5wbmc=", "/data/upload/1/b.png"]}
