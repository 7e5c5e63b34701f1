"""The meter itself. The loop pays for a few additions a step; a thread writes, so that no disk is waited for."""

from __future__ import annotations

import logging
import math
import os
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from gpuledger.core.files import write_whole
from gpuledger.meter.state import RunState, run_path, stored

log = logging.getLogger("gpuledger.meter")
P = ParamSpec("P")
T = TypeVar("T")
WINDOW_SECONDS = 10.0
"""One rate is measured over so long, and the file is written as often."""
WINDOWS = 60
LONGEST_STEP_SECONDS = 3600.0
"""Two steps further apart did not follow each other: the run was resumed, or stood still."""
TENTH = 1.2816
"""Standard deviations to the tenth and ninetieth percentile of a normal distribution."""


def _quiet(method: Callable[Concatenate[Meter, P], T]) -> Callable[Concatenate[Meter, P], T | None]:
    """Nothing of a meter is worth a training run: what goes wrong is counted, and told once."""

    @wraps(method)
    def answer(self: Meter, *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self.failed(error)
            return None

    return answer


class Meter:
    """Dollars and hours of one run, over all parts of it.

    Args:
        quote_id: a quote of the home: price, accelerators, hours and budget are its.
        plan: a preset's name, plan keys, or TOML; the measurement at the end is for plans like it.
        usd_per_hour: of all machines together, where no quote says it; or `usd_per_gpu_hour`.
        run: the same name again goes on with the same run; the plan's without.
        steps: that the run takes; or `tokens`.
        flops_per_token: of the model, forward and backward, and `peak_flops_per_second` of all accelerators: for MFU.
        home: the ledger's folder; `GPULEDGER_HOME`, else `~/.local/share/gpuledger`.
        clock: seconds that only grow, and `now`: for tests.
    """

    def __init__(
        self,
        *,
        quote_id: str | None = None,
        plan: Mapping[str, Any] | str | None = None,
        usd_per_hour: float | str | None = None,
        usd_per_gpu_hour: float | str | None = None,
        gpu: str | None = None,
        gpus: int | None = None,
        run: str | None = None,
        steps: int | None = None,
        tokens: float | None = None,
        budget_usd: float | None = None,
        flops_per_token: float | None = None,
        peak_flops_per_second: float | None = None,
        home: Path | str | None = None,
        window_seconds: float = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self.problems = 0
        self._clock, self._now = clock, now or _utc
        self._plan, self._window = plan, window_seconds
        self._flops, self._peak = flops_per_token, peak_flops_per_second
        self._lock, self._due, self._writer = threading.Lock(), threading.Event(), None
        # never held while a disk is waited for; a signal may come in the middle of a step and count one of its own
        self._counting = threading.RLock()
        self._rates: deque[float] = deque(maxlen=WINDOWS)
        self._begun: float | None = None
        self._has_stepped = False
        self._last = self._window_at = 0.0
        self._window_steps, self._window_tokens = 0, 0.0
        self.state = RunState(run=run or "run")
        self.home = Path(tempfile.gettempdir()) / "gpuledger"
        self._set_up(
            home, quote_id, usd_per_hour, usd_per_gpu_hour, gpu, gpus, run, steps, tokens, budget_usd
        )

    @_quiet
    def _set_up(
        self,
        home: Path | str | None,
        quote_id: str | None,
        usd_per_hour: float | str | None,
        usd_per_gpu_hour: float | str | None,
        gpu: str | None,
        gpus: int | None,
        run: str | None,
        steps: int | None,
        tokens: float | None,
        budget_usd: float | None,
    ) -> None:
        self._find_home(home)
        quote = (self._quoted(quote_id) if quote_id else None) or {}
        plan = self._plan
        named = plan.get("name") if isinstance(plan, Mapping) else plan if plan and len(plan) < 100 else None
        name = run or quote.get("plan") or named or "run"
        state = stored(run_path(self.home, name)) or RunState(run=name)
        count = gpus or quote.get("paid_gpus") or state.gpus
        state.gpus, state.is_finished = int(count), False
        state.plan = quote.get("plan") or named or state.plan
        state.quote_id, state.gpu_id = quote_id or state.quote_id, gpu or quote.get("gpu_id") or state.gpu_id
        hourly = _price(usd_per_hour, usd_per_gpu_hour, quote, count)
        state.usd_per_hour = state.usd_per_hour if hourly is None else hourly
        state.steps_planned, state.tokens_planned = (
            steps or state.steps_planned,
            tokens or state.tokens_planned,
        )
        state.budget_usd = budget_usd if budget_usd is not None else state.budget_usd
        if quote:
            state.planned_usd = float(quote["usd_total"]["mid"])
            state.planned_hours = float(quote["wall_hours"]["mid"])
        self.state = state

    @_quiet
    def _find_home(self, home: Path | str | None) -> None:
        # a container's user may have no home at all: then the run is kept with what is temporary
        self.home = Path(home or os.environ.get("GPULEDGER_HOME") or Path.home() / ".local/share/gpuledger")

    @_quiet
    def _quoted(self, quote_id: str) -> dict[str, Any]:
        """A quote that is not there costs its own words alone, not the price that was given beside it."""
        return _quote(self.home, quote_id)

    def failed(self, error: Exception) -> None:
        self.problems += 1
        if self.problems == 1:
            log.warning("the meter of this run failed, the run goes on: %s: %s", type(error).__name__, error)

    @_quiet
    def start(self) -> None:
        """The machines are paid for from now on."""
        with self._counting:
            if self._begun is not None:
                return
            self._begun = self._last = self._window_at = self._clock()
            stamp = self._now().isoformat()
            self.state.intervals.append([stamp, stamp])
        self._writer = threading.Thread(target=self._write_when_due, name="gpuledger-meter", daemon=True)
        self._writer.start()
        self._due.set()

    @_quiet
    def step(self, tokens: float = 0.0, *, steps: int = 1) -> None:
        """So many steps were taken, with so many tokens in all of them on all accelerators."""
        if self._begun is None:
            self.start()
        if not 0 <= tokens < math.inf:
            # one of them would be in every sum after it
            self.failed(ValueError(f"{tokens} as the tokens of a step; counted as 0"))
            tokens = 0.0
        with self._counting:
            at = self._clock()
            passed = at - self._last
            state = self.state
            if passed >= 0:
                state.seconds += passed
                # the first step of a part has the start of the machines in it
                if self._has_stepped and passed < LONGEST_STEP_SECONDS:
                    state.busy_seconds += passed
                    state.busy_steps += steps
                    state.busy_tokens += tokens
                self._last = at
            self._has_stepped = True
            state.steps += steps
            state.tokens += tokens
            self._window_steps += steps
            self._window_tokens += tokens
            if at - self._window_at >= self._window:
                self._close_window(at)

    def _close_window(self, at: float) -> None:
        passed = at - self._window_at
        done = self._window_tokens or float(self._window_steps)
        if passed > 0 and done:
            self._rates.append(done / passed)
        self._window_at, self._window_steps, self._window_tokens = at, 0, 0.0
        self._due.set()

    @_quiet
    def resume(self, *, usd_spent: float = 0.0, steps: int = 0, tokens: float = 0.0) -> None:
        """What a checkpoint says of the run's past, where that is more than this home knows: dollars never fall."""
        state, hourly = self.state, self.state.usd_per_hour
        if hourly and usd_spent > self.usd_spent:
            state.seconds += (usd_spent - self.usd_spent) / hourly * 3600
        state.steps, state.tokens = max(state.steps, steps), max(state.tokens, tokens)

    @property
    def usd_spent(self) -> float:
        """US dollars of all parts so far; it never falls. 0 where no price is known."""
        spent = self.state.seconds / 3600 * (self.state.usd_per_hour or 0.0)
        self.state.usd_spent = max(self.state.usd_spent, spent)
        return self.state.usd_spent

    def values(self) -> dict[str, float]:
        """What a logger can plot: the numbers of `status` alone, flat."""
        status = self.status() or {}
        return {name: value for name, value in status.items() if isinstance(value, int | float)}

    @_quiet
    def status(self) -> dict[str, Any]:
        """Where the run is, what it spent, and what is to come with its 80 percent interval."""
        state, spent = self.state, self.usd_spent
        rate = statistics.fmean(self._rates) if self._rates else _overall(state)
        left = _left(state)
        low = mid = high = None
        if left is not None and rate:
            spread = (
                statistics.stdev(self._rates) / rate / len(self._rates) ** 0.5
                if len(self._rates) > 2
                else 0.1
            )
            wide = TENTH * max(spread, 0.01)
            # starts, checkpoints and evaluations come again as they came so far
            overhead = state.seconds / state.busy_seconds if state.busy_seconds else 1.0
            mid = left / rate / 3600
            low, high = mid / (1 + wide), mid * (1 + wide) * max(overhead, 1.0)
        hourly = state.usd_per_hour
        total = None if mid is None or hourly is None else spent + mid * hourly
        tokens_per_second = state.busy_tokens / state.busy_seconds if state.busy_tokens else None
        return {
            "run": state.run,
            "steps": state.steps,
            "tokens": state.tokens,
            "hours": state.seconds / 3600,
            "usd_spent": spent if hourly is not None else None,
            "hours_to_finish": mid,
            "hours_to_finish_low": low,
            "hours_to_finish_high": high,
            "usd_to_finish": None if mid is None or hourly is None else mid * hourly,
            "usd_to_finish_low": None if low is None or hourly is None else low * hourly,
            "usd_to_finish_high": None if high is None or hourly is None else high * hourly,
            "usd_projected": total,
            "usd_over_budget": None
            if total is None or state.budget_usd is None
            else total - state.budget_usd,
            "usd_over_plan": None
            if total is None or state.planned_usd is None
            else total - state.planned_usd,
            "tokens_per_second": tokens_per_second,
            "tokens_per_usd": state.tokens / spent if spent and state.tokens else None,
            "mfu": self._mfu(tokens_per_second),
            "problems": self.problems,
        }

    def _mfu(self, tokens_per_second: float | None) -> float | None:
        if not (self._flops and self._peak and tokens_per_second):
            return None
        return tokens_per_second * self._flops / self._peak

    def finish(self, *, is_whole: bool = True) -> dict[str, Any]:
        """The part is over; the file is written, and a whole run leaves a measurement. Gives the last status."""
        self._end(is_whole)
        if is_whole and self.state.plan and self.state.tokens:
            self._calibrate()
        self._write()
        return self.status() or {}

    @_quiet
    def _end(self, is_whole: bool) -> None:
        at = self._clock()
        if self._begun is not None and at > self._last:
            self.state.seconds += at - self._last
        self._begun, self._last, self._has_stepped = None, at, False
        self.state.is_finished = is_whole
        self._due.set()
        if self._writer is not None:
            self._writer.join(timeout=2.0)

    @_quiet
    def _calibrate(self) -> None:
        """Tell the ledger how fast plans like this one run here, once."""
        state = self.state
        if state.calibrated_at is not None or not state.busy_tokens or self._plan is None:
            return
        from gpuledger.ledger import Ledger

        ledger = Ledger(self.home, clock=self._now)
        ledger.measure(
            self._plan,
            gpu=state.gpu_id,
            gpus=state.gpus,
            tokens_per_second=state.busy_tokens / state.busy_seconds,
            run=state.run,
            overhead=max(state.seconds * state.busy_tokens / state.busy_seconds / state.tokens, 1.0),
        )
        state.calibrated_at = self._now().isoformat()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish(is_whole=kind is None)

    def _write_when_due(self) -> None:
        while self._begun is not None:
            self._due.wait(self._window)
            self._due.clear()
            self._write()

    @_quiet
    def _write(self) -> None:
        with self._lock:
            state = self.state
            if state.intervals:
                state.intervals[-1][1] = max(self._now().isoformat(), state.intervals[-1][0])
            with self._counting:
                state.usd_spent, state.problems = self.usd_spent, self.problems
                content = state.content()
            write_whole(run_path(self.home, state.run), content, is_durable=False)


def _utc() -> datetime:
    return datetime.now(UTC)


def _quote(home: Path, quote_id: str) -> dict[str, Any]:
    import json

    return json.loads((home / "quotes" / f"{quote_id}.json").read_bytes())


def _price(
    usd_per_hour: float | str | None,
    usd_per_gpu_hour: float | str | None,
    quote: Mapping[str, Any],
    gpus: int,
) -> float | None:
    if usd_per_hour is not None:
        return float(usd_per_hour)
    if usd_per_gpu_hour is None:
        usd_per_gpu_hour = quote.get("usd_per_gpu_hour")
    return None if usd_per_gpu_hour is None else float(usd_per_gpu_hour) * gpus


def _overall(state: RunState) -> float:
    return (state.busy_tokens or float(state.busy_steps)) / state.busy_seconds if state.busy_seconds else 0.0


def _left(state: RunState) -> float | None:
    """Tokens to go, or steps where the run counts no tokens."""
    if state.tokens and state.tokens_planned:
        return max(state.tokens_planned - state.tokens, 0.0)
    if state.steps_planned is None:
        return None
    left = max(state.steps_planned - state.steps, 0)
    return left * (state.tokens / state.steps) if state.tokens and state.steps else float(left)
