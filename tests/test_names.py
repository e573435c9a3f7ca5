"""Names in the code: functions are named by verbs, and variables, arguments, attributes and properties by nouns, not by bare
participles; names of tests use standard terms."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

IRREGULAR = re.compile(
    "begun|brought|built|caught|chosen|done|drawn|felt|found|given|gone|held|hidden|kept|known|laid|learnt|lost|made|meant|met|said|"
    "seen|sent|shown|sold|spent|spoken|stolen|stood|struck|taken|thrown|told|understood|woken|won|worn|written|[a-z]+ed"
)
"""Participles, except those that are also a verb's stem or a side: put, read, bound, left."""
VAGUE = re.compile("one|some|there|here|then|again|something|nothing|everything|somebody|whoever")
NOUNS = re.compile("bed|embed|exceed|expected|feed|need|proceed|red|seed|shed|speed|succeed|unused|weed")
"""Words in -ed that are not participles, and `expected`, the usual name of the right value in a test."""

LONGEST_TEST_NAME = 75

STORED_KEYS = {
    "Effort": "accepted edited rejected added compared",  # of a version's record
    "SegmenterConfig": "hidden",  # of the network's file
    "DualUpsample": "shuffled",  # name of a layer in the checkpoint
    "VersionReport": "accepted",  # of the report
    "Report": "annotated",
    "Curve": "saved",
    "Kills": "lost",  # of the results of benchmarks, here and below
    "Events": "lost",
    "Requests": "refused failed",
    "Acknowledgement": "lost",
    "Measured": "stored",
    "Times": "failed",
    "Run": "accepted trained",
    "Summary": "trained",
    "Cell": "found",
}
"""Classes to attributes that are keys of stored files, which old files have too."""
PRIVATE_TERMS = re.compile(
    "bell|sureness|hilltops?|hills?|tenure|strangers?|carr(y|ies|ied)|says?|said|tells?|told|knows?|hears?|heeds?|nobody|somebody|"
    "whoever|stands?|dull|anew|sights?|peers?|holding|doubled|undoubled"
)
"""Metaphors and words without content that names of tests do not have; code talks neither of people nor to them."""


@cache
def is_participle(name: str) -> bool:
    """Return whether a name is one bare participle or a word without content; `drawn_boxes` and `is_known` are neither."""
    word = name.strip("_")
    return any(pattern.fullmatch(word) for pattern in (IRREGULAR, VAGUE)) and not NOUNS.fullmatch(word)


def is_boolean(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation).removeprefix("Mapped[").startswith("bool")


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def list_names(nodes: list[ast.AST]) -> list[tuple[int, str]]:
    """Return the participles among the names of functions, arguments and variables, except of booleans, with their lines."""
    classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
    fields = {
        target
        for class_ in classes
        for statement in class_.body
        if isinstance(statement, ast.AnnAssign | ast.Assign)
        for target in ([statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets)
    }
    names: list[tuple[int, str]] = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and is_participle(node.name) and not is_property(node):
            names.append((node.lineno, node.name))
        elif isinstance(node, ast.arg) and is_participle(node.arg) and not is_boolean(node.annotation):
            names.append((node.lineno, node.arg))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and is_participle(node.id) and node not in fields:
            names.append((node.lineno, node.id))
        elif isinstance(node, ast.ExceptHandler) and node.name and is_participle(node.name):
            names.append((node.lineno, node.name))
    declarations = [node for node in nodes if names and isinstance(node, ast.AnnAssign) and is_boolean(node.annotation)]
    booleans = {node.target.id for node in declarations if isinstance(node.target, ast.Name)}
    return [(line, name) for line, name in names if name not in booleans]


def list_attributes(nodes: list[ast.AST]) -> list[tuple[int, str]]:
    """Return the participles among the names of fields, properties and other attributes, with their lines.

    Booleans and stored keys are left out, and members of enumerations: these are values, which a user types.
    """
    names = []
    for class_ in (node for node in nodes if isinstance(node, ast.ClassDef)):
        exempt = set(STORED_KEYS.get(class_.name, "").split())
        for statement in class_.body:
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                exempt |= {statement.target.id} if is_boolean(statement.annotation) else set()
                names += [(statement.lineno, statement.target.id)] if statement.target.id not in exempt else []
        for node in ast.walk(class_):
            if isinstance(node, ast.FunctionDef) and is_participle(node.name) and is_property(node):
                names += [] if is_boolean(node.returns) else [(node.lineno, node.name)]
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name):
                names += [(node.lineno, node.attr)] if node.value.id == "self" and node.attr not in exempt else []
    return [(line, name) for line, name in names if is_participle(name)]


