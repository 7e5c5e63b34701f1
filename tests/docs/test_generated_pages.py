"""Pages that are written from the program say what the program says."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from gpuledger import library
from gpuledger.cli.main import app
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


def test_every_function_of_the_library_has_its_section():
    public = {
        function
        for name, function in vars(library).items()
        if inspect.isfunction(function)
        and function.__module__ == library.__name__
        and not name.startswith("_")
    }
    assert public == set(library_page.FUNCTIONS)


def test_every_argument_of_the_library_is_explained_and_no_other():
    named = {name for function in library_page.FUNCTIONS for name in inspect.signature(function).parameters}
    assert named == set(library_page.MEANS)
