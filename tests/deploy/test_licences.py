"""Licences: all dependencies of galaxyloop permit its use; none is copyleft beyond the LGPL and MPL."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

from packaging.requirements import Requirement

EXTRAS = ("export", "fast", "import", "pretrain", "ray", "s3", "services", "survey")
STRONG = re.compile(r"(?<!L)GPL|(?<!Lesser )General Public License|Affero|SSPL|Commons Clause", re.IGNORECASE)
PERMISSIVE = re.compile(
    r"MIT|BSD|Apache|ISC|Python|PSF|MPL|Mozilla|LGPL|Lesser|HPND|CC0|Zlib|Unlicense|BSL|0BSD|hereby granted, free of charge",
    re.IGNORECASE,
)
BEGINNING = 400
"""Characters at the beginning of a licence's text, which contain its name."""
BY_HAND = ("nvidia-", "cuda-toolkit")
"""Packages under CUDA's own terms, checked by hand: PyTorch's wheels for Linux need them, unmodified."""


def list_distributions() -> dict[str, Distribution]:
    """Return the installed distributions that galaxyloop and its extras need, by name."""
    distributions: dict[str, Distribution] = {}
    waiting = [(Requirement(f"galaxyloop[{','.join(EXTRAS)}]"))]
    visits: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        if (requirement.name, frozenset(requirement.extras)) in visits:
            continue
        visits.add((requirement.name, frozenset(requirement.extras)))
        try:
            package = distribution(requirement.name)
        except PackageNotFoundError:
            continue
        distributions[requirement.name.lower()] = package
        for text in package.requires or ():
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*requirement.extras, "")):
                waiting.append(need)
    return distributions


def terms_of(package: Distribution) -> str:
    """Return a distribution's licence: the expression, else the classifiers, else the beginning of the text."""
    about: Any = package.metadata
    classifiers = [line.rpartition("::")[2] for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    free = (about.get("License") or "").strip().splitlines()
    terms = about.get("License-Expression") or " or ".join(classifiers) or (free[0] if free else "")
    if terms and terms != "UNKNOWN":
        return terms
    texts = [
        file.read_text() for file in package.files or () if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING"))
    ]
    return " or ".join(text[:BEGINNING] for text in texts)


def test_no_dependency_has_a_stronger_copyleft_than_the_lgpl() -> None:
    packages = list_distributions()
    assert len(packages) > 60
    strong = {name: terms_of(package) for name, package in packages.items() if STRONG.search(terms_of(package))}
    assert not strong


def test_every_licence_is_known() -> None:
    unknown = {
        name: terms_of(package)
        for name, package in list_distributions().items()
        if not PERMISSIVE.search(terms_of(package)) and not name.startswith(BY_HAND) and name != "galaxyloop"
    }
    assert not unknown
