"""The wheel: one package, the same files however it is built, and it works beside other people's packages."""

import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = ROOT / ".venv" / "bin" / "uv"
pytestmark = [
    pytest.mark.packaging,
    pytest.mark.skipif(not UV.exists(), reason="no uv in .venv"),
]
THEIRS = ["core", "app", "flows", "scrapers", "sql", "tools"]
"""Folders that somebody's project may have beside our wheel."""


def uv(*arguments: object, cwd: Path = ROOT) -> str:
    # only the registry's address and certificates matter; the caller's environment must not choose the interpreter
    environ = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(
        [UV, *map(str, arguments)], cwd=cwd, env=environ, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheels that are made from the checkout and from the sdist."""
    folder = tmp_path_factory.mktemp("built")
    uv("build", "--quiet", "--wheel", "--out-dir", folder / "checkout")
    uv("build", "--quiet", "--out-dir", folder / "sdist")
    return {
        "checkout": next((folder / "checkout").glob("*.whl")),
        "sdist": next((folder / "sdist").glob("*.whl")),
        "archive": next((folder / "sdist").glob("*.tar.gz")),
    }


def files(wheel: Path) -> dict[str, int]:
    """The checksum of every file; the list of files differs with nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def test_the_wheel_of_the_checkout_and_of_the_sdist_hold_the_same_files(built: dict[str, Path]):
    assert files(built["checkout"]) == files(built["sdist"])


def test_the_wheel_holds_one_package_and_all_of_it(built: dict[str, Path]):
    names = set(files(built["checkout"]))
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gpuledger"}
    held = subprocess.run(
        ["git", "ls-files", "core", "flows", "scrapers", "sql"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    if not held:
        pytest.skip("no git here to say what belongs to the project")
    assert {f"gpuledger/{name}" for name in held} <= names
    for folder in ("gpuledger/web/page/templates", "gpuledger/web/page/static"):
        assert {f"{folder}/{path.name}" for path in (ROOT / folder).iterdir()} <= names


def test_what_only_developers_run_is_in_neither(built: dict[str, Path]):
    with tarfile.open(built["archive"]) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    names = {*files(built["checkout"]), *packed}
    assert [name for name in names if name.startswith(("tools/", "tests/", "gpuledger/tools", ".ci"))] == []


@pytest.fixture(scope="module")
def elsewhere(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with packages of our old names; the wheel, without extras, is in its environment."""
    place = tmp_path_factory.mktemp("elsewhere")
    for name in THEIRS:
        (place / name).mkdir()
        (place / name / "__init__.py").write_text(f"raise ImportError('this is the other {name}')\n")
    uv("venv", "--quiet", place / "venv")
    locked = uv(
        "export", "--quiet", "--frozen", "--no-dev", "--no-emit-project", "--format", "requirements-txt"
    )
    (place / "locked.txt").write_text(locked)
    python = place / "venv" / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, "-r", place / "locked.txt", built["sdist"], cwd=place)
    return place


def ask(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(place), "GPULEDGER_HOME": str(place / "home")}
    return subprocess.run(
        [place / "venv" / "bin" / command[0], *command[1:]],
        cwd=place,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_it_answers_in_a_project_that_has_packages_of_the_same_names(elsewhere: Path):
    code = (
        "import gpuledger\n"
        "prices = gpuledger.Ledger().cheapest('H100')\n"
        "print(gpuledger.__version__, len(list(prices)) > 0)"
    )
    done = ask(elsewhere, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1] == "True"


def test_a_query_runs_in_its_own_process_there(elsewhere: Path):
    done = ask(elsewhere, "gpuledger", "sql", "select count(*) > 10 as many from offer_latest", "-f", "json")
    assert done.returncode == 0, done.stderr
    assert "true" in done.stdout


def test_what_needs_an_extra_says_so_in_one_line(elsewhere: Path):
    for command, module, extra in (
        ("deploy", "prefect", "prefect"),
        ("serve", "fastapi", "web"),
        ("mcp", "mcp", "mcp"),
    ):
        done = ask(elsewhere, "gpuledger", command)
        assert (done.returncode, done.stderr) == (
            2,
            f"error: {module} is not installed; pip install 'gpuledger[{extra}]'\n",
        )
