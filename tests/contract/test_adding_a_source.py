"""docs/adding-a-source.md, followed to the letter with its own example in a copy of the project, leaves it green."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding-a-source.md").read_text()
COPIED = [
    "core",
    "flows",
    "gpuledger",
    "scrapers",
    "sql",
    "tests",
    "tools",
    "docs",
    "deploy",
    ".ci",
    ".github",
]
FILES = ["Makefile", "pyproject.toml", "uv.lock", "prefect.yaml", "README.md", "CHANGELOG.md", "LICENSE"]
LOOKING_AT_SOURCES = [
    "tests/sources/test_adapters.py",
    "tests/sources/test_mutations.py",
    "tests/sources/test_units.py",
    "tests/sources/test_archives.py",
]
"""Of these the tests of the example, and those of all sources at once."""
ITS_OWN = "example or junk or every_source or several_gpus"
ABOUT_THE_REGISTRY = ["tests/contract/test_source_page.py"]


def block(language: str, holding: str) -> str:
    """The one block of the page in this language that holds this text."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```$", PAGE, re.DOTALL | re.MULTILINE)
    (text,) = [dedent(text) for text in found if holding in text]
    return text


def registered(registry: str) -> str:
    """The registry with the example in the order of the alphabet."""
    registry = registry.replace("    ecb,\n", "    ecb,\n    example,\n")
    return registry.replace("    ecb.SOURCE,\n", "    ecb.SOURCE,\n    example.SOURCE,\n")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What git holds of the project, with the environment of the original."""
    for name in COPIED:
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    for name in FILES:
        shutil.copy2(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    return tmp_path


@pytest.mark.packaging
def test_the_page_followed_to_the_letter_leaves_the_suite_green(copy: Path):
    def make(*targets: str) -> None:
        # the environment is as it is: never synchronise that of the original
        run("make", "--old-file", ".venv/.synced", *targets)

    def run(*command: str) -> None:
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]

    (copy / "scrapers" / "example.py").write_text(block("python", "SOURCE = Source("))
    registry = copy / "scrapers" / "registry.py"
    registry.write_text(registered(registry.read_text()))
    captures = copy / "tests" / "captures" / "example"
    captures.mkdir()
    (captures / "plans.json").write_text(block("json", "h100.8"))
    (captures / "plans.json.toml").write_text(block("text", "fetched_at"))
    assert "`make golden`" in PAGE and "`make generated`" in PAGE
    make("golden", "generated")
    assert len((copy / "tests" / "golden" / "example" / "plans.json.jsonl").read_text().splitlines()) == 3
    assert "example.com" in (copy / "docs" / "sources.md").read_text()
    run(sys.executable, "-m", "ruff", "check", "scrapers")
    run(sys.executable, "-m", "ruff", "format", "--check", "scrapers")
    pytest_run = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not faults")
    run(*pytest_run, "-k", ITS_OWN, *LOOKING_AT_SOURCES)
    run(*pytest_run, *ABOUT_THE_REGISTRY)
    # prefect.yaml alone: the rest of that file looks at what operators get
    run(*pytest_run, "-k", "registry", "tests/contract/test_deploy_files.py")
