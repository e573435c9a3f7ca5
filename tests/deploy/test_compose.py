"""docker-compose.yml and the Dockerfile agree with the code; tests/e2e/services runs their services."""

from __future__ import annotations

import ast
import importlib.util
import ipaddress
import os
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from pydantic import AliasChoices
from typer.testing import CliRunner

from backend.cli.app import app
from backend.settings import SECRETS_DIR_VARIABLE, Settings

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
COMPOSE, GPU = (yaml.safe_load((ROOT / name).read_text()) for name in FILES)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("backend", "worker", "label-studio")
DOCKERFILE = (ROOT / "Dockerfile").read_text()
STAGES = {text.split("\n", 1)[0]: text for text in re.split(r"^FROM \S+ AS ", DOCKERFILE, flags=re.MULTILINE)[1:]}
STUDIO = ROOT / ".venv-label-studio/lib"


def variables() -> set[str]:
    """Return every environment variable of the settings."""
    names = {SECRETS_DIR_VARIABLE}
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        names |= set(map(str, alias.choices)) if isinstance(alias, AliasChoices) else {f"GALAXYLOOP_{name.upper()}"}
    return names


def banned_subnets_script() -> Any:
    specification = importlib.util.spec_from_file_location("banned_subnets", ROOT / "deploy" / "banned_subnets.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# -- Docker's syntax --


@pytest.mark.slow
@pytest.mark.parametrize("names", [FILES[:1], FILES])
def test_docker_compose_accepts_the_file(names: tuple[str, ...]) -> None:
    if shutil.which("docker-compose") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no docker-compose: apt-get install docker-compose")
    flags = [flag for name in names for flag in ("-f", ROOT / name)]
    process = subprocess.run(["docker-compose", *flags, "config", "-q"], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")


# -- permissions of a container --


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_minimal_rights_and_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert 0 < service["pids_limit"] <= 512
    assert service["read_only"]


# -- commands and settings --


@pytest.mark.parametrize("words", [["backend"], ["worker"]])
def test_every_command_exists_in_galaxyloop(words: list[str]) -> None:
    (service,) = words
    assert CliRunner().invoke(app, [*SERVICES[service]["command"], "--help"]).exit_code == 0
    assert 'ENTRYPOINT ["galaxyloop"]' in STAGES["galaxyloop"]


def test_every_health_check_is_a_command_of_galaxyloop() -> None:
    _, program, *words = SERVICES["worker"]["healthcheck"]["test"]
    assert program == "galaxyloop"
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


def test_the_command_of_the_gpu_file_exists_in_galaxyloop() -> None:
    _, *words = GPU["services"]["pretrain"]["entrypoint"]
    assert CliRunner().invoke(app, [*words, "--help"]).exit_code == 0


@pytest.mark.parametrize("service", ["backend", "worker"])
def test_every_variable_is_a_setting(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= variables()
    assert set(re.findall(r"(?:GALAXYLOOP|LABEL_STUDIO)_\w+(?==)", STAGES["galaxyloop"])) <= variables()


def test_backends_and_workers_have_the_same_settings_files_and_secrets() -> None:
    for part in ("environment", "volumes", "secrets", "image"):
        assert SERVICES["backend"][part] == SERVICES["worker"][part]


# -- secrets --


def test_every_secret_is_declared_as_a_file_and_used() -> None:
    secrets_used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert secrets_used == set(COMPOSE["secrets"])
    assert {name: secret["file"] for name, secret in COMPOSE["secrets"].items()} == {
        name: f"./secrets/{name}" for name in secrets_used
    }


def test_a_secret_of_galaxyloop_is_named_after_its_setting() -> None:
    assert set(SERVICES["backend"]["secrets"]) <= {name.lower() for name in variables()}


def test_the_compose_file_contains_no_secret() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert name.endswith("_FILE") or not re.search("PASSWORD|SECRET|API_KEY", name), (name, value)


def test_the_script_creates_every_secret_once_readable_by_its_owner(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    networks = []
    for _ in range(2):
        subprocess.run(["sh", ROOT / "deploy/secrets.sh", folder], check=True)
        networks.append({file.name: file.read_text() for file in folder.iterdir()})
    assert networks[0] == networks[1]
    assert set(networks[0]) == set(COMPOSE["secrets"])
    assert all(re.fullmatch("[0-9a-f]{40}", secret) for secret in networks[0].values())
    assert len(set(networks[0].values())) == len(networks[0])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_secrets_are_neither_committed_nor_in_the_build_context() -> None:
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in rules
    assert "!secrets" not in rules


def test_the_postgresql_script_is_executable() -> None:
    (script,) = [volume.split(":")[0] for volume in SERVICES["postgres"]["volumes"] if volume.endswith(":ro")]
    assert os.access(ROOT / script, os.X_OK)


# -- users and health --


@pytest.mark.parametrize("service", OURS)
def test_no_galaxyloop_container_runs_as_root(service: str) -> None:
    assert "user" not in SERVICES[service]
    last = re.findall(r"^USER (\S+)$", STAGES[SERVICES[service]["build"]["target"]], re.MULTILINE)
    assert last == ["galaxyloop"]
    assert SERVICES[service]["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_health_check_and_restarts(service: str) -> None:
    assert SERVICES[service]["healthcheck"]["test"]
    assert SERVICES[service]["restart"] == "unless-stopped"


def test_several_backends_and_workers_run() -> None:
    assert all(SERVICES[service]["deploy"]["replicas"] > 1 for service in ("backend", "worker"))


# -- networks --


def test_label_studio_and_the_backends_share_only_one_network() -> None:
    """With two networks, the name of the backends would have addresses in both, and Label Studio would reject half of them."""
    assert set(SERVICES["backend"]["networks"]) & set(SERVICES["label-studio"]["networks"]) == {"calls"}


def test_the_backend_url_is_an_alias_on_the_network_of_label_studio() -> None:
    """The name has a dot, because Label Studio accepts no other host for events (tested in tests/e2e/services)."""
    address = urlsplit(SERVICES["backend"]["environment"]["GALAXYLOOP_BACKEND_URL"])
    assert SERVICES["backend"]["networks"]["calls"]["aliases"] == [address.hostname]
    assert "." in str(address.hostname)
    assert f"EXPOSE {address.port}" in STAGES["galaxyloop"]


def test_label_studio_accepts_logins_from_its_public_url() -> None:
    environment = SERVICES["label-studio"]["environment"]
    assert environment["CSRF_TRUSTED_ORIGINS"] == environment["LABEL_STUDIO_HOST"]


def test_databases_and_queue_are_only_on_internal_networks() -> None:
    for service in ("postgres", "redis"):
        assert "ports" not in SERVICES[service]
        assert all(COMPOSE["networks"][name]["internal"] for name in SERVICES[service]["networks"])
    assert "redis" not in {name for name in SERVICES if "loop" not in SERVICES[name]["networks"]}


def test_label_studio_listens_on_loopback_by_default() -> None:
    (port,) = SERVICES["label-studio"]["ports"]
    assert ":-127.0.0.1:" in port


def test_label_studio_may_call_only_the_network_of_the_backends() -> None:
    sources = [*STUDIO.glob("python*/site-packages/label_studio/core/utils/io.py")]
    if not sources:
        pytest.skip("no Label Studio: `make test` sets it up")
    lists = [
        node.value
        for node in ast.walk(ast.parse(sources[0].read_text()))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_banned_subnets"
    ]
    assert sorted(ast.literal_eval(lists[0])) == sorted(banned_subnets_script().LABEL_STUDIO_LIST)
    environment = SERVICES["label-studio"]["environment"]
    assert environment["LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS"] == "false"
    assert not {"LABEL_STUDIO_ML_BLOCK_LOCAL_IP", "LABEL_STUDIO_SSRF_PROTECTION_ENABLED"} & set(environment)


def test_the_network_of_compose_is_that_of_the_list() -> None:
    (network,) = COMPOSE["networks"]["calls"]["ipam"]["config"]
    environment = SERVICES["label-studio"]["environment"]
    assert network == {"subnet": environment["GALAXYLOOP_SUBNET"], "gateway": environment["GALAXYLOOP_GATEWAY"]}


@pytest.mark.parametrize("subnet", ["10.213.57.0/24", "172.30.0.0/16", "192.168.7.0/28"])
def test_all_private_addresses_but_those_of_the_network_are_forbidden(subnet: str) -> None:
    network = ipaddress.IPv4Network(subnet)
    gateway = network[1]
    networks_of_script: list[Any] = [
        ipaddress.ip_network(text) for text in banned_subnets_script().banned_subnets(subnet, str(gateway))
    ]

    def is_banned(address: Any) -> bool:
        return any(address in each for each in networks_of_script if each.version == address.version)

    assert is_banned(gateway)
    assert not any(map(is_banned, (network[2], network[5], network[-2])))
    others = [network[0] - 1, network[-1] + 1, *map(ipaddress.ip_address, ("127.0.0.1", "10.0.0.1", "172.16.0.1", "::1"))]
    assert all(map(is_banned, others))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("10.0.0.0/8", "10.0.0.1"), "at most 65,536 addresses"),
        (("8.8.8.0/24", "8.8.8.1"), "must be a private network"),
        (("10.1.0.0/24", "10.2.0.1"), "is not in GALAXYLOOP_SUBNET"),
        (("10.1.0.7/24", "10.1.0.1"), "has host bits set"),
    ],
)
def test_a_network_that_would_open_others_is_refused(words: tuple[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        banned_subnets_script().banned_subnets(*words)


def test_the_script_of_label_studio_sets_secrets_and_forbidden_networks(tmp_path: Path) -> None:
    subprocess.run(["sh", ROOT / "deploy/secrets.sh", tmp_path], check=True)
    environment = {
        "PATH": os.environ["PATH"],
        "GALAXYLOOP_SECRETS_DIR": str(tmp_path),
        "GALAXYLOOP_SUBNET": "10.99.1.0/24",
        "GALAXYLOOP_GATEWAY": "10.99.1.1",
    }
    command = ["sh", str(ROOT / "deploy/label-studio.sh"), "env"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    values = dict(line.split("=", 1) for line in process.stdout.splitlines())
    assert values["LABEL_STUDIO_PASSWORD"] == (tmp_path / "label_studio_password").read_text()
    networks = values["LABEL_STUDIO_USER_ADDITIONAL_BANNED_SUBNETS"].split(",")
    assert networks == banned_subnets_script().banned_subnets("10.99.1.0/24", "10.99.1.1")
    refusal = subprocess.run(command, env=environment | {"GALAXYLOOP_SUBNET": "10.0.0.0/8"}, capture_output=True, text=True)
    assert refusal.returncode != 0
    assert "at most 65,536 addresses" in refusal.stderr


# -- the images --


def test_files_that_the_images_copy_exist_in_the_build_context() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists()
            assert f"!{source.split('/')[0]}" in rules


def test_the_label_studio_image_has_the_pinned_version() -> None:
    pins = (ROOT / "constraints-label-studio.txt").read_text().splitlines()
    assert f"label-studio=={SERVICES['label-studio']['image'].split(':')[1]}" in pins


def test_the_image_installs_the_drivers() -> None:
    (extras,) = re.findall(r"'\.\[(.+)\]'", STAGES["galaxyloop"])
    assert "services" in extras.split(",")


def test_data_files_are_installed_with_the_package() -> None:
    """An image installs the package, while a developer's checkout has all files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    versions = {
        file
        for package, patterns in project["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
        for file in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    process = subprocess.run(
        ["git", "ls-files", "backend", "sync", "labeling_configs"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    data = {ROOT / name for name in process.stdout.splitlines() if not name.endswith((".py", ".md", "py.typed"))}
    assert {file.relative_to(ROOT) for file in data if file.exists()} <= {
        file.relative_to(ROOT) for file in versions if file.is_file()
    }
