"""The wheel on every Python that it names and this machine has: first without extras, then with each of them."""

import json
import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.contract import test_wheel as wheel

pytestmark = wheel.pytestmark

PROJECT = tomllib.loads((wheel.ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MODULES = {
    "prefect": "prefect",
    "web": "fastapi, uvicorn, jinja2",
    "mcp": "mcp, uvicorn",
    "aws": "boto3",
    "otel": "opentelemetry.sdk.trace, opentelemetry.exporter.otlp.proto.http",
    "sign": "cryptography",
    "plot": "altair, vl_convert",
}
"""What the program imports of an extra; those of `scale` are files for DuckDB."""
MISSING = (
    (("deploy",), "prefect", "prefect"),
    (("serve",), "fastapi", "web"),
    (("mcp",), "mcp", "mcp"),
    (("release", "out", "--key", "key.pem"), "cryptography", "sign"),
)


def interpreter(version: str) -> Path | None:
    """The Python of that version, found in the path or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    there = [*sorted(pyenv.glob(f"{version}.*/bin/python"))]
    if (named := shutil.which(f"python{version}")) is not None:
        there.append(Path(named))
    for path in there:
        # what pyenv puts in the path may name a version that is not chosen
        if subprocess.run([path, "-c", "import venv"], capture_output=True).returncode == 0:
            return path
    return None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    wheel.uv("build", "--quiet", "--wheel", "--out-dir", folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module", params=PYTHONS)
def place(request: pytest.FixtureRequest, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment of that Python, in which the wheel is, without extras, by the locked versions."""
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"no Python {request.param} on this machine")
    folder = tmp_path_factory.mktemp(f"python-{request.param}")
    wheel.uv("venv", "--quiet", "--python", python, folder / "venv")
    _install(folder, built)
    return folder


def _install(place: Path, built: Path, *options: str) -> None:
    kept = ("--quiet", "--frozen", "--no-dev", "--no-emit-project", "--format", "requirements-txt")
    (place / "locked.txt").write_text(wheel.uv("export", *kept, *options))
    python = place / "venv" / "bin" / "python"
    wheel.uv("pip", "install", "--quiet", "--python", python, "-r", place / "locked.txt", built, cwd=place)


def test_every_python_that_is_named_is_tried():
    named = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if " :: 3." in name]
    assert tuple(named) == PYTHONS
    assert {*MODULES, "scale"} == set(PROJECT["optional-dependencies"])


def test_the_wheel_answers_without_extras_and_with_each(place: Path, built: Path):
    done = wheel.ask(place, "gpuledger", "cheapest", "H100", "--as-of", "2026-03-15", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    for words, module, extra in MISSING:
        done = wheel.ask(place, "gpuledger", *words)
        said = f"error: {module} is not installed; pip install 'gpuledger[{extra}]'\n"
        assert (done.returncode, done.stderr) == (2, said), words
    _install(place, built, "--all-extras")
    for extra, modules in MODULES.items():
        done = wheel.ask(place, "python", "-c", f"import {modules}")
        assert done.returncode == 0, (extra, done.stderr)
    for command in ("deploy", "serve", "mcp", "release"):
        assert wheel.ask(place, "gpuledger", command, "--help").returncode == 0
