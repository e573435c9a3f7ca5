"""The registry: versions are stored completely or not at all, and one of them is live."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from backend.jobs.lease import hold_lease
from backend.registry.database import open_database
from backend.registry.records import LeaseLostError, PinnedError, RegistryError, new_version_name, version_number
from backend.registry.store import Registry
from backend.services import Services

pytestmark = pytest.mark.databases

CONFIG, OTHER_CONFIG = "<View>one</View>", "<View>other</View>"


@pytest.fixture
def registry(services: Services) -> Registry:
    services.registry.register_project(7, label_config=CONFIG, extra_params=None)
    return services.registry


def write(
    registry: Registry, *, fingerprint: str = "abc", content: str = "heads", config: str = CONFIG, holder: str | None = None
) -> int:
    with registry.create_version(7, label_config=config, fingerprint=fingerprint, learned_from=12, holder=holder) as (
        folder,
        number,
    ):
        (folder / "heads.json").write_text(content)
    return number


def verdicts(registry: Registry) -> dict[str, str]:
    """Return verdicts by the number part of the version's name."""
    return {version.name.partition("-")[0]: version.verdict for version in registry.versions(7)}


# -- projects --


def test_the_base_version_of_a_new_project_is_live(registry: Registry) -> None:
    assert registry.project(7).live_version == 1
    assert verdicts(registry) == {"v0001": "base"}


def test_an_unknown_project_is_named_in_the_error(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="project 8 is not registered here: attach"):
        registry.project(8)


def test_a_second_registration_updates_only_the_config(registry: Registry) -> None:
    registry.promote(7, write(registry))
    project = registry.register_project(7, label_config=OTHER_CONFIG, extra_params=None)
    assert (project.live_version, project.label_config) == (2, OTHER_CONFIG)


def test_extra_params_are_kept_if_a_request_has_none(registry: Registry) -> None:
    registry.register_project(7, label_config=CONFIG, extra_params={"batch": 25})
    assert registry.register_project(7, label_config=OTHER_CONFIG, extra_params=None).extra_params == {"batch": 25}
    assert registry.register_project(7, label_config=OTHER_CONFIG, extra_params={}).extra_params == {}


def test_registering_an_unchanged_project_writes_nothing(registry: Registry) -> None:
    statements: list[str] = []
    event.listen(registry.engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    registry.register_project(7, label_config=CONFIG, extra_params={})
    assert {statement.split()[0] for statement in statements} == {"SELECT"}


def test_many_threads_can_register_a_project_at_the_same_time(services: Services) -> None:
    registry = services.registry
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(registry.register_project, 8, label_config=CONFIG, extra_params={"batch": 3}) for _ in range(64)]
    assert {future.result().live_version for future in futures} == {1}
    assert [version.number for version in registry.versions(8)] == [1]
    assert registry.project(8).live_name == registry.versions(8)[0].name


# -- versions --


def test_a_version_is_a_folder_and_a_row_with_its_origin(registry: Registry) -> None:
    number = write(registry, fingerprint="f1")
    version = registry.version(7, number)
    assert (version.number, version.verdict, version.fingerprint, version.learned_from) == (2, "trained", "f1", 12)
    assert (registry.path(7, number) / "heads.json").read_text() == "heads"


def test_version_numbers_increase_and_are_not_reused(registry: Registry) -> None:
    numbers = [write(registry) for _ in range(3)]
    registry.reject(7, numbers[-1], evidence={})
    assert [*numbers, write(registry)] == [2, 3, 4, 5]


def test_a_failed_version_leaves_no_row_and_no_folder(registry: Registry) -> None:
    with (
        suppress(OSError),
        registry.create_version(7, label_config=CONFIG, fingerprint="f", learned_from=1) as (folder, number),
    ):
        (folder / "heads.json").write_text("half")
        raise OSError("No space left on device")
    assert not registry.path(7, number).exists()
    assert verdicts(registry) == {"v0001": "base"}


def test_leftovers_of_a_killed_training_are_deleted_by_the_next(registry: Registry) -> None:
    home = registry.path(7, 2).parent
    (home / ".unfinished-killed").mkdir(parents=True)
    (home / "v0002").mkdir()  # moved, but killed before its row was written
    (home / "v0002" / "stale.safetensors").write_text("from the killed run")
    assert write(registry) == 2
    assert sorted(file.name for file in home.iterdir()) == ["v0002"]
    assert sorted(file.name for file in (home / "v0002").iterdir()) == ["heads.json", "version.json"]


