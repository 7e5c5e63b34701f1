"""docs/requirements.md names a test for every requirement, and every test that it names exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
WANTED = [f"L{number:02}" for number in range(1, 45)] + [f"N{number:02}" for number in range(1, 36)]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_(\w\d\d)_\w+)`", PAGE)


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_requirement_is_on_the_page_with_a_test_of_its_name():
    listed = list(re.findall(r"^\| (\w\d\d) \|", PAGE, re.MULTILINE))
    assert listed == WANTED
    assert {requirement for _, _, requirement in NAMED} == set(WANTED)


def test_every_test_that_the_page_names_exists():
    assert len(NAMED) >= len(WANTED)
    missing = [f"{path}::{name}" for path, name, _ in NAMED if name not in functions(path)]
    assert missing == []


def test_every_requirement_test_is_on_the_page():
    files = sorted((ROOT / "tests" / "unit").glob("test_requirement_*.py"))
    assert len(files) >= 3
    present = {
        name
        for file in files
        for name in functions(str(file.relative_to(ROOT)))
        if re.match(r"test_\w\d\d_", name)
    }
    assert present == {name for _, name, _ in NAMED}
