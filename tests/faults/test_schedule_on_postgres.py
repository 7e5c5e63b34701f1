"""As for long use: Prefect's server on PostgreSQL, prices by schedule, and an automation that tells of failures."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gpuledger.core.store.publish import reading
from tests import postgres
from tests.pipeline.prefect_server import ROOT, SERVE, Prefect, until

CAPTURE = ROOT / "tests" / "captures" / "runpod" / "prices.json"
RUNS = 3

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to clean up"),
]


def has_trigrams(programs: Path) -> bool:
    """Whether that PostgreSQL brings `pg_trgm`, which Prefect makes indexes with."""
    try:
        asked = subprocess.run(
            [programs / "pg_config", "--sharedir"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return (Path(asked.stdout.strip()) / "extension" / "pg_trgm.control").exists()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[postgres.Server]:
    able = [folder for folder in postgres._folders() if has_trigrams(folder)]
    monkeypatch.setattr(postgres, "_folders", lambda: able)
    try:
        with postgres.server() as made:
            yield made
    except postgres.NoServerError as error:
        pytest.skip(f"{error}, with pg_trgm (apt-get install postgresql)")


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address on loopback, and what was posted there."""
    told: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_address[1]}/told", told
        listening.shutdown()


def test_prices_arrive_by_schedule_and_failures_are_told_by_an_automation(
    cluster: postgres.Server, provider: Any, tmp_path: Path, tally: Any
):
    provider.always(CAPTURE.read_bytes())
    database = f"postgresql+asyncpg://gpuledger@127.0.0.1:{cluster.port}/postgres"
    prefect = Prefect(tmp_path, provider.url, PREFECT_SERVER_DATABASE_CONNECTION_URL=database)
    try:
        with webhook() as (address, told):
            alert = {"GPULEDGER_NOTIFY_WEBHOOK": address, "GPULEDGER_NOTIFY_PRIVATE": "1"}
            subprocess.run(
                [sys.executable, ROOT / "deploy" / "alert_automation.py"],
                env=prefect.environ | alert,
                check=True,
                capture_output=True,
                timeout=60,
            )
            # Without the webhook in its settings: what is told comes from Prefect alone.
            prefect.start("serve", "-c", SERVE)
            done = until("scheduled runs", lambda: enough(prefect.ended("COMPLETED")), 90)
            assert all(run["auto_scheduled"] for run in done)
            with reading(prefect.home) as connection:
                offers, runs = connection.execute(
                    "select (select count(*) from offer_latest),"
                    " (select count(*) from scrape_run where outcome = 'accepted' and source = 'runpod')"
                ).fetchone()
            assert offers > 5
            assert runs >= RUNS
            assert told == []

            provider.always(b"moved", status=404)
            failed = until("failed run", lambda: failed_on_request(prefect), 120)
            until("word from the automation", lambda: told, 60)
    except BaseException:
        sys.stderr.write(prefect.logs())
        raise
    finally:
        prefect.close()
    assert told[0]["event"] == "gpuledger.flow_run_failed"
    assert failed["id"] in {one["flow_run_id"] for one in told}
    assert "refresh-runpod Failed" in told[0]["text"]
    assert "HTTP 404" in told[0]["text"]
    assert asyncio.run(runs_in(cluster)) >= RUNS, "the server kept its runs somewhere else"
    section = "Prefect's server on PostgreSQL"
    tally.note(section, "runs that its schedule started and that brought prices", str(len(done)))
    tally.note(section, "failed runs of which its automation told a webhook", str(len(told)))


def failed_on_request(prefect: Prefect) -> dict[str, Any] | None:
    """A run that was asked for, once it failed; one that met another is cancelled, and asked for again.

    Of a run that was scheduled less than five minutes before its start, as all of this test are, Prefect's
    automations hear a quarter of an hour late: they wait for an event of its scheduling, which is never sent.
    """
    wanted = {"state": {"type": {"not_any_": ["CANCELLED", "COMPLETED"]}}, "tags": {"all_": ["asked-for"]}}
    found = prefect.find("flow_runs", flow_runs=wanted)
    if not found:
        (deployment,) = prefect.find("deployments")
        prefect.ask(f"deployments/{deployment['id']}/pause_deployment")
        prefect.ask(f"deployments/{deployment['id']}/create_flow_run", tags=["gpuledger", "asked-for"])
    return next((run for run in found if run["state_type"] == "FAILED"), None)


async def runs_in(cluster: postgres.Server) -> int:
    connection = await asyncpg.connect(f"postgresql://gpuledger@127.0.0.1:{cluster.port}/postgres")
    try:
        return await connection.fetchval("select count(*) from flow_run")
    finally:
        await connection.close()


def enough(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return runs if len(runs) >= RUNS else []
