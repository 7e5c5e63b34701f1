"""The meter around a plain loop: dollars, what is to come, resumption, and that nothing of it reaches the loop."""

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gpuledger.meter import Meter
from gpuledger.meter import run as meter_run


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


def loop(meter: Meter, clock: Time, steps: int, *, seconds: float = 36.0, tokens: float = 1000.0) -> None:
    for _ in range(steps):
        clock.seconds += seconds
        meter.step(tokens)


def metered(home: Path, clock: Time, **more: Any) -> Meter:
    values = {"usd_per_hour": 10, "steps": 100, "run": "mine", "gpus": 8} | more
    return Meter(home=home, clock=clock, now=clock.now, **values)


def test_dollars_so_far_and_to_the_end(tmp_path: Path):
    clock = Time()
    with metered(tmp_path, clock, budget_usd=8) as meter:
        loop(meter, clock, 50)
        status = meter.status()
    assert status["usd_spent"] == pytest.approx(5.0)
    assert status["usd_to_finish"] == pytest.approx(5.0)
    assert status["usd_projected"] == pytest.approx(10.0)
    assert status["usd_over_budget"] == pytest.approx(2.0)
    assert status["hours_to_finish_low"] < 0.5 < status["hours_to_finish_high"]
    assert status["tokens_per_usd"] == pytest.approx(10_000)


def test_mfu_is_model_flops_over_the_peak(tmp_path: Path):
    clock = Time()
    with metered(tmp_path, clock, flops_per_token=6e9, peak_flops_per_second=1e12) as meter:
        loop(meter, clock, 10)
        # 1,000 tokens in 36 s
        assert meter.status()["mfu"] == pytest.approx(1000 / 36 * 6e9 / 1e12)


def test_a_resumed_run_goes_on_where_it_was_and_never_falls(tmp_path: Path):
    clock, seen = Time(), list[float]()
    for _ in range(3):
        with metered(tmp_path, clock) as meter:
            for _ in range(10):
                loop(meter, clock, 1)
                seen.append(meter.usd_spent)
        clock.seconds += 86_400
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(3.0)


def test_a_checkpoint_that_knows_more_than_the_home_is_believed(tmp_path: Path):
    clock = Time()
    meter = metered(tmp_path, clock)
    meter.resume(usd_spent=7.0)
    meter.start()
    loop(meter, clock, 10)
    assert meter.usd_spent == pytest.approx(8.0)


def test_a_clock_that_goes_back_costs_nothing_and_takes_nothing(tmp_path: Path):
    clock = Time()
    with metered(tmp_path, clock) as meter:
        loop(meter, clock, 10)
        spent = meter.usd_spent
        loop(meter, clock, 1, seconds=-500)
        assert meter.usd_spent == spent


