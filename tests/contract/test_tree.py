"""The tree as its reader meets it: short files, a name that means one thing, and no name that says nothing."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gpuledger", "core", "flows", "scrapers")
LONGEST_FILE = 400
SAYS_NOTHING = {"found", "known", "kept", "asked", "said", "given", "wanted", "told", "of"}


def product_files() -> list[Path]:
    files = [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if not any(folder.is_symlink() for folder in path.parents if folder.is_relative_to(ROOT))
    ]
    assert len(files) > 150
    return files


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name if name.startswith("gpuledger") else f"gpuledger.{name}"


def public_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (
                part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)
            )
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def given_names(tree: ast.Module) -> Iterator[str]:
    """Names of variables, parameters, functions and types; not the constructor in `Question.of(plan)`."""
    constructors = [
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, ast.FunctionDef) and part.name == "of" and part.decorator_list
    ]
    for node in ast.walk(tree):
        if node in constructors:
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


@pytest.mark.parametrize("path", product_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_no_longer_than_one_duty_needs(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_no_type_is_defined_twice():
    """Adapters too: a type of theirs would read like the one that all of them yield."""
    defined: dict[str, set[str]] = defaultdict(set)
    for path in product_files():
        for name in public_names(tree_of(path)):
            if re.fullmatch(r"[A-Z]+[a-z][A-Za-z0-9]*", name):
                defined[name].add(module_of(path))
    assert {name: modules for name, modules in defined.items() if len(modules) > 1} == {}


def test_a_name_that_is_imported_means_one_thing():
    """A name under which two modules are imported from is two things to who reads only the line that uses it."""
    defined: dict[str, set[str]] = defaultdict(set)
    imported: dict[str, set[str]] = defaultdict(set)
    for path in product_files():
        for name in public_names(tree_of(path)):
            defined[name].add(module_of(path))
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    imported[alias.name].add(node.module)
    several = {name: imported[name] & modules for name, modules in defined.items()}
    assert {name: modules for name, modules in several.items() if len(modules) > 1} == {}


def test_no_name_says_only_that_there_is_something():
    """`found`, `known`, `kept` fit every variable, so nobody can search for one."""
    empty = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in product_files()
        for name in given_names(tree_of(path))
        if name.strip("_").lower() in SAYS_NOTHING
    ]
    assert empty == []
