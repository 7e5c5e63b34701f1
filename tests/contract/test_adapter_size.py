"""An adapter stays short enough to be read in one go; what adapters repeat is shared."""

import ast
import inspect
from pathlib import Path
from statistics import median

from scrapers.registry import SOURCES

MOST_LINES_OF_THE_MEDIAN = 150
MOST_LINES = 400
MACHINERY = {"source", "stream"}
"""What a declaration is made of, whichever adapters need it."""


def adapters() -> dict[str, Path]:
    """The module of each source that is registered."""
    files = {path.stem: path for path in (Path(inspect.getfile(source.parse)) for source in SOURCES)}
    assert len(files) >= 20
    return files


def lines() -> dict[str, int]:
    return {name: len(path.read_text().splitlines()) for name, path in adapters().items()}


def test_the_median_adapter_has_at_most_150_lines():
    found = lines()
    assert median(found.values()) <= MOST_LINES_OF_THE_MEDIAN, sorted(found.items(), key=lambda one: one[1])


def test_no_adapter_has_more_than_400_lines():
    assert {name: count for name, count in lines().items() if count > MOST_LINES} == {}


def test_an_adapter_keeps_no_lines_in_a_module_of_its_own_and_uses_no_other_adapter():
    users: dict[str, set[str]] = {}
    for name, path in adapters().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scrapers."):
                users.setdefault(str(node.module).removeprefix("scrapers."), set()).add(name)
    assert {"page", "reading"} <= set(users)
    assert {shared: names for shared, names in users.items() if shared in adapters()} == {}
    alone = {shared: names for shared, names in users.items() if len(names) < 2}
    assert set(alone) <= MACHINERY
