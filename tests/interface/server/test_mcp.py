"""The MCP server with a real client: over standard input, over HTTP, and in one process."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from mcp import Client, StdioServerParameters

from gpuledger.mcp import create_server
from tests.interface.server.large_ledger import NOW

TOOLS = [
    *("find_offers", "cheapest_offers", "price_spread", "reserve_or_not", "price_history", "price_index"),
    *(
        "price_timing",
        "list_known",
        "data_status",
        "query_sql",
        "quote_plan",
        "quote_plans",
        "quote_over_time",
    ),
    *("cost_frontier", "compare_plans", "lock_prices", "cost_drivers", "check_plan", "quote_report"),
    *("explain_quote", "estimate_plan", "size_for_budget"),
    *("own_or_rent", "build_or_buy", "budget_difference", "check_claims", "lint_plan"),
    *("compare_actuals", "token_prices", "serve_cost", "availability", "watch_run", "estimate_accuracy"),
    *("watch_price", "end_watch"),
]
PROGRAM = "from gpuledger.cli.main import run; run()"


def environ_of(home) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(home.path), "GPULEDGER_HOME": str(home.path)}


def run(target, *calls):
    """The tools' names and what the calls returned; arguments may be made of the answers before."""

    async def conversation():
        async with Client(target) as client:
            tools, answers = await client.list_tools(), []
            for name, arguments in calls:
                answers.append(
                    await client.call_tool(name, arguments(answers) if callable(arguments) else arguments)
                )
            return tools.tools, answers

    return asyncio.run(conversation())


def one(home, name, arguments):
    server, _, _ = create_server(home, clock=lambda: NOW, environ={})
    return run(server, (name, arguments))[1][0]


def content_of(answer) -> dict:
    """The one text of an answer, which is JSON."""
    (text,) = answer.content
    assert answer.structured_content is None
    return json.loads(text.text)


def quote_id_of(answer) -> str:
    return content_of(answer)["quotes"][0]["quote_id"]


def test_the_tools_answer_over_standard_input(list_home):
    program = StdioServerParameters(
        command=sys.executable, args=["-c", PROGRAM, "mcp"], env=environ_of(list_home)
    )
    tools, answers = run(
        program,
        ("data_status", {}),
        ("find_offers", {"gpu": "H100", "limit": 2}),
        ("price_history", {"gpu": "H100", "every": "1mo"}),
        ("quote_plan", {"plan": "llama-2-7b-qlora", "limit": 1}),
        ("explain_quote", lambda answers: {"quote_id": quote_id_of(answers[3])}),
    )
    assert [tool.name for tool in tools] == TOOLS
    assert not any(answer.is_error for answer in answers)
    assert content_of(answers[4])["quote_id"] == quote_id_of(answers[3])


