"""Every door that a monitor watches counts alike: what never delivered is stale, what lacks its key is no fault."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from gpuledger.cli import context
from gpuledger.core.store.home import Home
from gpuledger.scrapers.registry import SOURCES
from gpuledger.web.application import create_app
from gpuledger.web.gate import GateSettings
from tests.command_line import app
from tests.template import start_bundled

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LIVE = {source.name for source in SOURCES if not source.is_dated_list}
KEYED = {
    source.name: variables
    for source in SOURCES
    if (variables := {one.credential.variable for one in source.requests if one.credential})
    and all(one.credential for one in source.requests)
}
"""Sources that answer nothing without a key, and where their keys are read from."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in which nothing live was ever accepted."""
    return start_bundled(tmp_path_factory.mktemp("home"), now=NOW)


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "now", lambda: NOW)
    for variables in KEYED.values():
        for variable in variables:
            monkeypatch.delenv(variable, raising=False)


class Doors:
    """Which sources each door calls stale, and which not configured."""

    def __init__(self, home: Path, environ: dict[str, str], now: datetime) -> None:
        client = TestClient(
            create_app(
                Home(home), settings=GateSettings(requests_per_second=0), clock=lambda: now, environ=environ
            ),
            base_url="http://localhost",
        )
        with client:
            self.health: dict[str, Any] = client.get("/healthz").json()
            metrics = client.get("/metrics").text
        self.metrics = set(re.findall(r'^gpuledger_source_is_stale{source="(\w+)"} 1$', metrics, re.M))
        status = CliRunner().invoke(app, ["--home", str(home), "status", "--exit-code", "-f", "json"])
        self.status_code, rows = status.exit_code, json.loads(status.stdout)
        self.status = {row["source"] for row in rows if row["is_stale"]}
        self.states = {row["source"]: row["state"] for row in rows if row["state"] != "archive"}
        audit = CliRunner().invoke(app, ["--home", str(home), "audit", "-f", "json"])
        self.audit_code = audit.exit_code
        found = [json.loads(audit.stdout)] if audit.stdout.startswith("{") else json.loads(audit.stdout)
        self.audit = {row["name"] for row in found if row["kind"] == "source" and row["state"] == "stale"}
        self.told = audit.stderr

    def all_say(self) -> set[str]:
        assert self.status == self.audit == self.metrics
        assert self.health["stale_sources"] == len(self.status)
        assert self.health["status"] == ("degraded" if self.status else "ok")
        assert (self.status_code, self.audit_code) == ((3, 3) if self.status else (0, 0))
        return self.status


def test_some_sources_need_a_key():
    assert {"prime_intellect", "shadeform"} <= set(KEYED)


def test_what_never_delivered_is_stale_and_what_lacks_its_key_is_not_configured(home):
    doors = Doors(home, {}, NOW)
    assert doors.all_say() == LIVE - set(KEYED)
    assert {doors.states[name] for name in doors.status} == {"never"}
    assert "runpod: stale: no accepted run, target 3 h" in doors.told
    assert {name for name, state in doors.states.items() if state == "not configured"} == set(KEYED)
    assert not any(name in doors.told for name in KEYED)


def test_with_their_keys_such_sources_have_to_deliver(home, monkeypatch):
    environ = {variable: "key" for variables in KEYED.values() for variable in variables}
    for variable, key in environ.items():
        monkeypatch.setenv(variable, key)
    doors = Doors(home, environ, NOW)
    assert doors.all_say() == LIVE and set(doors.states.values()) == {"never"}


def test_a_source_that_failed_every_time_never_delivered_and_one_that_did_is_stale_in_time(
    home, tmp_path, provider, monkeypatch
):
    own = start_bundled(tmp_path / "home", now=NOW)
    monkeypatch.setenv("GPULEDGER_SOURCE_RUNPOD_URL", provider.url)
    monkeypatch.setenv("GPULEDGER_FETCH_ATTEMPTS", "1")

    def read() -> int:
        return CliRunner().invoke(app, ["--home", str(own), "refresh", "runpod"]).exit_code

    provider.always(b"down", status=503)
    assert read() == 4
    assert Doors(own, {}, NOW).states["runpod"] == "never"
    capture = Path(__file__).resolve().parents[2] / "captures" / "runpod" / "prices.json"
    provider.always(capture.read_bytes())
    assert read() == 0
    assert "runpod" not in Doors(own, {}, NOW).all_say()
    late = NOW + timedelta(hours=3, minutes=1)
    monkeypatch.setattr(context, "now", lambda: late)
    doors = Doors(own, {}, late)
    assert "runpod" in doors.all_say() and doors.states["runpod"] == "stale"