def test_an_unknown_version_raises_an_error(registry: Registry) -> None:
    with pytest.raises(RegistryError, match="project 7 has no version 9"):
        registry.version(7, 9)


# -- going live --


def test_a_promotion_retires_the_previous_version(registry: Registry) -> None:
    for _ in range(2):
        registry.promote(7, write(registry), evidence={"reason": "better"})
    assert verdicts(registry) == {"v0001": "base", "v0002": "retired", "v0003": "live"}
    assert registry.project(7).live_version == 3
    assert registry.version(7, 3).evidence == {"reason": "better"}


def test_a_new_live_version_is_not_published_yet(registry: Registry) -> None:
    registry.set_published(7, 1, tasks=40)
    registry.promote(7, write(registry))
    assert (registry.project(7).published_version, registry.project(7).published_tasks) == (None, 0)


def test_a_rollback_keeps_the_evidence(registry: Registry) -> None:
    for reason in ("first", "second"):
        registry.promote(7, write(registry), evidence={"reason": reason})
    registry.promote(7, 2)
    assert verdicts(registry) == {"v0001": "base", "v0002": "live", "v0003": "retired"}
    assert registry.version(7, 2).evidence == {"reason": "first"}


def test_the_base_version_can_be_made_live_again(registry: Registry) -> None:
    registry.promote(7, write(registry))
    registry.promote(7, 1)
    assert registry.project(7).live_version == 1
    assert verdicts(registry) == {"v0001": "base", "v0002": "retired"}


def test_a_version_for_another_config_cannot_go_live(registry: Registry) -> None:
    number = write(registry)
    registry.register_project(7, label_config=OTHER_CONFIG, extra_params=None)
    with pytest.raises(RegistryError, match=r"v0002-[0-9a-f]{6} of project 7 was trained for another labelling config"):
        registry.promote(7, number)
    assert registry.project(7).live_version == 1


def test_a_promotion_is_atomic(registry: Registry) -> None:
    registry.promote(7, write(registry))
    number = write(registry)

    def fail(*arguments: object) -> None:
        if "UPDATE projects SET live_version" in str(arguments[2]):
            raise OSError("killed")

    event.listen(registry.engine, "before_cursor_execute", fail)
    with pytest.raises(OSError, match="killed"):
        registry.promote(7, number)
    event.remove(registry.engine, "before_cursor_execute", fail)
    assert registry.project(7).live_version == 2
    assert verdicts(registry) == {"v0001": "base", "v0002": "live", "v0003": "trained"}


def test_another_process_reads_the_new_live_version(registry: Registry, services: Services) -> None:
    other = Services(services.settings).registry
    registry.promote(7, write(registry))
    assert other.project(7).live_version == 2


def test_after_simultaneous_promotions_exactly_one_version_is_live(registry: Registry) -> None:
    numbers = [write(registry) for _ in range(8)]
    for _ in range(4):
        with ThreadPoolExecutor(8) as pool:
            assert all(result is None for result in pool.map(lambda number: registry.promote(7, number), numbers))
        live = [version.number for version in registry.versions(7) if version.verdict == "live"]
        assert live == [registry.project(7).live_version]


# -- under a lease --


@pytest.fixture
def expired_lease(registry: Registry) -> str:
    """Return an expired lease of project 7 whose holder was frozen; another worker has taken over."""
    with hold_lease(registry.engine, 7, seconds=60) as before:
        assert before is not None
    with hold_lease(registry.engine, 7, seconds=60) as lease:
        assert lease is not None
    return before.name


def test_the_holder_of_the_lease_can_create_and_promote_a_version(registry: Registry) -> None:
    with hold_lease(registry.engine, 7, seconds=60) as lease:
        assert lease is not None
        number = write(registry, holder=lease.name)
        registry.promote(7, number, holder=lease.name)
    assert verdicts(registry) == {"v0001": "base", "v0002": "live"}


def test_a_worker_without_the_lease_creates_no_version(registry: Registry, expired_lease: str) -> None:
    with pytest.raises(LeaseLostError, match="project 7 was taken over by another worker"):
        write(registry, holder=expired_lease)
    assert verdicts(registry) == {"v0001": "base"}
    assert not registry.path(7, 2).exists()


