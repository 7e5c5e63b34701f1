"""DuckDB 2.0 holds on to a result until its last row was read; one module knows how to let go of one."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOOR = ROOT / "core" / "store" / "sql.py"
LEFT_OPEN = {
    "fetchone",
    "fetchmany",
    "fetch_arrow_table",
    "fetch_record_batch",
    "to_arrow_reader",
    "fetch_df_chunk",
}
TEXT = {"to_arrow_table"}
"""Complete, yet a copy with a warning when asked of a cursor."""
LENT = {"unregister"}
"""Refused while a result is open or a transaction is aborted, and then hides why."""


def calls(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }


@pytest.mark.parametrize("package", ["core", "flows", "scrapers", "gpuledger", "tools"])
def test_only_one_module_reads_part_of_a_result_or_lends_a_table(package: str):
    for path in (ROOT / package).rglob("*.py"):
        lent = LENT if package in ("core", "flows") else set[str]()
        if path != DOOR and not any(parent.is_symlink() for parent in path.parents):
            assert not calls(path) & (LEFT_OPEN | TEXT | lent), path


def test_the_door_itself_is_looked_at():
    assert calls(DOOR) & LEFT_OPEN
