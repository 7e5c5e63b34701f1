"""What a shell is offered after Tab."""

from pathlib import Path

import pytest

from gpuledger.cli import options
from gpuledger.cli.main import COMPLETION, app


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("quote tinyllama", "tinyllama-1.1b"),
        ("cheapest H100-SX", "H100-SXm-80gb"),
        ("offers --gpu rtx-4090", "rtx-4090-24gb"),
        ("offers --provider corew", "coreweave"),
        ("refresh corew", "coreweave"),
        ("build-or-buy tinyllama", "tinyllama-1.1b"),
    ],
)
def test_a_shell_is_offered_what_may_follow(
    words: str,
    offered: str,
    bundled_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    typed = f"gpuledger {words}"
    monkeypatch.setenv("GPULEDGER_HOME", str(bundled_home))
    monkeypatch.setenv(COMPLETION, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
    with pytest.raises(SystemExit):
        app(prog_name="gpuledger")
    assert offered in capsys.readouterr().out.split()


def test_plan_files_and_folders_are_offered_beside_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llama-own.toml").touch()
    (tmp_path / "llama-notes.txt").touch()
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "a.json").touch()
    assert options.complete_plans("llama-own") == ["llama-own.toml"]
    assert options.complete_plans("llama-no") == []
    assert options.complete_plans("pla") == ["plans/"]
    assert options.complete_plans("plans/") == ["plans/a.json"]
    assert options.complete_plans("nowhere/") == []


def test_without_a_ledger_no_provider_is_offered_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("GPULEDGER_HOME", str(tmp_path / "home"))
    assert options.complete_providers("") == []
    assert not (tmp_path / "home").exists()
