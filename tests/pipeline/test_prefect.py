"""A real Prefect server: a schedule made from a source runs by itself, and its failure is seen as one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.store.publish import reading
from tests.pipeline.prefect_server import ROOT, SERVE, Prefect, until

CAPTURE = ROOT / "tests" / "captures" / "runpod" / "prices.json"
pytestmark = [
    pytest.mark.scheduler,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to clean up"),
]


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
        (*_, first) = until("completed run", lambda: prefect.ended("COMPLETED"), 150)
        assert first["auto_scheduled"]
        assert first["parameters"]["source_name"] == "runpod"
        assert first["name"] == "refresh-runpod"

        with reading(prefect.home) as connection:
            before = connection.execute("select offer_id, amount from offer_latest order by all").fetchall()
        assert len(before) > 5

        (artifact, *_) = until("artifact", lambda: prefect.find("artifacts"), 30)
        assert artifact["key"] == "refresh-runpod"
        assert '"offers"' in artifact["data"]

        provider.always(b"moved", status=404)
        (failed, *_) = until("failed run", lambda: prefect.ended("FAILED"), 120)
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

    assert until("failed run in the ledger", outcomes, 30) == [("failed", "RefusedFetchError")]
    with reading(prefect.home) as connection:
        assert (
            connection.execute("select offer_id, amount from offer_latest order by all").fetchall() == before
        )


def test_every_source_that_is_fetched_has_a_deployment_at_its_own_interval():
    code = (
        "from gpuledger.flows.scheduled.deployments import deployments\n"
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
    from gpuledger.scrapers.registry import SOURCES

    made = [line.split() for line in done.stdout.splitlines()]
    assert {(name, float(seconds)) for name, seconds, _ in made} == {
        (source.name, source.every.total_seconds()) for source in SOURCES if source.requests
    }
    assert {entrypoint for _, _, entrypoint in made} == {"gpuledger.flows.scheduled.refresh.refresh"}
