"""Names in the code: functions are named by verbs, and variables, arguments, attributes and properties by nouns, not by bare
participles; names of tests use standard terms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
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


def is_participle(name: str) -> bool:
    """Return whether a name is one bare participle or a word without content; `drawn_boxes` and `is_known` are neither."""
    word = name.strip("_")
    return any(pattern.fullmatch(word) for pattern in (IRREGULAR, VAGUE)) and not NOUNS.fullmatch(word)


def is_boolean(annotation: ast.expr | None) -> bool:
    return annotation is not None and ast.unparse(annotation).removeprefix("Mapped[").startswith("bool")


def is_property(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def iterate_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the names that a module gives to functions, arguments and variables, except to booleans, with their lines."""
    fields = {
        target
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, ast.AnnAssign | ast.Assign)
        for target in ([statement.target] if isinstance(statement, ast.AnnAssign) else statement.targets)
    }
    booleans = {
        node.target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and is_boolean(node.annotation)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not is_property(node):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg) and not is_boolean(node.annotation):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in fields and node.id not in booleans:
            yield node.lineno, node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.lineno, node.name


def iterate_attributes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the names of fields, properties and other attributes, except of booleans and stored keys, with their lines.

    Members of enumerations are values, which a user types.
    """
    for class_ in ast.walk(tree):
        if not isinstance(class_, ast.ClassDef):
            continue
        exempt = STORED_KEYS.get(class_.name, "").split()
        fields = {
            statement.target.id: statement
            for statement in class_.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        }
        names = [(field.lineno, name) for name, field in fields.items() if not is_boolean(field.annotation)]
        for node in ast.walk(class_):
            if isinstance(node, ast.FunctionDef) and is_property(node) and not is_boolean(node.returns):
                names.append((node.lineno, node.name))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
                names += [] if node.attr in fields else [(node.lineno, node.attr)]
        yield from ((line, name) for line, name in names if name not in exempt)


@pytest.mark.parametrize("package", ["backend", "sync", "galaxyloop", "benchmarks", "tests", "examples"])
def test_no_name_is_a_bare_participle(package: str) -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, name in iterate_names(ast.parse(path.read_text()))
        if is_participle(name)
    ]
    assert not problems, "name what it holds or does: " + ", ".join(problems)


@pytest.mark.parametrize("package", ["backend", "sync", "galaxyloop", "benchmarks"])
def test_no_attribute_is_a_bare_participle(package: str) -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, name in iterate_attributes(ast.parse(path.read_text()))
        if is_participle(name)
    ]
    assert not problems, "name what it holds: " + ", ".join(problems)


def test_a_name_of_a_class_has_one_meaning() -> None:
    files: dict[str, list[str]] = {}
    for package in ("backend", "sync"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    files.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in files.items() if len(paths) > 1}


def test_names_of_tests_have_no_private_terms() -> None:
    problems = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if any(PRIVATE_TERMS.fullmatch(word) for word in node.name.split("_")) or len(node.name) > LONGEST_TEST_NAME
    ]
    assert not problems, "name what the program does: " + ", ".join(problems)


@pytest.mark.parametrize(
    ("name", "expected"), [("said", True), ("_drawn", True), ("one", True), ("drawn_boxes", False), ("seed", False)]
)
def test_participles_are_recognised(name: str, expected: bool) -> None:
    assert is_participle(name) is expected
