"""The first command on a new machine, with the history and without it."""

import json

import pytest

from tests.interface.conftest import as_process

HISTORY = "select count(*) as many from offer where source like 'history%'"


@pytest.mark.slow
def test_the_first_command_takes_the_history_unless_told_not_to(tmp_path):
    with_it = as_process(tmp_path / "one", "sql", HISTORY, "--format", "json", history="on")
    assert json.loads(with_it.out)[0]["many"] > 5000
    assert "price list and history" in with_it.err
    without = as_process(tmp_path / "two", "--no-history", "sql", HISTORY, "--format", "json", history="on")
    assert json.loads(without.out)[0]["many"] == 0


def test_the_setting_says_the_same_as_the_flag(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "gpuledger.toml").write_text("bundled_history = false\n")
    answer = as_process(tmp_path / "home", "sql", HISTORY, "--format", "json", history="")
    assert json.loads(answer.out)[0]["many"] == 0


def test_a_setting_that_is_neither_on_nor_off_is_refused(tmp_path):
    answer = as_process(tmp_path, "providers", history="perhaps")
    assert (answer.code, answer.err) == (
        2,
        "error: GPULEDGER_BUNDLED_HISTORY must be on or off, not 'perhaps'\n",
    )
