"""What a command may load: nothing heavy for a lookup, and Prefect for flows alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CAPTURE = Path(__file__).resolve().parents[1] / "captures" / "runpod" / "prices.json"
PROGRAM = """
import json, sys
from gpuledger.cli.main import main
try:
    main()
except SystemExit as ended:
    code = ended.code or 0
sys.stderr.write("\\n" + json.dumps({"code": code, "modules": sorted(sys.modules)}))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("imports")
    loaded(made, "providers")
    return made


def loaded(home: Path, *arguments: str, **more: str) -> tuple[int, set[str]]:
    """Exit code, and the top-level packages that were loaded by the end."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GPULEDGER_HOME": str(home), **more}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environ, capture_output=True, text=True, timeout=120
    )
    report = json.loads(done.stderr.splitlines()[-1])
    return report["code"], {name.partition(".")[0] for name in report["modules"]}


HEAVY = {"prefect", "pyarrow", "numpy", "pandas", "pydantic", "httpx", "bs4", "lxml", "fastapi", "scipy"}
# what one looks up often; not one heavy library is loaded for it
LIGHT = {
    "--help": (),
    "offers": ("--gpu", "H100"),
    "cheapest": ("H100",),
    "history": ("H100-SXM", "--limit", "1"),
    "gpus": (),
    "providers": (),
    "status": (),
    "unmapped": (),
    "sql": ("select 1",),
}


@pytest.mark.parametrize("name", LIGHT)
def test_a_lookup_loads_nothing_heavy(home: Path, name: str):
    code, modules = loaded(home, name, *LIGHT[name])
    assert code == 0
    assert modules & HEAVY == set()


def test_help_does_not_load_the_database(home: Path):
    assert "duckdb" not in loaded(home, "--help")[1]


WITHOUT_PREFECT = {
    "refresh": ("runpod", "--format", "json"),
    "replay": ("--dry-run",),
    "parse": ("runpod", str(CAPTURE)),
    "quote": ("llama-2-7b", "--limit", "1"),
    "estimate": ("llama-2-7b", "--gpu", "H100-SXM", "--gpus", "8"),
    "sources": (),
    "presets": (),
}


@pytest.mark.parametrize("name", WITHOUT_PREFECT)
def test_only_the_flow_commands_load_prefect(home: Path, name: str):
    nowhere = {"GPULEDGER_SOURCE_RUNPOD_URL": "http://127.0.0.1:1", "GPULEDGER_FETCH_ATTEMPTS": "1"}
    code, modules = loaded(home, name, *WITHOUT_PREFECT[name], **nowhere)
    assert code == (4 if name == "refresh" else 0)
    assert "prefect" not in modules


@pytest.mark.parametrize(
    "package",
    [
        "gpuledger.core",
        "gpuledger.core.store.offers",
        "gpuledger.core.spec",
        "gpuledger.core.config",
        "gpuledger.core.cheapest",
    ],
)
def test_the_read_path_of_core_is_light(package: str):
    code = f"import sys, {package}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()) & HEAVY == set()


def test_the_server_module_of_prefect_can_be_loaded():
    """Prefect 3.8 does not start with fastapi 0.155 or later; the caps in pyproject.toml hold it below."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "import prefect.server.api.server"],
        env=os.environ | {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