@contextmanager
def served_over_http(home, *options: str) -> Iterator[int]:
    """The command as a process of its own; the port on which it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-c", PROGRAM, "mcp", "--http", "--port", str(port), *options]
    with subprocess.Popen(program, env=environ_of(home), stderr=subprocess.PIPE) as server:
        try:
            _wait_for(port)
            yield port
        finally:
            server.terminate()
            server.communicate()


def test_the_tools_answer_over_http(list_home):
    with served_over_http(list_home) as port:
        tools, answers = run(
            f"http://127.0.0.1:{port}/mcp",
            ("data_status", {}),
            ("find_offers", {"gpu": "A100", "limit": 1}),
        )
    assert [tool.name for tool in tools] == TOOLS
    assert content_of(answers[0])["snapshot"] == 1
    assert content_of(answers[1])["offers"][0]["gpu_id"].startswith("a100")


def test_the_tools_answer_below_a_path_and_by_the_name_of_a_proxy(list_home):
    with served_over_http(list_home, "--path-prefix", "/gpu", "--name", "prices.example") as port:
        # a proxy that passes the path on, and one that takes it off
        for path in ("/gpu/mcp", "/mcp"):
            tools, answers = run(f"http://127.0.0.1:{port}{path}", ("data_status", {}))
            assert [tool.name for tool in tools] == TOOLS
            assert content_of(answers[0])["snapshot"] == 1
        statuses = {
            name: httpx.post(f"http://127.0.0.1:{port}/gpu/mcp", headers={"host": name}, json={}).status_code
            for name in ("prices.example", "other.example")
        }
    assert statuses["other.example"] == 403
    assert statuses["prices.example"] not in {403, 404, 421}


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not listen")


def test_every_tool_says_that_it_only_reads(market_home):
    server, _, _ = create_server(market_home, clock=lambda: NOW, environ={})
    tools, _ = run(server)
    assert [tool.name for tool in tools] == TOOLS
    for tool in tools:
        assert tool.annotations.read_only_hint is (tool.name not in ("watch_price", "end_watch"))
        assert tool.description
        assert all(len(line) < 200 for line in tool.description.splitlines())


def test_offers_come_with_age_state_and_source(market_home):
    content = content_of(one(market_home, "find_offers", {"gpu": "H100-SXM:8", "limit": 3}))
    prices = [float(row["usd_per_gpu_hour"]) for row in content["offers"]]
    assert prices == sorted(prices)
    first = content["offers"][0]
    assert (first["price_state"], first["price_age_hours"], first["source"]) == ("fresh", 0.33, "runpod")


def test_history_has_a_row_per_step(market_home):
    asked = {"gpu": "H100-SXM", "since": "2026-10-01", "until": "2026-10-05", "every": "1d"}
    asked |= {"purchase_option": "on_demand"}
    content = content_of(one(market_home, "price_history", asked))
    assert [row["step_at"][:10] for row in content["history"]] == [f"2026-10-0{day}" for day in range(1, 6)]


@pytest.mark.parametrize(
    "plan",
    [
        "llama-2-7b-qlora",
        {"preset": "llama-2-7b-qlora"},
        {
            "method": "qlora",
            "model": "llama-2-7b",
            "dataset_tokens": 5e7,
            "epochs": 3,
            "sequence_length": 2048,
        },
        'method = "qlora"\nmodel = "llama-2-7b"\ndataset_tokens = 5e7\nepochs = 3\nsequence_length = 2048\n',
        '{"method": "qlora", "model": "llama-2-7b", "dataset_tokens": 5e7, "sequence_length": 2048}',
    ],
    ids=["preset", "preset object", "object", "toml", "json text"],
)
def test_a_plan_may_be_a_name_an_object_or_text(market_home, plan):
    content = content_of(one(market_home, "quote_plan", {"plan": plan, "limit": 1}))
    assert float(content["quotes"][0]["usd"]) > 0


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("find_offers", {"gpu": "H1000"}, "did you mean"),
        ("find_offers", {"max_usd_per_gpu_hour": "cheap"}, "'cheap' is no amount"),
        ("find_offers", {"as_of": "yesterday"}, "no date"),
        ("price_history", {"gpu": "H100", "every": "often"}, "no step"),
        ("quote_plan", {"plan": "llama-2-8b"}, "no preset"),
        ("quote_plan", {"plan": {"model": "llama-2-7b", "methd": "x"}}, "methd"),
        ("explain_quote", {"quote_id": "0123456789abcdef"}, "0123456789abcdef"),
        ("explain_quote", {"quote_id": "../../etc/passwd"}, "16 hex digits"),
    ],
)
def test_a_wrong_question_is_a_tool_error_with_one_clear_line(market_home, name, arguments, said):
    answer = one(market_home, name, arguments)
    assert answer.is_error
    text = answer.content[0].text
    assert said in text
    assert "\n" not in text


def test_a_quote_is_short_and_its_details_are_there_when_asked_for(market_home):
    (short,) = one(market_home, "quote_plan", {"plan": "llama-2-7b-qlora", "deadline_hours": 40}).content
    assert len(short.text) <= 1500
    assert len(json.loads(short.text)["quotes"]) == 3
    long = content_of(one(market_home, "quote_plan", {"plan": "llama-2-7b-qlora", "details": True}))
    assert long["quotes"][0]["receipt"]["document_sha256"] or long["quotes"][0]["receipt"]["price_id"]


def test_the_keys_of_a_plan_are_in_the_schema(market_home):
    server, _, _ = create_server(market_home, clock=lambda: NOW, environ={})
    schema = {tool.name: tool.input_schema for tool in run(server)[0]}["quote_plan"]["properties"]["plan"]
    keys = next(one for one in schema["anyOf"] if one["type"] == "object")["properties"]
    assert {"method", "model", "training_tokens", "hardware", "constraints"} <= set(keys)
    assert "deadline_hours" in keys["constraints"]["properties"]
    assert "$ref" not in json.dumps(schema)
