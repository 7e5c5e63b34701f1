"""Strings of strangers: markup, control characters, formulas and a megabyte of text, at every door."""

import asyncio
import csv
import html
import io
import json
import os
import subprocess
import sys
from decimal import Decimal

import httpx
import pytest
from mcp import Client

from gpuledger.core.store.database import turn, writing
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import publish
from gpuledger.mcp import create_server
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.interface.server.conftest import serving
from tests.interface.server.large_ledger import NOW, fill

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://attacker.example","x")',
    "+cmd|' /C calc'!A0",
    "@SUM(1)",
    "-2+3",
    "\x1b[31mred\x1b[0m\x07",
    "line\r\nbreak\x00\u202egnp",
    "{{ 7 * 7 }}{% raw %}",
    "x" * 1_000_000,
]


@pytest.fixture(scope="module")
def hostile_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("hostile"))
    fill(home, now=NOW, offers=20, days=3)
    with turn(home):
        with writing(home) as connection:
            for number, text in enumerate(HOSTILE, start=1):
                connection.execute(
                    "update offer set instance_type = $text, region = $text, gpu_label = $text, "
                    "network = $text, gpu_id = null where offer_no = $number",
                    {"text": text, "number": number},
                )
            connection.execute("update document set url = $text", {"text": 'javascript:alert("x")'})
            connection.execute(
                "update scrape_run set error_message = $text, outcome = 'failed' where run_no = 1",
                {"text": HOSTILE[0] + HOSTILE[6]},
            )
        publish(home, now=NOW)
    return home


@pytest.fixture(scope="module")
def hostile(hostile_home: Home):
    app = create_app(
        hostile_home, settings=GateSettings(requests_per_second=0), clock=lambda: NOW, environ={}
    )
    with serving(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def is_harmless(text: str) -> bool:
    markup = ("<script>alert", "<img src=x", 'href="javascript')
    controls = [c for c in text if ord(c) < 32 and c not in "\n"] + [c for c in text if c in "\x7f\u202e"]
    return not controls and not any(part in text.lower() for part in markup)


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/prices",
        "/prices?fragment=1",
        "/history?gpu=H100",
        "/sources",
        "/sql",
        "/prices?gpu=%3Cscript%3Ealert(1)%3C/script%3E",
    ],
)
def test_a_page_shows_them_as_text(hostile, address):
    text = hostile.get(address).text
    assert is_harmless(text)
    assert len(text) < 500_000


def test_the_prices_page_shows_them_at_all(hostile):
    text = hostile.get("/prices").text
    assert html.escape("<script>alert(1)</script>") in text
    assert "{{ 7 * 7 }}" in text
    assert "49" not in text.split("{{ 7 * 7 }}")[1][:3]


def test_a_query_of_them_is_text_on_the_page(hostile):
    text = hostile.post("/sql", data={"q": "select gpu_label, instance_type from offer", "run": "1"}).text
    assert is_harmless(text)
    assert html.escape("<script>alert(1)</script>") in text


def test_a_query_whose_column_is_hostile_is_text(hostile):
    answer = hostile.post("/sql", data={"q": 'select 1 as "<script>alert(1)</script>"', "run": "1"})
    assert is_harmless(answer.text)
    wrong = hostile.post("/sql", data={"q": "select '<script>alert(1)</script>' from nowhere", "run": "1"})
    assert is_harmless(wrong.text)


def cells_of(text: str) -> list[str]:
    """Of a CSV with a megabyte in a cell, which this process otherwise refuses to read."""
    usual = csv.field_size_limit(2_000_000)
    try:
        return [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    finally:
        csv.field_size_limit(usual)


def test_no_cell_of_a_csv_is_a_formula_or_an_escape(hostile):
    for answer in (
        hostile.get("/v1/offers?format=csv&limit=100"),
        hostile.post("/sql", data={"q": 'select gpu_label, 1 as "=cmd" from offer', "csv": "1"}),
    ):
        assert answer.headers["content-type"].startswith("text/csv")
        cells = cells_of(answer.text)
        assert any("HYPERLINK" in cell for cell in cells)
        for cell in cells:
            assert not cell.startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or Decimal(cell) < 0
            assert "\x1b" not in cell


def test_json_carries_them_unchanged(hostile):
    labels = {row["gpu_label"] for row in hostile.get("/v1/offers?limit=100").json()["offers"]}
    assert set(HOSTILE) <= labels


def test_an_error_quotes_them_shortened(hostile):
    answer = hostile.get("/v1/offers", params={"gpu": "<script>" * 20})
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.content) < 2000
    assert json.loads(answer.content)["status"] == 422


def test_a_header_is_never_made_of_them(hostile):
    answer = hostile.get("/v1/offers", params={"region": "x\r\nset-cookie: a=b", "limit": 1})
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "words",
    [
        ("offers", "-f", "table"),
        ("offers", "-f", "md"),
        ("offers", "--provider", HOSTILE[6]),
        ("sql", "select gpu_label, instance_type from offer", "-f", "table"),
        ("sql", f"select '{HOSTILE[6]}' from nowhere"),
        ("status", "-f", "table"),
        ("unmapped", "-f", "table"),
        ("regions", "-f", "table"),
    ],
    ids=" ".join,
)
def test_a_terminal_gets_neither_escapes_nor_a_megabyte(hostile_home, tmp_path, words):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GPULEDGER_HOME": str(hostile_home.path)}
    program = [sys.executable, "-c", "from gpuledger.cli.main import run; run()", *words]
    done = subprocess.run(
        program, env=environ | {"COLUMNS": "100"}, capture_output=True, text=True, timeout=120
    )
    assert done.stdout + done.stderr
    assert is_harmless_to_a_terminal(done.stdout + done.stderr)
    assert len(done.stdout + done.stderr) < 100_000


def is_harmless_to_a_terminal(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_the_csv_of_the_command_line_holds_no_formula(hostile_home, tmp_path):
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GPULEDGER_HOME": str(hostile_home.path)}
    program = [sys.executable, "-c", "from gpuledger.cli.main import run; run()", "offers", "-f", "csv"]
    done = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=120)
    cells = cells_of(done.stdout)
    assert any("HYPERLINK" in cell for cell in cells)
    assert [cell[:20] for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == []
    assert is_harmless_to_a_terminal(done.stdout)


def test_a_model_is_given_them_as_escaped_json_and_no_megabyte(hostile_home):
    """What a tool answers is read by a program that obeys text: it gets data, short, and no control characters."""
    server, _, _ = create_server(hostile_home, clock=lambda: NOW, environ={})

    async def ask(tool: str, **given: object):
        async with Client(server) as client:
            return await client.call_tool(tool, given)

    for tool, given in (("find_offers", {"limit": 50, "allow_stale": True}), ("data_status", {})):
        answer = asyncio.run(ask(tool, **given))
        text = "".join(part.text for part in answer.content)
        assert len(text) < 200_000, tool
        assert is_harmless_to_a_terminal(text), tool
