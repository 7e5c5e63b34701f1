"""The command line as a person runs it, on a ledger that holds the bundled list."""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.template import start_bundled, this_hour

with warnings.catch_warnings():
    # typer 0.21 imports names that click 8.5 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from gpuledger.cli import context
    from gpuledger.cli.main import main

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
"""The day of tests whose answers depend on the age of the bundled prices."""


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]


@pytest.fixture(scope="session")
def bundled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger as the first use makes it."""
    return start_bundled(tmp_path_factory.mktemp("bundled"), now=this_hour())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger as the first use makes it at `NOW`."""
    return start_bundled(tmp_path_factory.mktemp("home"), now=NOW)


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands take `NOW` for the time."""
    monkeypatch.setattr(context, "now", lambda: NOW)


def as_process(
    home: Path, *arguments: str, stdin: str = "", python: Sequence[str] = (), history: str = "off"
) -> Ran:
    """The command in a process of its own, with no settings but the home."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "GPULEDGER_HOME": str(home),
        "GPULEDGER_BUNDLED_HISTORY": history,
    }
    program = [sys.executable, *python, "-c", "from gpuledger.cli.main import main; main()"]
    done = subprocess.run(
        [*program, *arguments], env=environ, input=stdin, capture_output=True, text=True, timeout=120
    )
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def process() -> Command:
    return as_process


@pytest.fixture
def gpuledger(
    bundled_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command inside this process: quicker, and the same code from the entry point on."""
    for name in [name for name in os.environ if name.startswith("GPULEDGER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GPULEDGER_HOME", str(bundled_home))
    monkeypatch.setenv("GPULEDGER_BUNDLED_HISTORY", "off")

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["gpuledger", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, written.out, written.err)

    yield run
