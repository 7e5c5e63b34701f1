"""`tools/` is for developers and not in the wheel, so nothing that is installed may need it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ("core", "flows", "scrapers", "gpuledger")


def imported(path: Path) -> set[str]:
    """Top-level names of all imports of a file, those inside functions included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("package", INSTALLED)
def test_nothing_installed_imports_what_is_not(package: str):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    wrong = {
        str(path.relative_to(ROOT)) for path in files if imported(path) & {"tools", "tests", *INSTALLED[:3]}
    }
    assert wrong == set()