@dataclass
class Names:
    """Names of a package: those of functions, variables and attributes that are participles, classes, and names of tests."""

    variables: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    classes: dict[str, list[str]] = field(default_factory=dict)
    tests: list[str] = field(default_factory=list)


@cache
def names_of(package: str) -> Names:
    """Read each file once, since a file takes milliseconds and there are more than a thousand."""
    names = Names()
    for path in sorted((ROOT / package).rglob("*.py")):
        tree, file = ast.parse(path.read_text()), str(path.relative_to(ROOT))
        nodes = list(ast.walk(tree))
        names.variables += [f"{file}:{line} {name}" for line, name in list_names(nodes)]
        names.attributes += [f"{file}:{line} {name}" for line, name in list_attributes(nodes)]
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                names.classes.setdefault(node.name, []).append(file)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                names.tests.append(node.name)
    return names


@pytest.mark.parametrize("package", ["backend", "sync", "galaxyloop", "benchmarks", "tests", "examples"])
def test_no_name_is_a_bare_participle(package: str) -> None:
    problems = names_of(package).variables
    assert not problems, "name what it holds or does: " + ", ".join(problems)


@pytest.mark.parametrize("package", ["backend", "sync", "galaxyloop", "benchmarks"])
def test_no_attribute_is_a_bare_participle(package: str) -> None:
    problems = names_of(package).attributes
    assert not problems, "name what it holds: " + ", ".join(problems)


def test_a_name_of_a_class_has_one_meaning() -> None:
    classes = names_of("backend").classes, names_of("sync").classes
    files = {name: [*classes[0].get(name, ()), *classes[1].get(name, ())] for name in {*classes[0], *classes[1]}}
    assert not {name: paths for name, paths in files.items() if len(paths) > 1}


def test_names_of_tests_have_no_private_terms() -> None:
    names = names_of("tests").tests
    assert len(names) > 3000
    assert not [name for name in names if len(name) > LONGEST_TEST_NAME]
    assert not [name for name in names if any(PRIVATE_TERMS.fullmatch(word) for word in name.split("_"))]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def drawn(): ...", "drawn"),
        ("def read(found): ...", "found"),
        ("for one in range(2): ...", "one"),
        ("done: bool = True", ""),
        ("kept = 1\nkept_rows = 2", "kept"),
    ],
)
def test_participles_among_names_are_listed(code: str, expected: str) -> None:
    assert [name for _, name in list_names(list(ast.walk(ast.parse(code))))] == expected.split()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("known: int", "known"),
        ("known: bool", ""),
        ("def f(self): self._seen = 1", "_seen"),
        ("@property\n  def chosen(self) -> str: ...", "chosen"),
        ("@property\n  def is_chosen(self) -> str: ...", ""),
    ],
)
def test_participles_among_attributes_are_listed(body: str, expected: str) -> None:
    tree = ast.parse(f"class Box:\n  {body}")
    assert [name for _, name in list_attributes(list(ast.walk(tree)))] == expected.split()


@pytest.mark.parametrize(
    ("name", "expected"), [("said", True), ("_drawn", True), ("one", True), ("drawn_boxes", False), ("seed", False)]
)
def test_participles_are_recognised(name: str, expected: bool) -> None:
    assert is_participle(name) is expected
