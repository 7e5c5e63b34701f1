"""What people see in a terminal fits it: columns leave by rank, other results become records."""

import sys
from typing import Any

import pytest

from gpuledger.cli.table import Column, Format, emit

COLUMNS = (
    Column("PROVIDER", "provider"),
    Column("INSTANCE TYPE", "instance_type", shed=1),
    Column("USD", "usd", is_number=True),
    Column("STOCK", "stock", shed=2),
    Column("NOTE", "note"),
)
ROWS: list[dict[str, Any]] = [
    {
        "provider": "runpod",
        "instance_type": "NVIDIA H100 80GB HBM3",
        "usd": 2.69,
        "stock": "available",
        "note": "",
    },
    {"provider": "aws", "instance_type": "p5.48xlarge", "usd": 6.88, "stock": "unknown", "note": None},
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch):
    """Say how wide the terminal is."""

    def of(columns: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    return of


def shown(capsys: pytest.CaptureFixture[str], result: Any, **more: Any) -> str:
    emit(result, Format.TABLE, **more)
    return capsys.readouterr().out


def test_a_wide_terminal_shows_every_column_that_has_a_value(terminal, capsys):
    terminal(120)
    text = shown(capsys, ROWS, columns=COLUMNS)
    assert text.split("\n")[1].split() == ["PROVIDER", "INSTANCE", "TYPE", "USD", "STOCK"]
    assert "too narrow" not in text


@pytest.mark.parametrize(
    ("columns", "left"),
    [(50, "STOCK"), (30, "INSTANCE TYPE"), (25, "INSTANCE TYPE, STOCK")],
    ids=["the highest goes first", "what still fits stays", "both go"],
)
def test_a_narrow_one_loses_columns_by_rank_and_says_which(terminal, capsys, columns: int, left: str):
    terminal(columns)
    text = shown(capsys, ROWS, columns=COLUMNS)
    assert text.endswith(f"Hidden (too narrow): {left}.\n")
    assert max(len(line) for line in text.splitlines()) <= columns + len(left)
    assert "runpod" in text and "6.88" in text


def test_a_result_of_unknown_columns_that_is_too_wide_becomes_records(terminal, capsys):
    terminal(40)
    text = shown(capsys, ROWS)
    assert text.splitlines()[:3] == [
        "provider       runpod",
        "instance_type  NVIDIA H100 80GB HBM3",
        "usd            2.69",
    ]
    assert text.count("provider ") == 2


def test_one_object_is_a_record_with_what_is_nested_in_it(terminal, capsys):
    terminal(60)
    result = {
        "fits": True,
        "wall_hours": {"low": 1.0, "mid": 2.123456789},
        "assumptions": ["a" * 40, "b" * 40],
    }
    assert shown(capsys, result).splitlines() == [
        "fits         yes",
        "wall_hours   low 1, mid 2.12346",
        f"assumptions  {'a' * 40}",
        f"             {'b' * 40}",
    ]


def test_long_text_in_a_record_is_wrapped_and_not_cut(terminal, capsys):
    terminal(40)
    text = shown(capsys, {"said": "word " * 30})
    assert text.count("word") == 30
    assert max(len(line) for line in text.splitlines()) <= 40


def test_no_escape_of_a_stranger_reaches_a_record(terminal, capsys):
    terminal(40)
    assert "\x1b" not in shown(capsys, {"na\x1bme": "\x1b[31mred"})


def test_a_pipe_is_as_wide_as_it_must_be(capsys):
    text = shown(capsys, [{"text": "x" * 180, "other": "y" * 180, "third": "z" * 180}])
    assert "z" * 180 in text
