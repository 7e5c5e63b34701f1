"""Pages that are written from the program say what the program says."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from gpuledger import Ledger
from gpuledger.cli.main import app
from gpuledger.core.cost.options import quote_options
from tools.docs import command_page, library_page

DOCS = Path(__file__).resolve().parents[2] / "docs"
WRITTEN: dict[str, Callable[[], str]] = {"commands.md": command_page.page, "library.md": library_page.page}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_generated_page_is_not_stale(name: str):
    assert (DOCS / name).read_text() == WRITTEN[name](), "run `make docs`"


def test_every_command_has_its_section():
    names = [name for name, _ in command_page.commands(typer.main.get_command(app))]
    page = command_page.page()
    assert len(names) >= 30
    assert [name for name in names if f"\n### {name}\n" not in page] == []
    assert f"\n## {command_page.OTHERS}\n" not in page, "name the module in GROUPS"


def test_every_question_of_the_ledger_has_its_section():
    public = {
        name for name in dir(Ledger) if not name.startswith("_") and inspect.isfunction(getattr(Ledger, name))
    }
    page = library_page.page()
    assert {name for name in public if f"\n### {name}\n" not in page} == set()


def test_every_option_of_a_quote_says_what_it_does():
    for option in quote_options():
        assert option.help.endswith("."), option.name
        assert option.default_text.startswith("default: ")
