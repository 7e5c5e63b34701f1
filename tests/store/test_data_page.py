"""`docs/data.md` says what the database's own comments say, and nothing is without one."""

import re
from pathlib import Path

import pytest

from tools.docs.data_page import PUBLIC, page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data.md"


@pytest.fixture(scope="module")
def written() -> str:
    return page()


def test_the_page_is_up_to_date(written):
    assert PAGE.read_text() == written, "run `make docs`"


def test_every_relation_and_every_column_says_what_it_is(written):
    rows = re.findall(r"^\| (\S+) \| (.+?) \| (.*) \|$", written, re.MULTILINE)
    assert len(rows) > 250
    assert [row for row in rows if not row[2].strip() and not row[0].startswith("`")] == []
    sections = re.findall(r"^### (.+)\n\n(.*)\n", written, re.MULTILINE)
    assert len(sections) > 30
    assert [name for name, said in sections if not said.strip()] == []


def test_the_relations_of_the_contract_are_there(written):
    assert {"offer_latest", "offers_as_of", "price_daily", "gpu_price_index", "provider_status", "data_quality",
            "focus_sku_price", "price_history"} <= set(PUBLIC)  # fmt: skip
    for name in PUBLIC:
        assert re.search(rf"^### {name}\b", written, re.MULTILINE), name


def test_the_draft_is_marked_as_one(written):
    assert re.search(r"^### focus_sku_price\n\nDraft\.", written, re.MULTILINE)
