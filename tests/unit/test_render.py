"""Results for people and programs; no text of a stranger commands a terminal or a spreadsheet."""

import csv
import io
import json
import math
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.cli.table import Column, Format, emit
from gpuledger.formats import age, clean, dollars, number, plain

ROWS: list[dict[str, Any]] = [
    {
        "gpu_id": "h100-sxm-80gb",
        "usd": Decimal("2.690000"),
        "count": 8,
        "seen_at": datetime(2026, 10, 7, 14, tzinfo=timezone(timedelta(hours=2))),
        "tier": None,
        "is_unlisted": False,
    },
    {
        "gpu_id": "a|b",
        "usd": Decimal("1E+2"),
        "count": 1,
        "seen_at": None,
        "tier": "secure",
        "is_unlisted": True,
    },
]


def written(capsys: pytest.CaptureFixture[str], result: Any, format: Format | None, **more: Any) -> str:
    emit(result, format, **more)
    return capsys.readouterr().out


def test_json_parses_back(capsys: pytest.CaptureFixture[str]):
    assert json.loads(written(capsys, ROWS, Format.JSON)) == [
        {
            "gpu_id": "h100-sxm-80gb",
            "usd": "2.69",
            "count": 8,
            "seen_at": "2026-10-07T12:00:00Z",
            "tier": None,
            "is_unlisted": False,
        },
        {"gpu_id": "a|b", "usd": "100", "count": 1, "seen_at": None, "tier": "secure", "is_unlisted": True},
    ]


def test_json_lines_have_one_row_a_line(capsys: pytest.CaptureFixture[str]):
    lines = written(capsys, ROWS, Format.JSONL).splitlines()
    assert [json.loads(line)["gpu_id"] for line in lines] == ["h100-sxm-80gb", "a|b"]


def test_csv_parses_back(capsys: pytest.CaptureFixture[str]):
    rows = list(csv.DictReader(io.StringIO(written(capsys, ROWS, Format.CSV))))
    assert rows[0] == {
        "gpu_id": "h100-sxm-80gb",
        "usd": "2.69",
        "count": "8",
        "seen_at": "2026-10-07T12:00:00Z",
        "tier": "",
        "is_unlisted": "False",
    }
    assert len(rows) == 2


def test_markdown_has_as_many_cells_in_every_line(capsys: pytest.CaptureFixture[str]):
    lines = written(capsys, ROWS, Format.MD).splitlines()
    assert len(lines) == 4
    assert {line.replace("\\|", "").count("|") for line in lines} == {7}


def test_a_table_shows_every_row(capsys: pytest.CaptureFixture[str]):
    text = written(
        capsys, ROWS, Format.TABLE, columns=[Column("GPU", "gpu_id"), Column("USD", "usd", dollars)]
    )
    assert [line.split() for line in text.splitlines() if line.strip()][2:] == [
        ["h100-sxm-80gb", "2.69"],
        ["a|b", "100.00"],
    ]


def test_one_object_is_no_list(capsys: pytest.CaptureFixture[str]):
    assert json.loads(written(capsys, ROWS[0], Format.JSON))["count"] == 8
    assert isinstance(json.loads(written(capsys, ROWS[0], None)), dict)


def test_in_a_pipe_a_list_is_json_lines(capsys: pytest.CaptureFixture[str]):
    assert len(written(capsys, ROWS, None).splitlines()) == 2


@pytest.mark.parametrize("format", list(Format))
def test_no_rows_are_no_error(capsys: pytest.CaptureFixture[str], format: Format):
    text = written(capsys, [], format)
    if format is Format.JSON:
        assert json.loads(text) == []
    else:
        assert "None" not in text


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_sees_no_formula(capsys: pytest.CaptureFixture[str], text: str):
    (row,) = csv.DictReader(io.StringIO(written(capsys, [{"sku": text}], Format.CSV), newline=""))
    assert row["sku"] == f"'{text}"


def test_a_column_name_is_no_formula_either(capsys: pytest.CaptureFixture[str]):
    assert written(capsys, [{"=1+1": 1}], Format.CSV).splitlines()[0] == "'=1+1"


def test_a_negative_number_stays_a_number_in_csv(capsys: pytest.CaptureFixture[str]):
    text = written(capsys, [{"a": -1, "b": Decimal("-0.5"), "c": -2.5}], Format.CSV)
    assert text.splitlines()[1] == "-1,-0.5,-2.5"


