"""What is shipped for operators agrees with the program: schedules, commands, and the tests that security names."""

import ast
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml

from gpuledger.cli.main import app
from gpuledger.scrapers.registry import SOURCES
from tools.docs.prefect_file import content, text

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").glob("*.service"))
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SECURITY = (ROOT / "docs" / "security.md").read_text()
ROWS = [
    line
    for line in SECURITY.splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| Threat"))
]
COMMANDS = set(typer.main.get_group(app).commands)  # pyright: ignore[reportAttributeAccessIssue]


def test_the_deployments_for_work_pools_are_those_of_the_registry():
    assert (ROOT / "prefect.yaml").read_text() == text()
    names = [made["name"] for made in content()["deployments"]]
    assert names == [*(source.name for source in SOURCES if source.requests), "hourly", "nightly"]


def test_units_were_found():
    assert len(UNITS) >= 4


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_exists_without_rights(unit):
    lines = unit.read_text()
    (start,) = re.findall(r"^ExecStart=(\S+) (\S+)", lines, re.MULTILINE)
    assert start[0].endswith("/prefect") or start[1] in COMMANDS
    for line in ("User=gpuledger", "NoNewPrivileges=yes", "ProtectSystem=strict", "UMask=0077"):
        assert line in lines, f"{unit.name} lacks {line}"


def test_the_compose_file_has_server_database_worker_and_web():
    assert set(COMPOSE["services"]) == {"server", "postgres", "worker", "poll", "web"}
    assert COMPOSE["services"]["web"]["command"][0] in COMMANDS
    assert COMPOSE["services"]["poll"]["command"][0] in COMMANDS


def test_every_port_of_the_compose_file_is_on_loopback():
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_service_of_ours_may_write_outside_its_volume():
    for name in ("server", "worker", "poll", "web"):
        service = COMPOSE["services"][name]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]


def test_whatever_is_asked_says_whether_it_is_well():
    for name, path in (("server", "4200/api/health"), ("worker", "8080/health"), ("web", "8765/healthz")):
        assert path in COMPOSE["services"][name]["healthcheck"]["test"][-1]
    assert "--with-healthcheck" in COMPOSE["services"]["worker"]["command"][0]


def test_whoever_may_begin_the_store_knows_which_and_where_it_is():
    for name in ("worker", "poll", "web"):
        service = COMPOSE["services"][name]
        assert service["volumes"] == ["ledger:/var/lib/gpuledger", "${GPULEDGER_SHARED:-shared}:/shared"]
        assert service.get("env_file") == [".env"] or "GPULEDGER_STORE" in service["environment"]


def test_what_runs_ends_in_its_own_time_and_leaves_no_processes():
    for name in ("server", "worker", "poll", "web"):
        assert COMPOSE["services"][name]["init"] is True
        assert COMPOSE["services"][name]["stop_grace_period"] == "1m"
    unit = (ROOT / "deploy" / "prefect-server.service").read_text()
    assert f"KillSignal={COMPOSE['services']['server']['stop_signal']}" in unit


CONTAINERFILE = ROOT / "deploy" / "Containerfile"


def test_volumes_belong_to_the_user_of_the_container():
    steps = CONTAINERFILE.read_text()
    assert "--home-dir /var/lib/gpuledger --create-home" in steps
    assert "install --directory --owner 10001 --group 10001 /shared" in steps


def test_the_page_says_which_extras_the_container_has():
    page = (ROOT / "docs" / "operations.md").read_text()
    extras = re.findall(r"--extra (\w+)", CONTAINERFILE.read_text())
    said = re.search(r"the extras ([^;]+);", " ".join(page.split()))
    assert said and re.findall(r"`(\w+)`", said[1]) == extras


def test_the_container_file_has_no_fault_that_hadolint_knows():
    hadolint = Path(sys.executable).with_name("hadolint")
    if not hadolint.exists():
        pytest.skip("hadolint has no package for this machine")
    done = subprocess.run([hadolint, "--no-color", CONTAINERFILE], capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_the_container_holds_all_that_is_packed_and_all_that_its_services_name():
    steps = CONTAINERFILE.read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    copied = set(re.findall(r"^COPY (?!--from)(.+) \S+$", steps, re.MULTILINE))
    copied = {name for names in copied for name in names.split()}
    assert all((ROOT / name).exists() for name in copied)
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert copied >= {*wheel["only-include"], *wheel["force-include"]}
    assert set(re.findall(r"--extra (\w+)", steps)) <= set(project["project"]["optional-dependencies"])
    for script in re.findall(r"python (deploy/\w+\.py)", str(COMPOSE)):
        assert script in copied


def test_the_container_runs_without_rights():
    assert re.findall(r"^USER (.+)$", CONTAINERFILE.read_text(), re.MULTILINE) == ["10001"]


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_threats_were_found():
    assert len(ROWS) >= 35


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split(" | ")[0].strip("| ")[:60])
def test_every_line_of_the_threat_model_names_its_test(row):
    (named,) = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert named[1] in functions_of(named[0])


def test_every_locked_file_has_a_hash():
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    foreign = [package for package in packages if package["name"] != "gpuledger"]
    files = [file for package in foreign for file in (*package.get("wheels", []), package.get("sdist"))]
    assert len(foreign) > 100
    assert all(set(package["source"]) == {"registry"} for package in foreign)
    assert all(file["hash"].startswith("sha256:") for file in files if file)
