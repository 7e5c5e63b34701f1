"""docs/sources.md says what the registry says."""

from pathlib import Path

from gpuledger.scrapers.registry import SOURCES
from tools.docs.source_page import page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_written_from_the_registry():
    assert (DOCS / "sources.md").read_text() == page(), "run `make docs`"


def test_every_source_has_its_row():
    table, _, _ = page().partition("## The bundled history")
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(rows) == len(SOURCES) + 1
