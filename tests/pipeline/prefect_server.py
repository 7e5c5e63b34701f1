"""A real Prefect server for tests, and processes that serve deployments to it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from gpuledger.core.store.home import Home

ROOT = Path(__file__).resolve().parents[2]
SERVE = """
from dataclasses import replace
from datetime import timedelta
from prefect import serve
from gpuledger.flows.scheduled.deployments import deployment
from gpuledger.scrapers.registry import get

serve(deployment(replace(get("runpod"), every=timedelta(seconds=5))), pause_on_shutdown=False)
"""


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

    def __init__(self, folder: Path, provider_url: str, **environ: str) -> None:
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
            **environ,
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
        until("server", lambda: self._api.get("/health").json(), 180)

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

    def ask(self, what: str, **content: Any) -> Any:
        """What the server answers to a POST."""
        answer = self._api.post(f"/{what}", json=content)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def find(self, what: str, **filters: Any) -> list[dict[str, Any]]:
        return self.ask(f"{what}/filter", **filters)

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
