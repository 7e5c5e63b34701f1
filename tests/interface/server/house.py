"""One ledger and its four doors in one process: Python, command line, REST and MCP, with and without own terms."""

import asyncio
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mcp import Client
from starlette.testclient import TestClient

from gpuledger import Ledger
from gpuledger.cli import context
from gpuledger.core.store.home import Home
from gpuledger.mcp import create_server
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.command_line import app as command_line
from tests.interface.server.large_ledger import NOW
from tests.interface.server.questions import PAID, Asked
from tests.interface.server.support_bot import PLAN, TOML

OVERRIDES = """
[[discount]]
provider = "aws"
percent = 60

[[credit]]
provider = "gcp"
usd = 40

[[owned]]
name = "cellar"
gpu = "l40s-48gb"
gpus = 8
capex_usd = 64000
life_months = 36
"""


@dataclass
class House:
    """One ledger and its doors."""

    home: Path
    folder: Path
    environ: dict[str, str]
    rest: TestClient
    server: Any
    monkeypatch: pytest.MonkeyPatch

    @property
    def python(self) -> Ledger:
        return Ledger(self.home, clock=lambda: NOW, environ=self.environ)

    def by_rest(self, asked: Asked) -> Any:
        method, path, parameters, body = asked.rest
        answer = self.rest.request(method, path, params=parameters, json=body)
        assert answer.status_code in (200, 201), answer.text
        return rows_of(answer.json(), asked.rest_rows)

    def by_mcp(self, tool: str, given: dict[str, Any]) -> Any:
        async def ask() -> Any:
            async with Client(self.server) as client:
                return await client.call_tool(tool, given)

        answer = asyncio.run(ask())
        assert not answer.is_error, answer.content[0].text
        return json.loads(answer.content[0].text)

    def by_command(self, line: str, *, codes: tuple[int, ...] = (0,)) -> Any:
        files = {"PLAN": "plan.toml", "PLANS": "plans.jsonl", "PAID": "paid.csv", "LOCK": "prices.lock"}
        words = [str(self.folder / files[word]) if word in files else word for word in shlex.split(line)]
        self.monkeypatch.setattr(context, "now", lambda: NOW)
        ran = CliRunner().invoke(
            command_line, ["--home", str(self.home), *words, "-f", "json"], env=self.environ
        )
        assert ran.exit_code in codes, ran.output
        return json.loads(ran.stdout)


def written_plans(folder: Path) -> Path:
    """The files that stand for PLAN, PLANS and PAID on the command line, in a folder."""
    (folder / "plan.toml").write_text(TOML)
    (folder / "plans.jsonl").write_text(
        json.dumps(PLAN) + "\n" + json.dumps({"model": "llama-2-7b", **_lora_keys()}) + "\n"
    )
    (folder / "paid.csv").write_text("name,usd\n" + "".join(f"{name},{usd}\n" for name, usd in PAID.items()))
    return folder


def doors(home: Home, environ: dict[str, str]) -> tuple[TestClient, Any]:
    settings = GateSettings(requests_per_second=0)
    app = create_app(home, settings=settings, clock=lambda: NOW, environ=environ)
    server, _, _ = create_server(home, clock=lambda: NOW, environ=environ)
    return TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50_000)), server


def _lora_keys() -> dict[str, Any]:
    from gpuledger.core.plan import preset_plan

    plan = preset_plan("llama-2-7b-lora")
    return plan.model_dump(mode="json", exclude_defaults=True) | {"name": plan.name}


def rows_of(content: Any, name: str | None) -> Any:
    return content if name is None else content[name]