def disk_full(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    def refuse(path: Path, content: bytes, *, is_durable: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(meter_run, "write_whole", refuse)


def no_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    home.parent.mkdir(exist_ok=True)
    home.write_text("a file")


def no_ledger(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setitem(sys.modules, "gpuledger.ledger", None)


def torn_state(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "runs").mkdir(parents=True)
    (home / "runs" / "mine.json").write_text('{"run": "mi')


def broken_clock(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(Time, "__call__", lambda self: 1 / 0)


@pytest.mark.parametrize("fault", [disk_full, no_home, no_ledger, torn_state, broken_clock])
def test_no_fault_reaches_the_loop(
    fault: Callable[[pytest.MonkeyPatch, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home, clock, done = tmp_path / "home", Time(), 0
    fault(monkeypatch, home)
    plan = {"name": "mine", "method": "pretrain", "model": "gpt2", "training_tokens": 1e9}
    with metered(home, clock, plan=plan, gpu="h100-sxm-80gb", quote_id="0123456789abcdef") as meter:
        for _ in range(5):
            clock.seconds += 1
            meter.step(1000)
            meter.status()
            meter.values()
            done += 1
    assert done == 5
    assert meter.problems > 0 or fault is torn_state


def broken_calendar(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(Time, "now", lambda self: 1 / 0)


def removed_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Taken away while the run is on, with a file in its place."""
    write_whole, done = meter_run.write_whole, []

    def write(path: Path, content: bytes, *, is_durable: bool) -> None:
        write_whole(path, content, is_durable=is_durable)
        if not done:
            done.append(path)
            shutil.rmtree(home)
            home.write_text("a file")

    monkeypatch.setattr(meter_run, "write_whole", write)


@pytest.mark.parametrize("fault", [broken_calendar, removed_home])
def test_dollars_are_right_where_the_file_is_not_written(
    fault: Callable[[pytest.MonkeyPatch, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    clock = Time()
    fault(monkeypatch, tmp_path / "home")
    with metered(tmp_path / "home", clock) as meter:
        meter._write()
        loop(meter, clock, 10)
    assert (meter.usd_spent, meter.state.steps) == (pytest.approx(1.0), 10)
    assert meter.problems > 0


def test_steps_of_several_threads_are_all_counted(tmp_path: Path):
    """The file is written all the while, and a thread may lose its turn between any two words."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with Meter(home=tmp_path, usd_per_hour=10, run="mine", window_seconds=0.001) as meter:
            threads = [
                threading.Thread(target=lambda: [meter.step(1.0) for _ in range(2000)]) for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(before)
    assert (meter.state.steps, meter.state.tokens, meter.problems) == (8000, 8000.0, 0)
    # the first step of a run has no step before it
    assert meter.state.busy_steps == 7999


def test_a_step_inside_of_a_step_waits_for_nobody(tmp_path: Path):
    """As a handler of a signal calls it."""

    class Interrupted(Time):
        meter: Any = None

        def __call__(self) -> float:
            meter, self.meter = self.meter, None
            if meter is not None:
                meter.step(1000)
            return super().__call__()

    clock = Interrupted()
    with metered(tmp_path, clock) as meter:
        loop(meter, clock, 1)
        clock.meter = meter
        loop(meter, clock, 1)
    assert (meter.state.steps, meter.problems) == (3, 0)


def test_an_error_of_the_loop_is_its_own(tmp_path: Path):
    with pytest.raises(KeyError, match="mine"), metered(tmp_path, Time()):
        raise KeyError("mine")


def test_importing_it_loads_nothing_heavy():
    import subprocess

    heavy = ["numpy", "duckdb", "pydantic", "torch", "transformers", "lightning", "pyarrow", "typer", "httpx"]
    program = f"import sys, gpuledger.meter; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.benchmark_suite
def test_a_step_costs_less_than_a_thousandth_of_100_ms(tmp_path: Path):
    meter = Meter(home=tmp_path, usd_per_hour=10, steps=10**9, run="quick", window_seconds=0.05)
    meter.start()
    count = 100_000
    begun = time.perf_counter()
    for _ in range(count):
        meter.step(4096)
    each = (time.perf_counter() - begun) / count
    meter.finish()
    sys.stdout.write(f"\none step: {each * 1e6:.2f} microseconds, {each / 0.1:.5%} of 100 ms\n")
    assert each < 0.1 / 1000


def test_the_file_of_a_run_says_when_machines_worked(tmp_path: Path):
    clock = Time()
    with metered(tmp_path, clock) as meter:
        loop(meter, clock, 10)
    state = json.loads((tmp_path / "runs" / "mine.json").read_bytes())
    ((begun, ended),) = state["intervals"]
    assert datetime.fromisoformat(ended) - datetime.fromisoformat(begun) == timedelta(seconds=360)
    assert (state["steps"], state["tokens"], state["is_finished"]) == (10, 10_000, True)


@pytest.mark.parametrize("tokens", [float("nan"), float("inf"), -5.0])
def test_tokens_that_are_no_count_spoil_no_sum(tokens: float, tmp_path: Path):
    clock = Time()
    with metered(tmp_path, clock) as meter:
        loop(meter, clock, 1)
        loop(meter, clock, 1, tokens=tokens)
    assert (meter.state.tokens, meter.state.steps, meter.problems) == (1000.0, 2, 1)
    assert meter.usd_spent == pytest.approx(0.2)


def test_a_user_without_a_home_can_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def without() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("GPULEDGER_HOME", raising=False)
    monkeypatch.setattr(Path, "home", without)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    clock = Time()
    with Meter(usd_per_hour=10, steps=4, clock=clock, now=clock.now) as meter:
        loop(meter, clock, 2)
    assert (meter.usd_spent, meter.problems) == (pytest.approx(0.2), 1)
    assert metered(tmp_path / "mine", clock).problems == 0


def test_a_quote_that_is_not_there_leaves_the_price_that_was_given(tmp_path: Path):
    clock = Time()
    with metered(tmp_path, clock, quote_id="0123456789abcdef") as meter:
        loop(meter, clock, 1)
    assert (meter.state.run, meter.usd_spent, meter.problems) == ("mine", pytest.approx(0.1), 1)
