"""A real Prefect server: a schedule made from a source runs by itself, and its failure is seen as one."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from core.store.database import Home
from core.store.publish import reading

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = ROOT / "tests" / "captures" / "runpod" / "prices.json"
SERVE = """
from dataclasses import replace
from datetime import timedelta
from prefect import serve
from flows.deployments import deployment
from scrapers.registry import get

serve(deployment(replace(get("runpod"), every=timedelta(seconds=5))), pause_on_shutdown=False)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to clean up"),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(what: str, ask: Callable[[], Any], seconds: float) -> Any:
    """The first answer that is true; asked four times a second."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        try:
            found = ask()
        except (httpx.HTTPError, duckdb.Error):
            found = None
        if found:
            return found
        time.sleep(0.25)
    pytest.fail(f"no {what} after {seconds:g} s")


class Prefect:
    """A server, and one process that serves a deployment; everything they start dies with them."""

    def __init__(self, folder: Path, provider_url: str) -> None:
        self.home = Home(folder / "home")
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self._marker = f"PREFECT_HOME={folder / 'prefect'}".encode()
        port = free_port()
        self.environ = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_RUNNER_POLL_FREQUENCY": "1",
            "DO_NOT_TRACK": "1",
            "GPULEDGER_HOME": str(self.home.path),
            "GPULEDGER_SOURCE_RUNPOD_URL": provider_url,
            "GPULEDGER_FETCH_ATTEMPTS": "1",
        }
        self._api = httpx.Client(base_url=f"http://127.0.0.1:{port}/api", trust_env=False)
        self.start(
            "server",
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--no-ui",
        )
        until("server", lambda: self._api.get("/health").json(), 30)

    def start(self, name: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._started.append(
                subprocess.Popen(
                    [sys.executable, *arguments],
                    env=self.environ,
                    cwd=self._folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )

    def find(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        answer = self._api.post(f"/{what}/filter", json=filters)
        answer.raise_for_status()
        return answer.json()

    def ended(self, state: str) -> list[dict[str, Any]]:
        return self.find("flow_runs", flow_runs={"state": {"type": {"any_": [state]}}})

    def logs(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self._folder.glob("*.log")
        )

    def processes(self) -> list[int]:
        """All processes with our settings, whoever started them."""
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._marker in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def close(self) -> None:
        self._api.close()
        for sign, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            for pid in self.processes():
                try:
                    os.kill(pid, sign)
                except ProcessLookupError:
                    continue
            ends_at = time.monotonic() + seconds
            while self.processes() and time.monotonic() < ends_at:
                time.sleep(0.1)
        for started in self._started:
            started.wait(timeout=3)


@pytest.fixture
def prefect(tmp_path: Path, provider: Any) -> Iterator[Prefect]:
    provider.always(CAPTURE.read_bytes())
    started = Prefect(tmp_path, provider.url)
    try:
        yield started
    finally:
        started.close()
        assert started.processes() == []


def test_a_schedule_runs_by_itself_and_a_failure_keeps_the_past(prefect: Prefect, provider: Any):
    prefect.start("serve", "-c", SERVE)
    try:
        (*_, first) = until("completed run", lambda: prefect.ended("COMPLETED"), 40)
        assert first["auto_scheduled"]
        assert first["parameters"] == {"source_name": "runpod"}
        assert first["name"] == "refresh-runpod"

        with reading(prefect.home) as connection:
            before = connection.execute("select offer_id, amount from offer_latest order by all").fetchall()
        assert len(before) > 5

        (artifact, *_) = until("artifact", lambda: prefect.find("artifacts"), 5)
        assert artifact["key"] == "refresh-runpod"
        assert '"offers"' in artifact["data"]

        provider.always(b"moved", status=404)
        (failed, *_) = until("failed run", lambda: prefect.ended("FAILED"), 30)
        assert failed["auto_scheduled"]
        assert "runpod: failed: HTTP 404" in failed["state"]["message"]
    except BaseException:
        sys.stderr.write(prefect.logs())
        raise

    def outcomes() -> list[tuple[str, str]]:
        with reading(prefect.home) as connection:
            return connection.execute(
                "select distinct outcome, error_kind from scrape_run where error_kind is not null"
            ).fetchall()

    assert until("failed run in the ledger", outcomes, 10) == [("failed", "RefusedFetchError")]
    with reading(prefect.home) as connection:
        assert (
            connection.execute("select offer_id, amount from offer_latest order by all").fetchall() == before
        )


def test_every_source_that_is_fetched_has_a_deployment_at_its_own_interval():
    code = (
        "from flows.deployments import deployments\n"
        "for one in deployments():\n"
        "    print(one.name, one.schedules[0].schedule.interval.total_seconds(), one.entrypoint)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    from scrapers.registry import SOURCES

    made = [line.split() for line in done.stdout.splitlines()]
    assert {(name, float(seconds)) for name, seconds, _ in made} == {
        (source.name, source.every.total_seconds()) for source in SOURCES if source.requests
    }
    assert {entrypoint for _, _, entrypoint in made} == {"flows.refresh.refresh"}
