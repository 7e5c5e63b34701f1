"""Whoever runs it is told: by the webhook, in the log, by the audit."""

import io
import json
import logging

import pytest

from gpuledger.core.config import load_settings
from gpuledger.core.errors import ConfigError
from gpuledger.flows import telemetry
from gpuledger.flows.audit import audit_ledger
from gpuledger.flows.notify import notify
from gpuledger.flows.pipeline import RunReport
from tests.faults.hostile import head, plain

FAILED = RunReport(
    source="runpod", run_id="20261007T120000.000000Z-runpod", outcome="failed", error="HTTP 503"
)
FINE = RunReport(source="vast", run_id="20261007T120000.000000Z-vast", outcome="accepted")


def test_the_webhook_is_told_of_failed_runs_alone(provider, clock):
    provider.always(b"ok")
    assert notify(f"{provider.url}/hook", [FINE, FAILED], at=clock())
    (seen,) = provider.seen
    body = json.loads(seen.body)
    assert (seen.method, seen.path) == ("POST", "/hook")
    assert body["text"] == "gpuledger: runpod failed: HTTP 503"
    assert [run["source"] for run in body["runs"]] == ["runpod"]


def test_when_all_went_well_the_webhook_hears_nothing(provider, clock):
    assert not notify(provider.url, [FINE], at=clock())
    assert not provider.seen


@pytest.mark.parametrize("answer", [b"", plain(b"", status="500 No"), head("302 Found", "location: /other")])
def test_a_webhook_that_fails_is_a_line_in_the_log_without_its_address(trial, caplog, answer):
    trial.provider.always(answer)
    assert not notify(f"{trial.provider.url}/secret-path", [FAILED], at=trial.clock(), waits=())
    assert "the webhook was not told" in caplog.text
    assert "secret-path" not in caplog.text
    assert len(trial.provider.paths) == 1, "a redirect was followed"


def test_a_wrong_webhook_setting_is_refused_without_being_shown(tmp_path):
    with pytest.raises(ConfigError, match="GPULEDGER_NOTIFY_WEBHOOK must be") as raised:
        load_settings({"GPULEDGER_NOTIFY_WEBHOOK": "ftp://token@hooks.example"}, home=tmp_path)
    assert "token" not in str(raised.value)


def test_the_webhook_is_read_from_the_settings_file(tmp_path):
    (tmp_path / "gpuledger.toml").write_text('[notify]\nwebhook = "https://hooks.example/1"\n')
    assert load_settings({}, home=tmp_path).notify.webhook == "https://hooks.example/1"


@pytest.fixture
def log_lines():
    stream = io.StringIO()
    telemetry.log_as_json({"GPULEDGER_LOG": "json"}, stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    log = logging.getLogger("gpuledger")
    log.handlers, log.propagate = [], True
    log.setLevel(logging.NOTSET)


def test_each_run_leaves_lines_with_its_ids_and_counts(trial, log_lines):
    trial.good()
    fetched, recorded = log_lines()
    assert (fetched["message"], recorded["message"]) == ("fetched", "recorded")
    assert fetched["source"] == recorded["source"] == "runpod"
    assert fetched["run_id"] == recorded["run_id"]
    assert (recorded["offers"], recorded["changes"]) == (3, 3)


def test_a_failed_fetch_says_why_in_the_log(trial, log_lines):
    trial.provider.always(plain(b"", status="404 Gone"))
    trial.refresh()
    assert log_lines()[0]["error"] == "HTTP 404"


def states(trial, **how: bool) -> dict[str, str]:
    return {f"{found.kind} {found.name}": found.state for found in audit_ledger(trial.ledger, **how).findings}


def test_an_audit_of_a_sound_ledger_finds_all_well(trial):
    trial.good()
    assert states(trial, whole_archive=True) == {
        "source runpod": "ok",
        "check sql/checks": "ok",
        "archive archive": "ok",
    }


def test_an_audit_finds_a_source_past_its_target_and_what_it_last_said(trial):
    trial.good()
    trial.clock.forward(hours=3)
    trial.provider.always(plain(b"", status="403 No"))
    trial.refresh()
    (found,) = audit_ledger(trial.ledger).of_state("stale")
    assert found.name == "runpod"
    assert found.detail == "last accepted 4 h ago, target 3 h; last run failed: HTTP 403"


def test_an_audit_finds_broken_bytes_where_it_reads_them(trial):
    trial.good()
    victim = next(trial.ledger.home.archive.glob("[0-9a-f][0-9a-f]/*.zst"))
    victim.write_bytes(victim.read_bytes()[:-4])
    assert "broken" not in states(trial).values()
    assert "broken" in states(trial, whole_archive=True).values()


def test_an_audit_names_a_run_that_can_never_be_recorded(trial):
    trial.good()
    runs = trial.ledger.archive
    (manifest,) = runs.manifests()
    path = next((trial.ledger.home.archive / "runs").glob("*/*/*.json"))
    path.with_name(path.name.replace(path.name[:8], "20261006")).write_text("{}")
    (found,) = audit_ledger(trial.ledger).of_state("broken")
    assert found.kind == "run"
    assert found.name.startswith("20261006")
    assert manifest.run_id not in found.name


def test_the_last_error_is_gone_from_the_audit_once_a_run_was_accepted(trial):
    trial.provider.always(plain(b"", status="403 No"))
    trial.refresh()
    assert states(trial)["source runpod"] == "stale"
    trial.good()
    trial.clock.forward(hours=1)
    assert audit_ledger(trial.ledger).findings[0].detail == "last accepted 1 h ago, target 3 h"


def test_an_audit_before_any_refresh_says_what_to_do(trial):
    from gpuledger.core.errors import EmptyLedgerError

    with pytest.raises(EmptyLedgerError, match="run `gpuledger refresh` first"):
        audit_ledger(trial.ledger)


def test_a_webhook_that_was_away_is_told_again_and_later_what_it_missed(provider, clock, tmp_path):
    untold = tmp_path / "untold.jsonl"
    provider.always(b"", status=503)
    assert not notify(provider.url, [FAILED], at=clock(), untold=untold, waits=(0, 0))
    assert len(provider.seen) == 3
    assert "lost-token" not in untold.read_text()
    clock.forward(hours=1)
    assert not notify(provider.url, [], at=clock(), untold=untold, waits=(0, 0))
    assert len(provider.seen) == 4, "what waited had its tries"
    provider.always(b"")
    assert notify(provider.url, [FAILED], at=clock(), untold=untold, waits=(0, 0))
    told = [json.loads(seen.body)["at"] for seen in provider.seen[-2:]]
    assert told == sorted(told)
    assert told[0] != told[1]
    assert not untold.exists()
