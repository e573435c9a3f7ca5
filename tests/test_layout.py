"""The layout of the code: allowed imports between folders, and the places of files (docs/architecture.md)."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from sync.controls import CONTROLS

ROOT = Path(__file__).parents[1]

FLOORS = {
    "backend": (
        "settings",
        "registry",
        "jobs",
        "reports",
        "images",
        "lvm",
        "heads",
        "active",
        "scenes",
        "measurement",
        "prediction",
        "services",
        "cluster",
        "survey",
        "projects",
        "demo",
        "doctor",
        "loop",
        "prelabel",
        "server",
        "cli",
    ),
    "sync": (
        "errors",
        "files",
        "geometry",
        "sky",
        "http",
        "images",
        "spectra",
        "controls",
        "labelling",
        "label_studio",
        "importing",
        "export",
        "regions",
    ),
}
"""The folders of each package from the lowest to the highest: a module imports from its own folder and from lower ones."""

ROOT_FILES = {"backend": {"__init__", "services", "settings"}, "sync": {"__init__"}}
MOST_LINES = 250
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


@dataclass(frozen=True)
class Import:
    """One import of a module of the project by another.

    Attributes
    ----------
    importer, imported : str
        Dotted names of modules.
    """

    importer: str
    imported: str

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules(package: str) -> dict[str, Path]:
    return {module_of(path): path for path in sorted((ROOT / package).rglob("*.py"))}


@cache
def imported_names(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a module imports: all of them, and those that it imports at run time."""
    tree = ast.parse(path.read_text())
    checks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for_types = {id(inner) for check in checks for statement in check.body for inner in ast.walk(statement)}
    every_name, at_run_time = set[str](), set[str]()
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: write the whole name of the module that is imported"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        every_name.update(names)
        at_run_time.update(() if id(node) in for_types else names)
    return frozenset(every_name), frozenset(at_run_time)


@cache
def imports(package: str, *, run_time_only: bool = False) -> frozenset[Import]:
    """Return the imports of other modules of `backend` and `sync` by the modules of `package`."""
    targets = modules("backend") | modules("sync")
    edges = set()
    for importer, path in modules(package).items():
        for name in imported_names(path)[run_time_only]:
            module_name = name if name in targets else name.rpartition(".")[0]
            if module_name in targets and module_name != importer:
                edges.add(Import(importer, module_name))
    return frozenset(edges)


def top_folder(module: str) -> str:
    return ".".join(module.split(".")[:2])


def folder_of(module: str) -> str:
    is_package = modules(module.split(".")[0])[module].stem == "__init__"
    return module if is_package else module.rpartition(".")[0]


def nodes_on_circles(edges: set[tuple[str, str]]) -> set[str]:
    """Return the nodes of a directed graph that lie on a circle, or on a path between two circles."""
    while True:
        sources, targets = {source for source, _ in edges}, {target for _, target in edges}
        inner = {(source, target) for source, target in edges if source in targets and target in sources}
        if inner == edges:
            return sources
        edges = inner


@pytest.mark.parametrize("package", FLOORS)
def test_every_folder_has_a_layer(package: str) -> None:
    names = {path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py" or any(path.glob("*.py"))} - {"__init__"}
    assert names == set(FLOORS[package])


@pytest.mark.parametrize("package", FLOORS)
def test_no_module_imports_from_a_higher_folder(package: str) -> None:
    floors = {f"{package}.{name}": height for height, name in enumerate(FLOORS[package])}
    inside = [edge for edge in imports(package) if top_folder(edge.imported) in floors]
    upward = [edge for edge in inside if floors[top_folder(edge.imported)] > floors[top_folder(edge.importer)]]
    assert not upward, "; ".join(map(str, upward))


def test_imports_between_modules_have_no_cycle() -> None:
    edges = {(edge.importer, edge.imported) for package in FLOORS for edge in imports(package, run_time_only=True)}
    assert not nodes_on_circles(edges)


def test_imports_between_folders_have_no_cycle() -> None:
    folders = {(folder_of(edge.importer), folder_of(edge.imported)) for package in FLOORS for edge in imports(package)}
    # A folder's __init__ may import from its subfolders, and these may import from the files of the folder.
    apart = {(importer, target) for importer, target in folders if not f"{importer}.".startswith(f"{target}.")}
    apart = {(importer, target) for importer, target in apart if not f"{target}.".startswith(f"{importer}.")}
    assert not nodes_on_circles(apart)


def test_sync_does_not_import_backend() -> None:
    upward = [edge for edge in imports("sync") if edge.imported.startswith("backend")]
    assert not upward, "; ".join(map(str, upward))


@pytest.mark.parametrize("package", FLOORS)
def test_no_other_folder_imports_the_module_of_one_control(package: str) -> None:
    modules_of_tags = {f"sync.controls.{tag.lower()}" for tag in CONTROLS}
    edges = [
        edge for edge in imports(package) if edge.imported in modules_of_tags and folder_of(edge.importer) != "sync.controls"
    ]
    assert modules_of_tags <= modules("sync").keys()
    assert not edges, "; ".join(map(str, edges))


@pytest.mark.parametrize("package", FLOORS)
def test_only_wiring_and_settings_are_at_the_root_of_a_package(package: str) -> None:
    assert {path.stem for path in (ROOT / package).glob("*.py")} == ROOT_FILES[package]


@pytest.mark.parametrize("package", [*FLOORS, "benchmarks"])
def test_folders_of_tests_mirror_the_folders_of_the_code(package: str) -> None:
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests" / package).rglob("*.py")}
    assert not sorted(folder for folder in folders if not any((ROOT / folder).glob("*.py")))


@pytest.mark.parametrize("package", FLOORS)
def test_every_folder_of_the_code_has_tests(package: str) -> None:
    folders = {path.parent.name for path in (ROOT / package).glob("*/*.py")}
    places = (ROOT / "tests" / package, ROOT / "tests" / "e2e")
    assert not sorted(folder for folder in folders if not any((place / folder).is_dir() for place in places))


def test_no_file_has_a_generic_name() -> None:
    paths = [path for place in (*FLOORS, "benchmarks", "tests") for path in (ROOT / place).rglob("*.py")]
    assert not [path for path in paths if path.stem in VAGUE_NAMES]


@pytest.mark.parametrize("package", [*FLOORS, "galaxyloop", "benchmarks"])
def test_no_file_has_more_than_250_lines(package: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / package).rglob("*.py")}
    assert not {str(path): length for path, length in lengths.items() if length > MOST_LINES}
