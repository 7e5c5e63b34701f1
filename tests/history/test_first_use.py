"""The first command on a new machine, with the history and without it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import gpuledger
from gpuledger.cli import context
from gpuledger.core.config import load_settings
from gpuledger.core.errors import ConfigError
from gpuledger.core.store.home import Home, home_of
from gpuledger.core.store.publish import reading
from gpuledger.release.write import release
from tests.command_line import app
from tests.history.conftest import NOW
from tests.interface.conftest import as_process

ROWS = (
    "observed_at,provider,instance_type,region,price_usd_hour\n2025-06-23,aws,p5.48xlarge,us-east-1,55.04\n"
)
HISTORY = "select count(*) as many from offer where source like 'history%'"


@pytest.mark.packaging
def test_the_first_command_takes_the_history_unless_told_not_to(tmp_path: Path):
    with_it = as_process(tmp_path / "one", "sql", HISTORY, "--format", "json", history="on")
    assert json.loads(with_it.out)[0]["many"] > 5000
    assert "price list and history" in with_it.err
    without = as_process(tmp_path / "two", "--no-history", "sql", HISTORY, "--format", "json", history="on")
    assert json.loads(without.out)[0]["many"] == 0
    (tmp_path / "rows.csv").write_text(ROWS)
    as_process(tmp_path / "three", "import", "changes", str(tmp_path / "rows.csv"), history="on")
    imported = as_process(tmp_path / "three", "sql", HISTORY, "--format", "json", history="on")
    assert json.loads(imported.out)[0]["many"] > 5000


@pytest.mark.parametrize(
    ("environ", "file", "wants"),
    [
        ({}, "", True),
        ({"GPULEDGER_BUNDLED_HISTORY": "off"}, "", False),
        ({}, "bundled_history = false\n", False),
        ({"GPULEDGER_BUNDLED_HISTORY": "on"}, "bundled_history = false\n", True),
    ],
)
def test_a_home_wants_the_history_as_the_settings_say(tmp_path: Path, environ, file, wants):
    (tmp_path / "gpuledger.toml").write_text(file)
    assert home_of(load_settings(environ, home=tmp_path)).has_history is wants


def test_the_flag_of_the_program_goes_before_the_settings(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("GPULEDGER_BUNDLED_HISTORY", "on")
    context.set_flags(tmp_path, None, history=False)
    try:
        assert context.home().has_history is False
    finally:
        context.set_flags(None, None)


def test_a_setting_that_is_neither_on_nor_off_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="GPULEDGER_BUNDLED_HISTORY must be on or off, not 'perhaps'"):
        load_settings({"GPULEDGER_BUNDLED_HISTORY": "perhaps"}, home=tmp_path)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(("pull", "@/release"), marks=pytest.mark.deep),
        pytest.param(("alias", "Some H100", "h100-sxm-80gb"), marks=pytest.mark.deep),
        ("publish",),
    ],
    ids=lambda words: words[0],
)
def test_a_first_command_that_adds_begins_with_what_ships_too(list_home, tmp_path: Path, first):
    """Before, it published a ledger without that, and no later question brought it in."""
    if first[0] == "pull":
        release(gpuledger.Ledger(list_home.path, clock=lambda: NOW, environ={}), tmp_path / "release")
    home = tmp_path / "home"
    settings = {"GPULEDGER_HOME": str(home), "GPULEDGER_BUNDLED_HISTORY": "off"}
    words = [word.replace("@", str(tmp_path)) for word in first]
    done = CliRunner(env=settings).invoke(app, words)
    assert done.exit_code == 0, done.stderr
    if first[0] == "publish":
        assert json.loads(done.stdout) == {"snapshot": 1}, "what began the ledger is in it"
    with reading(Home(home)) as snapshot:
        assert snapshot.execute("select count(*) > 100 from offer where source = 'bundled'").fetchone() == (
            True,
        )
