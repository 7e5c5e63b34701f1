"""/v1/offers/cheapest against a bare FastAPI route of the same bytes: same run, same tool, all cores.

A refresh of a ledger of 60,000 offers publishes every 5 s while the REST interface is measured, and only
then, so the bare route has the cores to itself. Both listen the same way. Needs `wrk`. BENCH_SECONDS shortens
the two runs of 60 s.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from gpuledger.core.store.home import Home
from tests.interface.server.large_ledger import fill, next_price

WRK = shutil.which("wrk")
pytestmark = [
    pytest.mark.benchmark_suite,
    pytest.mark.skipif(WRK is None, reason="no wrk on the PATH (apt-get install wrk)"),
]

ROOT = Path(__file__).resolve().parents[2]
SECONDS = int(os.environ.get("BENCH_SECONDS", "60"))
CORES = os.cpu_count() or 1
CONNECTIONS = 32
PUBLISH_SECONDS = 5.0
ADDRESS = "/v1/offers/cheapest?gpu=H100-SXM"
LEAST_SHARE, MOST_TIMES = 0.5, 4.0

REPORT = """
done = function(summary, latency, requests)
  io.write(string.format("p95_us %d\\nanswers %d\\nseconds %f\\nwrong %d\\n", latency:percentile(95),
    summary.requests, summary.duration / 1e6, summary.errors.status + summary.errors.connect
    + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


@contextmanager
def server(*command: str, port: int, **environ: str) -> Iterator[str]:
    """A server in a process group of its own, stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=os.environ | environ, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if httpx.get(url + ADDRESS, timeout=10).status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.1)
        time.sleep(2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def measured(url: str, script: Path) -> dict[str, float]:
    """Answers a second, 95th percentile and wrong answers, as wrk counts them."""
    command = [str(WRK), "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(script), url + ADDRESS]
    out = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS + 60, check=True).stdout
    found = {name: float(value) for name, value in re.findall(r"^(\w+) ([\d.]+)$", out, re.MULTILINE)}
    return {
        "per_second": found["answers"] / found["seconds"],
        "p95_ms": found["p95_us"] / 1000,
        "wrong": found["wrong"],
    }


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_cheapest_serves_half_of_what_a_bare_route_serves(tmp_path):
    home = Home(tmp_path / "home")
    fill(home, now=datetime.now(UTC))
    script = tmp_path / "report.lua"
    script.write_text(REPORT)
    bytes_file = tmp_path / "bytes.json"
    stop, mixed, published, checked = threading.Event(), [], [], [0]

    def publish() -> None:
        number = 0
        while not stop.wait(max(0.0, PUBLISH_SECONDS - sum(published[-1:]))):
            number += 1
            started = time.monotonic()
            next_price(home, now=datetime.now(UTC), usd=f"1.{number:03d}")
            published.append(time.monotonic() - started)

    def check(url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not stop.wait(0.02):
                answer = client.get(ADDRESS)
                content = answer.json()
                checked[0] += 1
                wanted = {format(1 + (content["snapshot"] - 1) / 1000, ".3f").rstrip("0").rstrip(".")}
                prices = {row["usd_per_gpu_hour"] for row in content["offers"]}
                named = int(answer.headers["x-gpuledger-snapshot"])
                if named != content["snapshot"] or (named > 1 and prices != wanted):
                    mixed.append((named, content["snapshot"], prices))

    port = free_port()
    serve = (
        "-c",
        "from gpuledger.cli.main import run; run()",
        "serve",
        "--rate",
        "0",
        "--workers",
        str(CORES),
    )
    with server(*serve, "--port", str(port), port=port, GPULEDGER_HOME=str(home.path)) as url:
        bytes_file.write_bytes(httpx.get(url + ADDRESS).content)
        threads = [threading.Thread(target=publish), threading.Thread(target=check, args=(url,))]
        for thread in threads:
            thread.start()
        ours = measured(url, script)
        stop.set()
        for thread in threads:
            thread.join()
    port = free_port()
    bare_command = ("-m", "tests.benchmarks.bare_route", str(bytes_file), str(port), str(CORES))
    with server(*bare_command, port=port) as url:
        bare = measured(url, script)

    share, times = ours["per_second"] / bare["per_second"], ours["p95_ms"] / bare["p95_ms"]
    sys.stdout.write(
        f"\n{SECONDS} s, {CORES} cores, {CONNECTIONS} connections, {bytes_file.stat().st_size} bytes\n"
        f"bare   {bare['per_second']:8.0f} a second, p95 {bare['p95_ms']:6.2f} ms\n"
        f"ledger {ours['per_second']:8.0f} a second, p95 {ours['p95_ms']:6.2f} ms, "
        f"{len(published)} snapshots published, {checked[0]} answers checked\n"
        f"share {share:.2f} (at least {LEAST_SHARE}), p95 {times:.2f} times (under {MOST_TIMES})\n"
    )
    assert ours["wrong"] == 0
    assert mixed == []
    assert checked[0] > 50
    assert len(published) >= min(3, SECONDS // 6)
    assert share >= LEAST_SHARE
    assert times < MOST_TIMES
