"""Every command explains itself, and the documents name no other."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from gpuledger.cli import main
from gpuledger.cli.main import app

ROOT = Path(__file__).resolve().parents[2]


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands by what one types, those of groups as `budget diff`."""
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
    else:
        yield " ".join(path), command


COMMANDS = dict(_commands(typer.main.get_command(app)))

PINNED = """
quote estimate lint explain cheapest offers history refresh replay parse status gpus providers regions sources
presets unmapped sql deploy
"""
# the options of design.md section 5 that programs rely on
PINNED_OPTIONS = {
    "quote": "--gpu --provider --region --spot --on-demand --reserved --tier --as-of --deadline --budget"
    " --max-gpus --frontier --allow-stale --lock --limit --format",
    "estimate": "--gpu --gpus --format",
    "cheapest": "--as-of --allow-stale --format",
    "offers": "--gpu --format",
    "history": "--from --to --every --stat --format",
    "refresh": "--dry-run --format",
    "replay": "--since --format",
    "parse": "--url --observed-at --context --format",
    "status": "--exit-code --format",
    "sql": "--format",
}


def options(name: str) -> dict[str, click.Option]:
    return {
        flag: parameter
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option)
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize("module", main.COMMANDS)
def test_each_module_registers_the_commands_that_it_is_loaded_for(module: str):
    group = typer.main.get_command(main._with([module]))
    assert isinstance(group, click.Group)
    assert list(group.commands) == main.COMMANDS[module].split()


@pytest.mark.parametrize("words", ["offers", "--home somewhere offers", "--home=somewhere offers --limit 1"])
def test_a_command_is_found_behind_the_options_of_the_program(words: str):
    group = typer.main.get_command(main._program(words.split()))
    assert isinstance(group, click.Group) and list(group.commands) == ["offers"]


def test_every_pinned_command_is_there():
    assert set(PINNED.split()) - set(COMMANDS) == set()


@pytest.mark.parametrize("name", PINNED_OPTIONS)
def test_every_pinned_option_is_there(name: str):
    assert set(PINNED_OPTIONS[name].split()) - set(options(name)) == set()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_explains_itself_and_its_options(gpuledger, name: str):
    ran = gpuledger(*name.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert f"gpuledger {name}" in ran.out
    assert COMMANDS[name].help
    silent = [flag for flag, option in options(name).items() if not option.help and flag != "--help"]
    assert silent == []


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"deploy", "poll", "serve", "mcp", "plan"}))
def test_every_command_that_answers_takes_a_format(name: str):
    assert "--format" in options(name)


def test_the_short_flags_mean_the_same_everywhere():
    meanings: dict[str, set[str]] = {}
    for name in COMMANDS:
        for flag, option in options(name).items():
            if re.fullmatch(r"-\w", flag):
                meanings.setdefault(flag, set()).add(max(option.opts, key=len))
    assert meanings
    assert {flag: long for flag, long in meanings.items() if len(long) > 1} == {}


def test_help_of_the_program_lists_every_command(gpuledger):
    ran = gpuledger("--help")
    assert ran.code == 0
    first_words = {name.split()[0] for name in COMMANDS}
    assert {name for name in first_words if not re.search(rf"^\s+{name}\s", ran.out, re.MULTILINE)} == set()


def test_without_a_command_the_help_is_shown_and_it_is_a_usage_error(gpuledger):
    ran = gpuledger()
    assert ran.code == 2
    assert "Commands:" in ran.err + ran.out


def test_the_version_is_one_line(gpuledger):
    ran = gpuledger("--version")
    assert ran.code == 0
    assert re.fullmatch(r"gpuledger \d+\.\d+\.\d+\n", ran.out)


def _documented() -> list[tuple[str, str]]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    found: list[tuple[str, str]] = []
    for page in pages:
        for block in re.findall(r"```(?:sh|console|bash)\n(.*?)```", page.read_text(), re.DOTALL):
            found += [
                (page.name, line.strip())
                for line in block.splitlines()
                if line.strip().startswith("gpuledger ")
            ]
    return found


DOCUMENTED = _documented()


def test_the_readme_shows_commands():
    assert len([line for page, line in DOCUMENTED if page == "README.md"]) >= 5


@pytest.mark.parametrize(("page", "line"), DOCUMENTED)
def test_a_documented_command_exists_with_its_options(page: str, line: str):
    words = shlex.split(line, comments=True)[1:]
    named = [name for name in (words[0], " ".join(words[:2])) if name in COMMANDS]
    assert named, f"{page}: {line}"
    flags = {word.partition("=")[0] for word in words[1:] if word.startswith("--")}
    assert flags - set(options(named[-1])) == set(), f"{page}: {line}"


UNITS = re.compile(
    r"instance|hour|second|day|minute|month|week|USD|US dollar|GiB|GPU|token|watt|share|row|quote|snapshot|port"
    r"|process|request"
    r"|call|plan|time|date|address",
    re.IGNORECASE,
)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_says_what_holds_without_it_and_in_which_unit(name: str):
    silent = [
        flag
        for flag, option in options(name).items()
        if flag != "--help" and not re.search(r"default\b|needed|without", option.help or "")
    ]
    assert silent == []
    bare = [
        flag
        for flag, option in options(name).items()
        if isinstance(option.type, (click.types.IntParamType, click.types.FloatParamType, click.IntRange))
        and not UNITS.search(option.help or "")
    ]
    assert bare == []