HOSTILE = {
    "colours": "\x1b[31mred\x1b[0m",
    "a title": "\x1b]0;owned\x07",
    "a bell": "\x07",
    "a line back": "cheap\rdear",
    "a new line": "a\nb",
    "one-byte control sequences": "\x9b31m",
    "text turned around": "\u202eevil\u2066",
    "a zero byte": "\x00",
    "deleting": "abc\x7f\x08",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("format", list(Format))
def test_no_control_character_reaches_a_terminal(
    capsys: pytest.CaptureFixture[str], format: Format, what: str
):
    text = written(capsys, [{"sku": HOSTILE[what], HOSTILE[what]: 1}], format)
    assert [character for character in text if not character.isprintable() and character != "\n"] == []


def test_a_new_line_in_a_cell_makes_no_new_row(capsys: pytest.CaptureFixture[str]):
    assert len(written(capsys, [{"sku": "a\nb"}], Format.MD).splitlines()) == 3


def test_markup_of_the_table_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]):
    text = written(capsys, [{"sku": "[red]x[/red][link=https://evil.example]y[/link]"}], Format.TABLE)
    assert "[red]x[/red][link=https://evil.example]y[/link]" in text


def test_json_has_no_numbers_that_json_lacks(capsys: pytest.CaptureFixture[str]):
    text = written(capsys, [{"a": math.nan, "b": math.inf, "c": [math.nan]}], Format.JSONL)
    assert json.loads(text, parse_constant=lambda name: pytest.fail(name)) == {
        "a": None,
        "b": None,
        "c": [None],
    }


def test_a_map_with_other_keys_than_text_is_written(capsys: pytest.CaptureFixture[str]):
    text = written(capsys, [{"by_day": {date(2026, 1, 2): Decimal("2.50"), 3: math.inf}}], Format.JSONL)
    assert json.loads(text) == {"by_day": {"2026-01-02": "2.5", "3": None}}


def test_no_digit_of_a_long_number_is_lost():
    assert (
        plain(Decimal("12345678901234567890123456789012.345678")) == "12345678901234567890123456789012.345678"
    )


def test_a_long_text_is_cut_for_people_and_whole_for_programs(capsys: pytest.CaptureFixture[str]):
    row = [{"sku": "x" * 5000}]
    assert len(written(capsys, row, Format.MD)) < 300
    assert len(json.loads(written(capsys, row, Format.JSONL))["sku"]) == 5000
    assert clean("x" * 201) == "x" * 199 + "…"


PLAIN: dict[str, tuple[Any, Any]] = {
    "money": (Decimal("49.240000"), "49.24"),
    "large money": (Decimal("1E+6"), "1000000"),
    "minus zero": (Decimal("-0.00"), "0"),
    "an instant": (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
    "a day": (date(2026, 1, 2), "2026-01-02"),
    "a while": (timedelta(minutes=90), 5400.0),
}


@pytest.mark.parametrize("what", PLAIN)
def test_what_json_does_not_know_is_written_plainly(what: str):
    value, text = PLAIN[what]
    assert plain(value) == text


AGES = {
    0: "now",
    60: "1 min",
    60 * 89: "89 min",
    60 * 90: "1 h",
    3600 * 47: "47 h",
    3600 * 48: "2 d",
    86_400 * 59: "59 d",
}


@pytest.mark.parametrize(("seconds", "text"), AGES.items())
def test_an_age_is_said_as_people_say_it(seconds: int, text: str):
    assert age(timedelta(seconds=seconds)) == text


def test_an_old_age_is_said_in_months_and_years():
    assert [age(timedelta(days=days)) for days in (61, 700, 1000)] == ["2 mo", "22 mo", "2.7 y"]
    assert age(None) == ""


DOLLARS = {
    "2.69": "2.69",
    "49.24": "49.24",
    "0.0009": "0.0009",
    "6.155": "6.155",
    "1234.5": "1,234.50",
    "2": "2.00",
}


@pytest.mark.parametrize(("value", "text"), DOLLARS.items())
def test_dollars_have_two_to_four_decimals(value: str, text: str):
    assert dollars(Decimal(value)) == text


def test_a_missing_price_is_a_question_mark_and_never_zero():
    assert dollars(None) == "?"
    assert number(None) == ""


def test_a_count_has_no_needless_decimals():
    assert [number(value) for value in (8, Decimal("8.0000"), Decimal("0.2500"), 2048, Decimal("1E+3"))] == [
        "8",
        "8",
        "0.25",
        "2,048",
        "1,000",
    ]
