"""A watch is begun and ended at every door, and all doors have the same watches."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import Client
from starlette.testclient import TestClient

from gpuledger import Ledger
from gpuledger.core.errors import UnknownGPUError, UsageError
from gpuledger.core.store.home import Home
from gpuledger.flows import watch as watches
from gpuledger.mcp import create_server
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.command_line import app

FREE = GateSettings(requests_per_second=0)


@pytest.fixture
def home(served_home: Home) -> Path:
    return served_home.path


@pytest.fixture
def rest(home):
    with TestClient(
        create_app(Home(home), settings=FREE), base_url="http://localhost", client=("127.0.0.1", 1)
    ) as client:
        yield client


def by_command(home: Path, *words: str) -> list[dict[str, Any]]:
    answer = CliRunner().invoke(app, ["--home", str(home), "watch", *words, "-f", "jsonl"])
    assert answer.exit_code == 0, answer.output
    return [json.loads(line) for line in answer.stdout.splitlines()]


def by_mcp(home: Path, tool: str, **given: Any) -> Any:
    async def ask() -> Any:
        async with Client(create_server(Home(home))[0]) as client:
            return json.loads((await client.call_tool(tool, given)).content[0].text)

    return asyncio.run(ask())


def test_one_watch_from_each_door_is_seen_at_all_and_ended_at_another(home, rest):
    ledger = Ledger(home)
    by_python = ledger.watch("H100-SXM:8", below="2.00")
    by_command(home, "A100:80GB", "--below", "1.10", "--option", "spot", "--provider", "runpod")
    begun = rest.post("/v1/watches", json={"gpu": "L40S", "below": 0.5, "providers": ["RunPod"]})
    assert begun.status_code == 201 and begun.json()["below"] == "0.5"
    told = by_mcp(home, "watch_price", gpu="B200", below="3", provider=["lambda"])
    rows = ledger.watches()
    assert [(row["gpu"], row["below"], row["purchase_option"], row["providers"]) for row in rows] == [
        ("H100-SXM:8", "2", "on_demand", []),
        ("A100:80GB", "1.1", "spot", ["runpod"]),
        ("L40S", "0.5", "on_demand", ["runpod"]),
        ("B200", "3", "on_demand", ["lambda"]),
    ]
    assert by_command(home) == rows == rest.get("/v1/watches").json()["watches"]
    assert rest.delete(f"/v1/watches/{told['watch_id']}").json()["watches"] == rows[:3]
    assert len(by_mcp(home, "end_watch", watch_id=begun.json()["watch_id"])["watches"]) == 2
    assert by_command(home, "--remove", by_python["watch_id"]) == [rows[1]]
    assert ledger.end_watch(rows[1]["watch_id"]) == [] == rest.get("/v1/watches").json()["watches"]


def test_the_same_words_again_are_one_watch(home):
    ledger = Ledger(home)
    assert ledger.watch("H100", below=2) == ledger.watch("H100", below="2.00") == ledger.watches()[0]
    assert len(ledger.watches()) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"gpu": "H1000", "below": "2"}, "unknown GPU 'H1000'"),
        ({"gpu": "H100", "below": "cheap"}, "below"),
        ({"gpu": "H100", "below": "-1"}, "below"),
        ({"gpu": "H100", "below": 0}, "below"),
        ({"gpu": "H100"}, "'below' is missing"),
        ({"gpu": "H100", "below": "2", "purchase_option": "free"}, "'free' is none of on_demand"),
        ({"gpu": 100, "below": "2"}, "gpu must be text"),
        ({"gpu": "H100", "below": "2", "providers": [1]}, "providers must be a list"),
        ({"gpu": "H100", "below": "2", "email": "a@b"}, "unknown key 'email'"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_line(home, rest, body, said):
    answer = rest.post("/v1/watches", json=body)
    assert answer.status_code == 422 and said in answer.json()["detail"], answer.text
    assert "\n" not in answer.json()["detail"] and Ledger(home).watches() == []


def test_a_watch_that_is_not_there_is_named(home, rest):
    mine = Ledger(home).watch("H100", below=2)
    answer = rest.delete("/v1/watches/00000000")
    assert (
        answer.status_code == 422 and f"'00000000'; there are: {mine['watch_id']}" in answer.json()["detail"]
    )
    with pytest.raises(UnknownGPUError):
        Ledger(home).watch("H1000", below=2)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_stranger_changes_nothing(home, method):
    client = TestClient(
        create_app(Home(home), settings=FREE), base_url="http://localhost", client=("203.0.113.9", 1)
    )
    kept = Ledger(home).watch("H100", below=2)
    path = f"/v1/watches/{kept['watch_id']}" if method == "DELETE" else "/v1/watches"
    with client:
        answer = client.request(method, path, json={"gpu": "L4", "below": "1"} if method == "POST" else None)
    assert answer.status_code == 403 and Ledger(home).watches() == [kept]


def test_a_home_has_so_many_watches_and_no_more(home, monkeypatch):
    monkeypatch.setattr(watches, "MOST_WATCHES", 2)
    for usd in (1, 2):
        Ledger(home).watch("H100", below=usd)
    with pytest.raises(UsageError, match="the most; end one first"):
        Ledger(home).watch("H100", below=3)
    Ledger(home).watch("H100", below=2)
