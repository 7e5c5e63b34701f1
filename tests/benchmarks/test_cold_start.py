"""Cold start: the command against a bare process that imports the same libraries and runs one query.

Runs are interleaved, so that a busy machine slows both; the ratio of the medians counts.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark_suite

RUNS = 10
PROGRAM = (str(Path(sys.executable).with_name("gpuledger")),)
BARE_LOOKUP = """
import sys
import typer, rich, duckdb
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    rows = connection.execute("from offer_latest where gpu_id like 'h100%' order by all").fetchall()
sys.stdout.write(f"{len(rows)}\\n")
"""
BARE_HELP = "import typer"


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("cold") / "home"
    made = {"PATH": os.environ["PATH"], "HOME": str(home.parent), "GPULEDGER_HOME": str(home)}
    subprocess.run([*PROGRAM, "providers"], env=made, check=True, capture_output=True, timeout=120)
    return made


def seconds(command: tuple[str, ...], environ: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=60)
    return time.perf_counter() - began


def ratio(ours: tuple[str, ...], bare: tuple[str, ...], environ: dict[str, str]) -> float:
    """Median of ours over median of the bare process, after one run of each for the caches."""
    seconds(ours, environ), seconds(bare, environ)
    pairs = [(seconds(ours, environ), seconds(bare, environ)) for _ in range(RUNS)]
    ours_median, bare_median = (statistics.median(times) for times in zip(*pairs, strict=True))
    told = f"{1e3 * ours_median:.0f} ms against {1e3 * bare_median:.0f} ms: {ours_median / bare_median:.3f}"
    sys.stdout.write(f"\n{' '.join(('gpuledger', *ours[1:]))}: {told}\n")
    return ours_median / bare_median


def test_a_lookup_takes_hardly_longer_than_its_libraries(environ: dict[str, str]):
    snapshot = next((Path(environ["GPULEDGER_HOME"]) / "snapshots").glob("prices-*.duckdb"))
    bare = (sys.executable, "-c", BARE_LOOKUP, str(snapshot))
    assert ratio((*PROGRAM, "offers", "--gpu", "H100"), bare, environ) <= 1.15


def test_help_takes_hardly_longer_than_typer(environ: dict[str, str]):
    assert ratio((*PROGRAM, "--help"), (sys.executable, "-c", BARE_HELP), environ) <= 1.5
