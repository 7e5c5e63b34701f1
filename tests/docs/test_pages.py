"""What the pages tell a reader to type runs, and gives what they show.

`GPULEDGER_WRITE_DOCS=1 pytest tests/docs/test_pages.py` puts what was seen in the place of what a page shows;
read the diff before you keep it. A session that still matches, `...` included, stays as it is.
Every page begins with a ledger as `make quote` leaves it where there is no network.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.docs.conftest import give_ledger
from tests.docs.page_blocks import EXECUTED, PAGES, ROOT, SHOWN, Block, blocks, rewrite
from tests.docs.reader import Reader

pytestmark = pytest.mark.documentation
IS_WRITING = os.environ.get("GPULEDGER_WRITE_DOCS") == "1"
MOST_NOT_RUN = 5
LEAST_STEPS = 110

BY_PAGE = {page.relative_to(ROOT).as_posix(): blocks(page) for page in PAGES}
RUN = {
    name: run
    for name, found in BY_PAGE.items()
    if (run := [block for block in found if block.language in EXECUTED and block.not_run is None])
}
ALL = [block for found in BY_PAGE.values() for block in found]


def _name(block: Block) -> str:
    return f"{block.page.name}:{block.line}"


@pytest.mark.parametrize("name", RUN)
def test_a_page_runs_from_top_to_bottom_as_it_shows(name: str, reader: Reader, bundled_ledger: Path):
    page = ROOT / name
    if "curl " in page.read_text() and shutil.which("curl") is None:
        pytest.skip("the page uses curl, which is not here")
    give_ledger(reader, bundled_ledger)
    changed: dict[Block, str] = {}
    for block in RUN[name]:
        answers = reader.take(block)
        if not block.is_session:
            continue
        wrong = [
            (step, answer)
            for step, answer in zip(block.steps(), answers, strict=True)
            if not step.matches(answer)
        ]
        if wrong and IS_WRITING:
            changed[block] = block.written(answers)
        elif wrong:
            step, answer = wrong[0]
            pytest.fail(
                f"{page.name}:{step.line}: {step.source}\n--- shown\n{step.shown}\n--- seen\n{answer}\n"
                "GPULEDGER_WRITE_DOCS=1 writes what was seen into the page"
            )
    if changed:
        rewrite(page, changed)


def test_the_pages_show_enough_to_be_worth_running():
    steps = sum(len(block.steps()) for found in RUN.values() for block in found if block.language in EXECUTED)
    assert steps >= LEAST_STEPS
    assert {"README.md", "docs/start.md", "docs/first-sql.md"} <= set(RUN)


def test_few_blocks_are_not_run_and_each_says_why():
    marked = [block for block in ALL if block.not_run]
    assert all(block.language in EXECUTED and len(block.not_run or "") > 10 for block in marked)
    assert len(marked) <= MOST_NOT_RUN, [_name(block) for block in marked]


def test_every_block_is_of_a_kind_that_the_tests_know():
    assert [_name(block) for block in ALL if block.language not in (*EXECUTED, *SHOWN)] == []


def test_what_is_not_run_by_its_kind_hides_no_command():
    shown = [block for block in ALL if block.language in SHOWN]
    assert shown
    hidden = [
        _name(block)
        for block in shown
        if any(line.lstrip("$ ").startswith(("gpuledger ", "make ")) for line in block.text.splitlines())
    ]
    assert hidden == []


@pytest.mark.parametrize("block", [block for block in ALL if block.language == "json"], ids=_name)
def test_json_is_json(block: Block):
    json.loads(block.text)
