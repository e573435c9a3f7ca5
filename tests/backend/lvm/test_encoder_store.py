"""The store of encoders: each is copied once, named by its files, and opened without the folder that it came from."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from backend.images.store import StoredImage
from backend.lvm.checkpoint import SHIPPED_CHECKPOINT, CheckpointError, fingerprint, load_model, save_model
from backend.lvm.encoder_store import EncoderStore
from backend.lvm.joined_embeddings import JoinedEmbeddings, WrongEncoderError
from sync.errors.images import ImageError
from sync.files.cache import MemoryCache
from tests.small_encoders import save_encoder


@pytest.fixture
def store(tmp_path: Path) -> EncoderStore:
    return EncoderStore(tmp_path / "encoders")


def image(key: str, seed: int = 0) -> StoredImage:
    image = StoredImage(key, bytes, 10**6)
    image.__dict__["pixels"] = np.random.default_rng(seed).random((80, 80, 3), np.float32)
    return image


def test_an_encoder_is_opened_after_its_folder_is_gone(store: EncoderStore, tmp_path: Path) -> None:
    spec = save_encoder(tmp_path / "mine")
    entry = store.add(spec)
    assert (entry.spec, entry.kind, entry.dimension, entry.image_px) == (spec, "timm", 32, 64)
    shutil.rmtree(tmp_path / "mine")
    embeddings = EncoderStore(store.folder).open(entry.fingerprint, MemoryCache(max_bytes=10**6))
    assert embeddings.of([image("a"), image("b", 1)], ["", ""]).shape == (2, 32)
    assert store.find(spec) == store.get(entry.fingerprint) == entry


def test_equal_encoders_are_stored_once_and_others_beside_them(store: EncoderStore, tmp_path: Path) -> None:
    first, second = save_encoder(tmp_path / "a"), save_encoder(tmp_path / "b", seed=1)
    assert store.add(first).fingerprint == store.add(first).fingerprint != store.add(second).fingerprint
    assert [encoder.spec for encoder in store.encoders()] == [first, second]


@pytest.mark.slow
def test_a_checkpoint_of_ours_and_the_shipped_one(store: EncoderStore, tmp_path: Path) -> None:
    whole, classifier = store.shipped_encoders
    assert store.add("shipped") == store.find("shipped") == store.get(whole.fingerprint) == whole
    assert store.add(str(SHIPPED_CHECKPOINT)) == store.find("shipped-classifier") == classifier
    assert classifier.fingerprint == fingerprint(SHIPPED_CHECKPOINT) != whole.fingerprint
    embedders = [store.embedder(each.fingerprint) for each in store.shipped_encoders]
    assert [each.dimension for each in embedders if each] == [2108, 1280]
    assert store.encoders() == []
    encoder, decoder = load_model(SHIPPED_CHECKPOINT)
    next(encoder.parameters()).data *= 1.01
    save_model(encoder, decoder, tmp_path / "own.safetensors", training={})
    entry = store.add(str(tmp_path / "own.safetensors"))
    assert (entry.kind, entry.dimension, entry.image_px) == ("galaxyloop", 1280, 96)
    assert store.open(entry.fingerprint, MemoryCache(max_bytes=10**6)).dimension == 1280


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("local-dir:/nowhere/encoder", "there is no folder /nowhere/encoder"),
        ("/nowhere/encoder.safetensors", "there is no such file"),
        ("hf_hub:zoobot", "names no repository of the Hugging Face Hub: write hf_hub:OWNER/NAME"),
        ("hf_hub:", "names no repository"),
        ("shiped", "is unknown: did you mean shipped?"),
        ("convnext_nanno", "is unknown: did you mean convnext_nano"),
        ("of_nobody", "is unknown: write hf_hub:OWNER/NAME, local-dir:FOLDER, a name of timm"),
        ("https://example.com/encoder", "is unknown"),
        ("/", "is a folder: write local-dir:/"),
        (__file__, "is not a safetensors file: galaxyloop reads no pickle"),
    ],
)
def test_a_specification_of_nothing_is_named(spec: str, reason: str, store: EncoderStore) -> None:
    with pytest.raises(CheckpointError) as error:
        store.add(spec)
    assert str(error.value).startswith(f"the encoder {spec} ")
    assert reason in str(error.value)
    assert store.encoders() == []


def test_a_bad_encoder_leaves_the_store_unchanged(store: EncoderStore, tmp_path: Path) -> None:
    spec = save_encoder(tmp_path / "mine", in_chans=5)
    with pytest.raises(CheckpointError, match=f"^the encoder {spec} cannot be used: it expects images of 5 channels"):
        store.add(spec)
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize("spec", ["hf_hub:mwalmsley/zoobot-encoder-convnext_nano", "convnext_nano.in12k_ft_in1k"])
def test_without_a_network_the_hub_is_named(spec: str, store: EncoderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise LocalEntryNotFoundError("cannot find the requested files\nin the local cache")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(CheckpointError, match=r"^[^\n]*cannot be downloaded from the Hugging Face Hub[^\n]*local-dir:FOLDER$"):
        store.add(spec)


def test_without_a_network_the_attempts_of_the_hub_are_not_printed(
    store: EncoderStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> str:
        logging.getLogger("huggingface_hub.utils._http").warning("Retrying in 1s [Retry 1/5].")
        raise LocalEntryNotFoundError("cannot find the requested files")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    with pytest.raises(CheckpointError):
        store.add("hf_hub:mwalmsley/zoobot-encoder-convnext_nano")
    assert not caplog.records


def test_a_failure_of_the_setting_is_not_tried_again_at_once(store: EncoderStore, tmp_path: Path) -> None:
    spec = f"local-dir:{tmp_path / 'later'}"
    with pytest.raises(CheckpointError, match="there is no folder"):
        store.resolve(spec)
    save_encoder(tmp_path / "later")
    with pytest.raises(CheckpointError, match="there is no folder"):
        store.resolve(spec)
    second_store = EncoderStore(store.folder)
    assert second_store.resolve(spec) == second_store.resolve(spec) == store.find(spec)


def test_changed_files_are_not_used(store: EncoderStore, tmp_path: Path) -> None:
    entry = store.add(save_encoder(tmp_path / "mine"))
    save_encoder(store.folder / entry.fingerprint, seed=1)
    with pytest.raises(CheckpointError, match="were changed: add it again"):
        store.open(entry.fingerprint, MemoryCache(max_bytes=10**6))


def test_imported_embeddings_are_found_by_reference(store: EncoderStore) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    entry = store.add_vectors("vectors.parquet", ["/a.png", "/b.png"], vectors)
    embeddings = store.open(entry.fingerprint, MemoryCache(max_bytes=10**6))
    # Each number is divided by its standard deviation.
    assert embeddings.of([image("b"), image("a")], ["/b.png", "/a.png"]).tolist() == (vectors[::-1] / 1.5).tolist()
    assert embeddings.read_cached("", "/c.png") is None
    with pytest.raises(ImageError, match=r"the imported embeddings have none of /c\.png"):
        embeddings.of([image("c")], ["/c.png"])


def test_joined_embeddings_give_each_head_the_columns_of_its_encoder(store: EncoderStore, tmp_path: Path) -> None:
    cache = MemoryCache(max_bytes=10**6)
    entry = store.add(save_encoder(tmp_path / "mine"))
    embeddings = store.add_vectors("vectors.parquet", ["/a.png"], np.ones((1, 3), np.float32))
    sources = {encoder.fingerprint: store.open(encoder.fingerprint, cache) for encoder in (entry, embeddings)}
    joined_embeddings = JoinedEmbeddings(sources)
    assert joined_embeddings.read_cached("a", "/a.png") is None
    rows = joined_embeddings.of([image("a")], ["/a.png"])
    assert rows.shape == (1, 35)
    assert joined_embeddings.columns.read(rows, embeddings.fingerprint).tolist() == [[1, 1, 1]]
    with_first = JoinedEmbeddings(sources, firsts={"first": (embeddings.fingerprint, 2)})
    assert with_first.dimension == 35
    assert with_first.columns.read(rows, "first").tolist() == [[1, 1]]
    row = joined_embeddings.read_cached("a", "/a.png")
    assert row is not None
    assert row.tolist() == rows[0].tolist()
    with pytest.raises(
        WrongEncoderError, match=rf"stands on the encoder 00ff, and .* from {entry.fingerprint} and {embeddings.fingerprint}"
    ):
        joined_embeddings.columns.read(rows, "00ff")
