"""The cache: bytes by key on disk, complete or absent, bounded in size; the least recently used entry is deleted first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.files.cache import CHECKED, TOUCH_EVERY_S, UNFINISHED_FOR_S, FileCache, MemoryCache, key_of

parts = st.lists(st.one_of(st.text(), st.binary()), max_size=5)


@pytest.fixture
def cache(tmp_path: Path) -> FileCache:
    return FileCache(tmp_path / "cache", max_bytes=10_000)


def stored_files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def file_of(folder: Path, key: str) -> Path:
    return folder / "cache" / key[:2] / (key + CHECKED)


def unused_for(folder: Path, key: str, seconds: float) -> None:
    past = time.time() - seconds
    os.utime(file_of(folder, key), (past, past))


def encode_parts(parts: list[str | bytes]) -> list[bytes]:
    return [part.encode() if isinstance(part, str) else part for part in parts]


@given(parts, parts)
def test_different_parts_have_different_keys(first: list[str | bytes], second: list[str | bytes]) -> None:
    assert (key_of(*first) == key_of(*second)) == (encode_parts(first) == encode_parts(second))


def test_the_boundaries_of_parts_change_the_key() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")


@given(value=st.binary(max_size=500))
def test_a_stored_value_is_returned(tmp_path_factory: pytest.TempPathFactory, value: bytes) -> None:
    cache = FileCache(tmp_path_factory.getbasetemp() / "shared-cache", max_bytes=10**9)
    cache.put(key_of(value), value)
    assert cache.get(key_of(value)) == value


def test_an_unknown_key_is_missing(cache: FileCache) -> None:
    assert cache.get(key_of("nothing")) is None


def test_another_process_reads_a_stored_value(cache: FileCache, tmp_path: Path) -> None:
    cache.put(key_of("a"), b"one")
    assert FileCache(tmp_path / "cache", max_bytes=1).get(key_of("a")) == b"one"


def test_concurrent_reads_see_complete_values(cache: FileCache) -> None:
    key, values = key_of("contested"), [bytes([letter]) * 5000 for letter in range(8)]
    cache.put(key, values[0])
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(cache.put, key, value) for value in values * 10]
        reads = [pool.submit(cache.get, key) for _ in range(200)]
    assert all(write.exception() is None for write in writes)
    assert {read.result() for read in reads} <= set(values)


def test_only_the_rests_of_ended_writes_are_evicted(cache: FileCache, tmp_path: Path) -> None:
    cache.put(key_of("a"), b"one")
    written_file, ended_file = (file_of(tmp_path, key_of("a")).with_name(name) for name in (".written", ".ended"))
    written_file.write_bytes(bytes(20_000))
    ended_file.write_bytes(bytes(20_000))
    past = time.time() - UNFINISHED_FOR_S - 1
    os.utime(ended_file, (past, past))
    cache.evict()
    assert sorted(stored_files(tmp_path)) == sorted([written_file, file_of(tmp_path, key_of("a"))])


def test_a_write_leaves_no_temporary_file(cache: FileCache, tmp_path: Path) -> None:
    cache.put(key_of("a"), b"one")
    cache.put(key_of("a"), b"two")
    assert stored_files(tmp_path) == [file_of(tmp_path, key_of("a"))]


def test_a_small_cache_keeps_everything(cache: FileCache) -> None:
    for name in "abc":
        cache.put(key_of(name), bytes(1000))
    cache.evict()
    assert all(cache.get(key_of(name)) for name in "abc")


def test_the_least_recently_used_value_is_evicted_first(cache: FileCache, tmp_path: Path) -> None:
    roomy = FileCache(tmp_path / "cache", max_bytes=100_000)
    for age, name in enumerate("abcd"):
        roomy.put(key_of(name), bytes(2900))
        unused_for(tmp_path, key_of(name), 100 * (4 - age))
    cache.evict()
    assert [name for name in "abcd" if cache.get(key_of(name)) is None] == ["a"]


def test_reading_counts_as_use(cache: FileCache, tmp_path: Path) -> None:
    roomy = FileCache(tmp_path / "cache", max_bytes=100_000)
    for age, name in enumerate("abcd"):
        roomy.put(key_of(name), bytes(2900))
        unused_for(tmp_path, key_of(name), TOUCH_EVERY_S * (5 - age))
    cache.get(key_of("a"))
    cache.evict()
    assert [name for name in "abcd" if cache.get(key_of(name)) is None] == ["b"]


@pytest.mark.parametrize("bytes_each", [pytest.param(20, marks=pytest.mark.slow), 400, 3000])
def test_the_size_exceeds_the_limit_by_at_most_a_tenth(cache: FileCache, tmp_path: Path, bytes_each: int) -> None:
    other = FileCache(tmp_path / "cache", max_bytes=10_000)
    for number in range(60_000 // bytes_each):
        (cache, other)[number % 2].put(key_of(str(number)), bytes(bytes_each))
        if number % 10 == 0:
            assert sum(file.stat().st_size for file in stored_files(tmp_path)) <= 11_000 + bytes_each


def test_a_process_that_writes_one_value_measures_the_cache(tmp_path: Path) -> None:
    for number in range(30):
        FileCache(tmp_path / "cache", max_bytes=10_000).put(key_of(str(number)), bytes(1000))
    assert sum(file.stat().st_size for file in stored_files(tmp_path)) <= 11_000


def test_a_value_larger_than_the_cache_is_not_kept(cache: FileCache) -> None:
    cache.put(key_of("small"), b"kept")
    cache.put(key_of("large"), bytes(10_001))
    assert (cache.get(key_of("small")), cache.get(key_of("large"))) == (b"kept", None)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: b"",
        lambda content: bytes(len(content)),
        lambda content: content[:20] + b"x" + content[21:],
    ],
)
def test_a_damaged_value_is_missing_and_can_be_put_again(
    cache: FileCache, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    key = key_of("a")
    cache.put(key, b"a value of some length")
    file = file_of(tmp_path, key)
    file.write_bytes(damage(file.read_bytes()))
    assert cache.get(key) is None
    cache.put(key, b"a value of some length")
    assert cache.get(key) == b"a value of some length"


def test_a_value_of_a_release_without_checksums_is_read(cache: FileCache, tmp_path: Path) -> None:
    key = key_of("a")
    cache.put(key, b"new")
    file_of(tmp_path, key).rename(file_of(tmp_path, key).with_name(key))
    file_of(tmp_path, key).with_name(key).write_bytes(b"old")
    assert cache.get(key) == b"old"


def test_an_unwritable_cache_returns_its_values_and_warns_once(
    cache: FileCache, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.put(key_of("a"), b"one")
    folder = tmp_path / "cache" / key_of("b")[:2]
    folder.write_text("a file where a folder is needed")
    cache.put(key_of("b"), b"two")
    cache.put(key_of("b"), b"two")
    assert (cache.get(key_of("a")), cache.get(key_of("b"))) == (b"one", None)
    assert [record.message.split()[0] for record in caplog.records] == ["event=cache_not_usable"]


def test_two_processes_may_evict_at_the_same_time(cache: FileCache, tmp_path: Path) -> None:
    for number in range(100):
        cache.put(key_of(str(number)), bytes(1000))
    caches = [FileCache(tmp_path / "cache", max_bytes=10_000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert [future.exception() for future in [pool.submit(cache.evict) for cache in caches]] == [None] * 4


def test_a_memory_cache_evicts_the_least_recently_used_value() -> None:
    cache = MemoryCache(max_bytes=100)
    for name in ("a", "b"):
        cache.put(name, bytes(40))
    assert cache.get("a") == bytes(40)
    cache.put("c", bytes(40))
    assert [cache.get(name) is not None for name in "abc"] == [True, False, True]


def test_a_memory_cache_counts_a_replaced_value_once() -> None:
    cache = MemoryCache(max_bytes=100)
    for _ in range(5):
        cache.put("a", bytes(60))
    cache.put("b", bytes(40))
    assert cache.get("a") is not None
    cache.put("large", bytes(101))
    assert cache.get("large") is None