def test_a_worker_without_the_lease_promotes_and_rejects_no_version(registry: Registry, expired_lease: str) -> None:
    number = write(registry)
    with pytest.raises(LeaseLostError):
        registry.promote(7, number, holder=expired_lease)
    with pytest.raises(LeaseLostError):
        registry.reject(7, number, evidence={}, holder=expired_lease)
    assert verdicts(registry) == {"v0001": "base", "v0002": "trained"}
    assert registry.project(7).live_version == 1


# -- names --


@given(st.integers(1, 10**8))
def test_a_version_name_contains_its_number(number: int) -> None:
    name = new_version_name(number, "3f9a7c")
    assert version_number(name) == version_number(name.partition("-")[0]) == version_number(str(number)) == number


def test_version_names_contain_the_tag_of_their_project(registry: Registry) -> None:
    registry.promote(7, write(registry))
    registry.register_project(8, label_config=CONFIG, extra_params=None)
    base, second = (version.name for version in registry.versions(7))
    (other,) = (version.name for version in registry.versions(8))
    assert base.removeprefix("v0001-") == second.removeprefix("v0002-")
    assert other.partition("-")[0] == "v0001"
    assert other != base
    assert registry.project(7).live_name == second


def test_a_second_registry_gives_the_same_project_other_version_names(services: Services, tmp_path: Path) -> None:
    registries = [services.registry, Registry(open_database(f"sqlite:///{tmp_path}/other.db"), folder=tmp_path)]
    names = {each.register_project(7, label_config=CONFIG, extra_params=None).live_name for each in registries}
    assert len(names) == 2


def test_a_version_is_found_by_its_name_or_number(registry: Registry) -> None:
    (base,) = registry.versions(7)
    assert {registry.version_named(7, text).name for text in (base.name, "v0001", "v1", "1")} == {base.name}
    other = registry.register_project(8, label_config=CONFIG, extra_params=None).live_name
    with pytest.raises(RegistryError, match=f"project 7 has no version {other}"):
        registry.version_named(7, other)


@pytest.mark.parametrize("name", ["", "v", "latest", "-1", "v1.5", "9" * 30, "v0007 ", "v0007-", "v0007-somebody"])
def test_an_invalid_version_name_is_rejected(name: str) -> None:
    with pytest.raises(RegistryError, match="is not a version name"):
        version_number(name)


# -- heads --


def test_the_origin_of_heads_is_stored_at_promotion_and_kept(registry: Registry) -> None:
    first, second = write(registry), write(registry, fingerprint="b")
    assert registry.version(7, first).heads == {}
    registry.promote(7, second, evidence={"reason": "r"}, heads={"boxes": first, "class": second, "stars": 1})
    assert registry.version(7, second).head_from("class") == second
    assert registry.version(7, second).head_from("boxes") == first
    assert registry.version(7, second).head_from("another") == second
    assert registry.find_taken_heads(7, second) == {"boxes": registry.path(7, first), "stars": registry.path(7, 1)}
    registry.promote(7, first)
    registry.promote(7, second)  # manual rollback
    assert registry.version(7, second).heads == {"boxes": first, "class": second, "stars": 1}


def test_a_pin_is_read_with_the_project(registry: Registry) -> None:
    assert not registry.project(7).pinned
    registry.set_pinned(7, True)
    assert registry.project(7).pinned
    registry.set_pinned(7, False)
    assert not registry.project(7).pinned


def test_a_pin_prevents_only_promotions_that_respect_it(registry: Registry) -> None:
    registry.set_pinned(7, True)
    number = write(registry)
    base = registry.project(7).live_name
    with pytest.raises(PinnedError, match=f"version {base} is pinned"):
        registry.promote(7, number, unless_pinned=True)
    assert registry.project(7).live_version == 1
    registry.promote(7, number)
    assert registry.project(7).live_version == number
    assert registry.project(7).pinned


def test_a_rejected_version_has_the_heads_that_the_gate_chose(registry: Registry) -> None:
    number = write(registry)
    registry.reject(7, number, evidence={"reason": "pinned"}, heads={"class": 1})
    assert registry.version(7, number).heads == {"class": 1}
