"""What a training log says of progress: steps, tokens and seconds, whichever program wrote it.

Each reader is a pure function of the document; `parse` finds the one that knows it. Forms as their programs write them
(2026-11-29): `trainer_state.json` of Hugging Face Transformers and TRL, lines of torchtitan, Megatron-LM, nanotron and
NeMo, event files of TensorBoard; run files, summaries and exported histories of Weights & Biases.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from gpuledger.core.actuals import event_file, wandb_file
from gpuledger.core.count import count_from
from gpuledger.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run was at one moment; `None` is what the log does not say."""

    step: int
    steps: int | None = None
    """That it is to take in all."""
    tokens: float | None = None
    """Seen so far."""
    tokens_per_second: float | None = None
    """Of the whole job."""
    tokens_per_second_per_gpu: float | None = None
    step_seconds: float | None = None
    wall_time: float | None = None
    """Seconds since 1970, or since the beginning where the log has no dates."""
    samples: float | None = None
    usd_spent: float | None = None
    mfu: float | None = None


_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = r"[\d.,]+(?![\w.,])"
"""To its end: a number that was cut off, or has signs of another kind in it, is none."""
_TITAN = re.compile(
    rf"step:\s*(?P<step>\d+)\b.*?\btps:\s*(?P<tps>{_NUMBER})(?:.*?mfu:\s*(?P<mfu>[\d.,]+)\s*%)?"
)
_MEGATRON = re.compile(
    r"iteration\s+(?P<step>\d+)\s*/\s*(?P<steps>\d+)\s*\|"
    rf".*?elapsed time per iteration \(ms\):\s*(?P<ms>{_NUMBER})"
)
_SAMPLES = re.compile(rf"consumed[ _]samples[:=]\s*(?P<samples>{_NUMBER})")
_NANOTRON = re.compile(r"iteration:\s*(?P<step>\d+)\s*/\s*(?P<steps>\d+)\s*\|(?P<rest>.*)")
_PAIR = re.compile(r"(\w+):\s*([\d.,]+[KMBT]?)(?![\w.,])")
_NEMO = re.compile(
    rf"global_step[:=]\s*(?P<step>[\d.]+).*?train_step_timing in s[:=]\s*(?P<seconds>{_NUMBER})"
)
_NEMO_STEPS = re.compile(r"iteration\s+\d+/(?P<last>\d+)|\|\s*\d+/(?P<total>\d+)\s*\[")
_CUT = "_"
"""Stands where a file ends in the middle of a line, so that no number ends there."""
MOST_STEPS = 10**12
_DATE = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)")


def parse(document: bytes, origin: str) -> list[Progress]:
    """The progress that a log tells of, in its order.

    Raises:
        UsageError: no reader knows it, or it says nothing yet.
    """
    if event_file.is_event_file(document):
        progress = list(_of_rows(event_file.rows(document)))
    elif wandb_file.is_wandb_file(document):
        progress = list(_of_rows(wandb_file.rows(document)))
    else:
        text = _ANSI.sub("", _text(document))
        progress = _of_json(text) or _of_table(text) or list(_of_lines(text))
    progress = _once(one for one in progress if one.step < MOST_STEPS)
    if not progress:
        raise UsageError(
            f"{origin}: {_cut_words(document)}says nothing of steps; known are trainer_state.json, logs of torchtitan,"
            " Megatron, nanotron and NeMo, TensorBoard's event files, and W&B's run file, summary or history"
        )
    return progress


def _cut_words(document: bytes) -> str:
    if not document.lstrip().startswith(b"{"):
        return ""
    try:
        json.loads(document)
    except (ValueError, RecursionError) as error:
        return f"begins like JSON and cannot be read to its end ({error}), and "
    return ""


def _text(document: bytes) -> str:
    if document.startswith((b"\xff\xfe", b"\xfe\xff")):
        return document.decode("utf-16", "replace")
    return document.decode("utf-8-sig", "replace")


def _once(progress: Iterable[Progress]) -> list[Progress]:
    """Each rank may tell of one step at one time; a step that was done again is of another time."""
    seen: set[tuple[int, float]] = set()
    out: list[Progress] = []
    for one in progress:
        if one.wall_time is not None:
            if (one.step, one.wall_time) in seen:
                continue
            seen.add((one.step, one.wall_time))
        out.append(one)
    return out


def _of_json(text: str) -> list[Progress]:
    head = text.lstrip()[:1]
    if head not in "[{":
        return []
    try:
        loaded: Any = json.loads(text)
    except (ValueError, RecursionError):
        loaded = list(_json_lines(text))
    if isinstance(loaded, dict) and "log_history" in loaded:
        return list(_trainer_state(cast("dict[str, Any]", loaded)))
    rows = cast("list[Any]", loaded if isinstance(loaded, list) else [loaded])
    return list(_of_rows(cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)))


def _json_lines(text: str) -> Iterator[Any]:
    """One record a line; a line that is none, as the one that is being written, tells nothing."""
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue


def _trainer_state(state: Mapping[str, Any]) -> Iterator[Progress]:
    steps, history = _first(state, ("max_steps",)), state["log_history"]
    rows = cast("list[Any]", history) if isinstance(history, list) else []
    for row in (cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)):
        step = _first(row, ("step",))
        if step is None:
            continue
        rate = _first(row, ("train_steps_per_second",))
        yield Progress(
            step=int(step),
            steps=int(steps) if steps and steps > 0 else None,
            tokens=_first(row, ("num_input_tokens_seen",)) or _first(row, ("num_tokens",)) or None,
            tokens_per_second=_first(row, ("train_tokens_per_second",)) or None,
            step_seconds=1 / rate if rate else None,
            wall_time=_first(row, ("train_runtime",)),
            usd_spent=_first(row, ("usd_spent",)),
        )


