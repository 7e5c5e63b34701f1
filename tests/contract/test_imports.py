"""What a command may load: nothing heavy for a lookup, and Prefect for flows alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.template import start_bundled, this_hour

CAPTURE = Path(__file__).resolve().parents[1] / "captures" / "runpod" / "prices.json"
READ_PATH = [
    "gpuledger.core",
    "gpuledger.core.store.offers",
    "gpuledger.core.spec",
    "gpuledger.core.config",
    "gpuledger.core.cheapest",
]
HEAVY = {"prefect", "pyarrow", "numpy", "pandas", "pydantic", "httpx", "bs4", "lxml", "fastapi", "scipy"}
# what one looks up often; not one heavy library is loaded for it
LIGHT = {
    "--help": (),
    "offers": ("--gpu", "H100"),
    "cheapest": ("H100",),
    "history": ("H100-SXM", "--limit", "1"),
    "gpus": (),
    "providers": (),
    "unmapped": (),
    "sql": ("select 1",),
}
WITHOUT_PREFECT = {
    # judges sources that never delivered, which only their adapters declare
    "status": (),
    "sources": (),
    "presets": (),
    "estimate": ("llama-2-7b", "--gpu", "H100-SXM", "--gpus", "8"),
    "quote": ("llama-2-7b", "--limit", "1"),
    "parse": ("runpod", str(CAPTURE)),
    "replay": ("--dry-run",),
    "refresh": ("runpod", "--format", "json"),
}
# One process for all, lightest first: what a step adds to the loaded modules is its own.
PROGRAM = """
import importlib, json, sys

def top():
    return {name.partition(".")[0] for name in sys.modules}

def step(name, act):
    before = top()
    try:
        code = act() or 0
    except SystemExit as ended:
        code = ended.code or 0
    report[name] = {"code": code, "added": sorted(top() - before)}

def command(name, arguments):
    def act():
        sys.argv = ["gpuledger", name, *arguments]
        main()
    return act

modules, commands = json.loads(sys.argv[1])
report = {}
step("main", lambda: importlib.import_module("gpuledger.cli.main") and None)
from gpuledger.cli.main import main
step("--help", command("--help", commands.pop("--help")))
for name in modules:
    step(name, lambda: importlib.import_module(name) and None)
for name, arguments in commands.items():
    step(name, command(name, arguments))
sys.stderr.write("\\n" + json.dumps(report))
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Exit code of each command, and the top-level packages that it was the first to load."""
    # a command that makes the ledger loads what a refresh does
    home = start_bundled(tmp_path_factory.mktemp("imports"), now=this_hour())
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GPULEDGER_HOME": str(home),
        "GPULEDGER_BUNDLED_HISTORY": "off",
        "GPULEDGER_SOURCE_RUNPOD_URL": "http://127.0.0.1:1",
        "GPULEDGER_FETCH_ATTEMPTS": "1",
    }
    steps = json.dumps([READ_PATH, LIGHT | WITHOUT_PREFECT])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, steps], env=environ, capture_output=True, text=True, timeout=300
    )
    return json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize("name", ["main", *READ_PATH])
def test_the_read_path_of_core_is_light(probe: dict[str, dict], name: str):
    assert set(probe[name]["added"]) & HEAVY == set()


@pytest.mark.parametrize("name", LIGHT)
def test_a_lookup_loads_nothing_heavy(probe: dict[str, dict], name: str):
    assert probe[name]["code"] == 0
    assert set(probe[name]["added"]) & HEAVY == set()


def test_help_does_not_load_the_database(probe: dict[str, dict]):
    assert "duckdb" not in probe["main"]["added"] + probe["--help"]["added"]
    assert any("duckdb" in step["added"] for step in probe.values())


@pytest.mark.parametrize("name", WITHOUT_PREFECT)
def test_only_the_flow_commands_load_prefect(probe: dict[str, dict], name: str):
    assert probe[name]["code"] == (4 if name == "refresh" else 0)
    assert "prefect" not in probe[name]["added"]
