"""Ten questions as people ask them, through an official client: the descriptions alone lead to the tool that answers,
its schema to the arguments, and the answer is one short text with what was asked."""

import asyncio
import json
import re
from typing import Any

import pytest
from mcp import Client

from gpuledger.mcp import create_server
from tests.interface.server.large_ledger import NOW

WEEKEND = {
    "model": "meta-llama/Llama-3.1-8B",
    "method": "QLoRA",
    "samples": "5000",
    "tokens_per_sample": "600",
}
QUESTIONS: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "Where does it cost least to train Llama 3.1 8B with QLoRA on 5,000 samples, under 20 dollars, on a 24 GB card?": (
        "quote_plan",
        {**WEEKEND, "epochs": "3", "max_gpu_memory": 24, "budget_usd": "20"},
        ("quotes", "budget", "best_source"),
    ),
    "What is the cheapest offer of 8 H100 SXM per GPU-hour at each provider?": (
        "cheapest_offers",
        {"gpu": "H100-SXM:8"},
        ("offers",),
    ),
    "How did the price of the A100 change over time since September?": (
        "price_history",
        {"gpu": "A100", "since": "2026-09-01", "every": "1mo"},
        ("history",),
    ),
    "How many hours and how much memory does LoRA of Llama 3 8B take on one H100, and does it fit?": (
        "estimate_plan",
        {"plan": "llama-3-8b-lora", "gpu": "H100-SXM", "gpus": 1},
        ("estimates", "total"),
    ),
    "Should we buy 8 machines for 250,000 dollars or rent them, and from which month is owning cheaper?": (
        "own_or_rent",
        {"gpus": 8, "capex_usd": "250000", "gpu": "H100-SXM"},
        ("break_even_months", "decision"),
    ),
    "What drives the cost of this plan, and what would spend less?": (
        "cost_drivers",
        {"plan": "llama-3-8b-lora"},
        ("inputs", "levers", "outcomes"),
    ),
    "Compare LoRA and QLoRA plans side by side: what does each cost more?": (
        "compare_plans",
        {"plans": ["llama-3-8b-lora", "llama-3-8b-qlora"]},
        ("plans",),
    ),
    "Does the plan keep its budget of 500 and its deadline of three days?": (
        "check_plan",
        {"plan": "llama-3-8b-lora", "budget_usd": "500", "deadline_hours": "3 d"},
        ("passes", "usd_total"),
    ),
    "Which model and token count does a budget of 100,000 dollars train best?": (
        "size_for_budget",
        {"budget_usd": "100000"},
        ("parameters", "training_tokens"),
    ),
    "How fresh are the prices, and which sources had an error?": ("data_status", {}, ("sources", "snapshot")),
}
LONGEST = {"quote_plan": 1_500}
_COMMON = frozenset(
    [
        "what",
        "does",
        "with",
        "from",
        "this",
        "that",
        "which",
        "each",
        "them",
        "would",
        "have",
        "their",
        "take",
        "were",
        "and",
        "the",
        "for",
        "are",
    ]
)


@pytest.fixture(scope="module")
def server(market_home):
    return create_server(market_home, clock=lambda: NOW, environ={})[0]


@pytest.fixture(scope="module")
def tools(server) -> dict[str, Any]:
    async def listed():
        async with Client(server) as client:
            return (await client.list_tools()).tools

    return {tool.name: tool for tool in asyncio.run(listed())}


def asked(server, name: str, arguments: dict[str, Any]) -> Any:
    async def call():
        async with Client(server) as client:
            return await client.call_tool(name, arguments)

    return asyncio.run(call())


def stems(text: str) -> set[str]:
    words = re.findall(r"[a-z]{3,}", text.lower().replace("_", " "))
    return {re.sub(r"(ing|est|er|es|s|ed)$", "", word) for word in words if word not in _COMMON}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_description_alone_leads_to_the_tool(tools, question):
    words = stems(question)
    score = {name: len(words & stems(f"{name} {tool.description}")) for name, tool in tools.items()}
    best = sorted(score, key=lambda name: (-score[name], len(tools[name].description)))
    assert QUESTIONS[question][0] in best[:3], (best[:5], words)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_arguments_are_in_the_schema(tools, question):
    name, arguments, _ = QUESTIONS[question]
    known = tools[name].input_schema["properties"]
    assert set(arguments) <= set(known)
    assert all(known[key].get("description") or "enum" in json.dumps(known[key]) for key in arguments)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_one_short_text_with_what_was_asked(server, question):
    name, arguments, keys = QUESTIONS[question]
    answer = asked(server, name, arguments)
    assert not answer.is_error, answer.content[0].text
    (text,) = answer.content
    assert answer.structured_content is None and "\n" not in text.text
    assert len(text.text) <= LONGEST.get(name, 6_000)
    assert set(keys) <= set(json.loads(text.text))


@pytest.mark.parametrize(
    "question",
    [
        {"plan": {"model": "llama-3.1-70b", "method": "pretrain", "training_tokens": "1.4 trillion"}},
        {"model": "unsloth/Meta-Llama-3.1-8B-Instruct-bnb-4bit", "method": "lora", "samples": "5 thousand",
         "tokens_per_sample": "600 tokens", "epochs": "3", "budget_usd": "$20", "max_gpu_memory": "24 GB",
         "credit": ["aws=100"], "deadline_hours": "3 days", "allow_stale": True},
        {"plan": {"name": "x" * 200, "model": "mixtral-8x7b", "method": "qlora", "dataset_tokens": "2bn",
                  "costs": {"people_usd": 5000, "trials": 4, "egress_gb": "2 TB", "dataset_gb": "1 TB"}}},
    ],
)  # fmt: skip
def test_a_quote_of_any_plan_keeps_its_characters(server, question):
    answer = asked(server, "quote_plan", question)
    assert not answer.is_error and len(answer.content[0].text) <= 1_500
    assert json.loads(answer.content[0].text)["quotes"]


def test_more_quotes_are_there_when_they_are_asked_for(server):
    answer = asked(server, "quote_plan", {"plan": "llama-3-8b-qlora", "limit": 10})
    assert len(json.loads(answer.content[0].text)["quotes"]) == 10


def test_a_quote_with_warnings_limits_and_a_credit_is_short_as_well(server):
    plan = {"plan": "llama-3-8b-qlora", "budget_usd": "1", "deadline_hours": "1", "credit": ["gcp=5"]}
    answer = asked(server, "quote_plan", plan)
    assert not answer.is_error and len(answer.content[0].text) <= 1_500