_STEP = ("global_step", "train/global_step", "trainer/global_step", "step", "Step", "_step")
"""W&B's own `_step` counts calls that logged something, which may be one in many steps."""
_TOKENS = (
    "num_input_tokens_seen",
    "train/num_input_tokens_seen",
    "num_tokens",
    "train/num_tokens",
    "tokens",
    "train/tokens",
    "consumed_tokens",
    "total_tokens",
)
_RATE = (
    "tokens_per_second",
    "tokens_per_sec",
    "train/tokens_per_second",
    "throughput/tokens_per_sec",
    "tps",
)
# Composer divides by the world's size under `device` (SpeedMonitor)
_RATE_PER_GPU = ("throughput/device/tokens_per_sec",)
_SECONDS = ("step_seconds", "train_step_timing in s", "iteration-time", "step_time")
_TIME = ("wall_time", "_timestamp", "_runtime")


def _of_rows(several: Iterable[Mapping[str, Any]]) -> Iterator[Progress]:
    rows = list(several)
    # of one document one count, for two of them do not go on with each other
    name = next((name for name in _STEP if any(_first(row, (name,)) is not None for row in rows)), "")
    for row in rows:
        step, steps = _first(row, (name,)), _first(row, ("max_steps",))
        if step is None:
            continue
        yield Progress(
            step=int(step),
            steps=None if steps is None else int(steps),
            tokens=_first(row, _TOKENS),
            tokens_per_second=_first(row, _RATE),
            tokens_per_second_per_gpu=_first(row, _RATE_PER_GPU),
            step_seconds=_first(row, _SECONDS),
            wall_time=_first(row, _TIME),
            samples=_first(row, ("consumed_samples", "consumed-samples")),
            usd_spent=_first(row, ("usd_spent", "train/usd_spent")),
        )


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        try:
            value = float(row[name]) if row.get(name) not in (None, "") else math.nan
        except (TypeError, ValueError, OverflowError):
            continue
        if math.isfinite(value):
            return value
    return None


def _of_table(text: str) -> list[Progress]:
    """An exported history: a CSV whose head names a step."""
    head = text.partition("\n")[0].lower()
    if "," not in head or "step" not in head:
        return []
    if not text.endswith(("\n", "\r")) and text.count("\n") > 1:
        # of the row that is being written any number may be a part of one
        text = text[: text.rindex("\n") + 1]
    rows = csv.DictReader(io.StringIO(text))
    try:
        return list(_of_rows({str(k).strip(): v for k, v in row.items()} for row in rows))
    except csv.Error as error:
        raise UsageError(f"LOG: line {rows.line_num} is no row of a CSV: {error}") from error


def _of_lines(text: str) -> Iterator[Progress]:
    if not text.endswith(("\n", "\r")):
        text += _CUT
    for line in text.splitlines():
        for reader in _READERS:
            try:
                progress = reader(line)
            except ValueError:
                # a line that was cut off, or written over by another, tells as little as one of another kind
                continue
            if progress is not None:
                yield progress
                break


def _titan(line: str) -> Progress | None:
    match = _TITAN.search(line)
    if match is None:
        return None
    rate = count_from(match["tps"])
    mfu = None if match["mfu"] is None else count_from(match["mfu"]) / 100
    # torchtitan counts tokens of one device
    return Progress(step=int(match["step"]), tokens_per_second_per_gpu=rate, wall_time=_time(line), mfu=mfu)


def _megatron(line: str) -> Progress | None:
    match = _MEGATRON.search(line)
    if match is None:
        return None
    samples = _SAMPLES.search(line)
    return Progress(
        step=int(match["step"]),
        steps=int(match["steps"]),
        step_seconds=count_from(match["ms"]) / 1000,
        samples=count_from(samples["samples"]) if samples else None,
        wall_time=_time(line),
    )


_COUNTS = ("consumed_tokens", "tokens_per_sec", "tokens_per_sec_per_gpu", "elapsed_time_per_iteration_ms")


def _nanotron(line: str) -> Progress | None:
    match = _NANOTRON.search(line)
    if match is None:
        return None
    counts = {name: count_from(value) for name, value in _PAIR.findall(match["rest"]) if name in _COUNTS}
    milliseconds = counts.get("elapsed_time_per_iteration_ms")
    return Progress(
        step=int(match["step"]),
        steps=int(match["steps"]),
        tokens=counts.get("consumed_tokens"),
        tokens_per_second=counts.get("tokens_per_sec"),
        tokens_per_second_per_gpu=counts.get("tokens_per_sec_per_gpu"),
        step_seconds=None if milliseconds is None else milliseconds / 1000,
        wall_time=_time(line),
    )


def _nemo(line: str) -> Progress | None:
    match = _NEMO.search(line)
    if match is None:
        return None
    samples, steps = _SAMPLES.search(line), _NEMO_STEPS.search(line)
    total = None
    if steps:
        total = int(steps["last"]) + 1 if steps["last"] else int(steps["total"])
    return Progress(
        step=int(float(match["step"])) + 1,
        steps=total,
        step_seconds=count_from(match["seconds"]),
        samples=count_from(samples["samples"]) if samples else None,
        wall_time=_time(line),
    )


_READERS: tuple[Callable[[str], Progress | None], ...] = (_nanotron, _megatron, _nemo, _titan)


def _time(line: str) -> float | None:
    match = _DATE.search(line)
    try:
        return None if match is None else datetime.fromisoformat(match[1] + "+00:00").timestamp()
    except ValueError:
        return None
