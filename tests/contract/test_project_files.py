"""What a forge reads: workflows, templates and the facts of the project agree with each other and with the code."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from gpuledger.core.plan_sections import Costs

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "dependabot": [GITHUB / "dependabot.yml"],
    "github-issue-config": [GITHUB / "ISSUE_TEMPLATE" / "config.yml"],
    "github-issue-forms": sorted(
        path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config"
    ),
}


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(name)
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_file_has_the_form_that_the_forge_reads(schema: str):
    assert SCHEMAS[schema]
    done = tool("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema])
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_workflow_is_unsafe():
    done = tool("zizmor", "--offline", "--quiet", "--min-severity", "medium", GITHUB)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_that_a_workflow_runs_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = [
        step["run"]
        for path in WORKFLOWS
        for job in yaml.safe_load(path.read_text())["jobs"].values()
        for step in job.get("steps", ())
        if "run" in step
    ]
    made = {word for line in steps if line.startswith("make ") for word in line.split(" && ")[0].split()[1:]}
    assert {"lint", "types", "contracts", "test", "scheduler"} <= made <= targets
    scripts = {name for line in steps for name in re.findall(r"\.ci/[\w-]+", line)}
    assert scripts
    assert all((ROOT / name).stat().st_mode & 0o111 for name in scripts)


def test_the_checks_run_on_the_oldest_and_the_newest_python():
    checks = yaml.safe_load((GITHUB / "workflows" / "checks.yml").read_text())
    assert checks["jobs"]["default"]["strategy"]["matrix"]["python"] == [PYTHONS[0], PYTHONS[-1]]
    assert PROJECT["requires-python"] == ">=3.11,<3.15"
    named = [line.rsplit(" ", 1)[1] for line in PROJECT["classifiers"] if "Python :: 3." in line]
    assert named == PYTHONS


def test_only_the_jobs_that_publish_may_write():
    allowed = {"build", "pypi", "release", "image"}
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        assert set(workflow["permissions"].values()) <= {"read"}
        for name, job in workflow["jobs"].items():
            writes = {right for right, level in job.get("permissions", {}).items() if level == "write"}
            assert not writes or (path.stem == "release" and name in allowed) or path.stem == "prices"


def test_the_changelog_has_the_section_of_this_version():
    done = subprocess.run([ROOT / ".ci" / "release-version", f"v{PROJECT['version']}"], capture_output=True)
    assert done.returncode == 0, done.stderr
    wrong = subprocess.run([ROOT / ".ci" / "release-version", "v0.0.1"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("the tag is v0.0.1, the version in pyproject.toml ")


def test_what_is_capped_says_why_with_the_day_it_was_tried():
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    first, last = lines.index("dependencies = ["), lines.index("[project.optional-dependencies]")
    capped = [number for number in range(first, last) if re.search(r'"[\w-]+[^"]*,?<(?!=)', lines[number])]
    assert len(capped) >= 2
    for number in capped:
        assert re.search(r"# .*\(20\d\d-\d\d-\d\d", lines[number - 1]), lines[number]


def test_every_cost_of_a_plan_has_its_unit_and_meaning_in_the_page():
    page = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
    table = page[page.index("## `[costs]`") :].partition("\n## ")[0]
    rows = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)`", rows)) == set(Costs.model_fields)
