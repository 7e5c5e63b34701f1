"""A user's own measured speed, kept in one file, and estimates that it narrows and that cite it.

A run is a plan with `hardware.gpu`, `hardware.gpus` and one table more, `[measured]`, that holds
`tokens_per_second` of the whole job or `step_seconds`. What is kept is the ratio of measured to computed
speed for that GPU, method and size class; later estimates of the same three take it over: "measured here"
over "published" over "default".
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

from gpuledger.core.count import counted
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.constants import Constants, constants
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.estimate.interval import Range, even_interval
from gpuledger.core.files import write_whole
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import TrainingPlan, plan_from_mapping

# decimal orders of active parameters: 0.1 to 1, 1 to 10, 10 to 100 billion
SIZE_CLASSES = ("under-100m", "100m-1b", "1b-10b", "10b-100b", "over-100b")
# no run is this far from what its hardware computes to; such a figure has a wrong unit
PLAUSIBLE = (0.05, 5.0)


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Measured over computed speed of one run."""

    gpu_id: str
    method: str
    size_class: str
    sequence_length: int
    gpus: int
    tokens_per_second: float
    speed_ratio: float
    plan: str
    measured_at: str
    stack: str = ""
    """The software, as the plan names it; empty where it does not."""
    overhead: float | None = None
    """Hours of the whole run over those of its tokens at that speed; `None` where only the speed was measured."""
    run: str = ""
    """Of several runs of one plan; empty where it has no name of its own."""


def size_class(active_parameters: float) -> str:
    """The order of magnitude that a count of active parameters falls into."""
    return SIZE_CLASSES[min(max(math.floor(math.log10(active_parameters)) - 7, 0), len(SIZE_CLASSES) - 1)]


def measurement_of_text(text: str, *, syntax: Literal["toml", "json"], measured_at: str) -> Measurement:
    """The measurement that a run file holds. `measured_at` is an ISO instant.

    Raises:
        InvalidPlanError: the plan is wrong, names no GPU or count, or the speed is missing or cannot be.
    """
    try:
        loaded: object = tomllib.loads(text) if syntax == "toml" else json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise InvalidPlanError("syntax", f"not {syntax}: {error}") from error
    if not isinstance(loaded, dict):
        raise InvalidPlanError("plan", f"must be a table of keys, got {type(loaded).__name__}")
    mapping = cast(dict[str, Any], loaded)
    speed = mapping.pop("measured", None)
    if not isinstance(speed, dict):
        raise InvalidPlanError(
            "measured", "a run needs a table [measured] with tokens_per_second or step_seconds"
        )
    return measurement(plan_from_mapping(mapping), cast(dict[str, Any], speed), measured_at)


def measurement(
    plan: TrainingPlan, speed: dict[str, Any], measured_at: str, overhead: float | None = None, run: str = ""
) -> Measurement:
    """What a plan's measured speed says about its GPU, method and size class.

    Args:
        overhead: hours of the whole run over those of its tokens at that speed, where it was measured too.

    Raises:
        InvalidPlanError: no GPU or count, no speed, or a speed that cannot be.
    """
    if plan.hardware.gpu is None or plan.hardware.gpus is None:
        raise InvalidPlanError("hardware.gpu", "a measured run names its gpu and gpus")
    computed = estimate(plan, gpu(plan.hardware.gpu), plan.hardware.gpus)
    unknown = speed.keys() - {"tokens_per_second", "step_seconds"}
    if unknown or len(speed) != 1:
        raise InvalidPlanError(
            "measured", f"give tokens_per_second or step_seconds, got {', '.join(speed) or 'none'}"
        )
    key, value = next(iter(speed.items()))
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not value > 0
        or not math.isfinite(value)
    ):
        seen = "is missing" if value is None else f"got {value!r:.60}"
        raise InvalidPlanError(f"measured.{key}", f"must be a positive number, {seen}")
    if (
        computed.tokens_per_second is None
        or computed.step_seconds is None
        or computed.active_parameters is None
    ):
        raise InvalidPlanError(
            "hardware.wall_hours", "a measured run computes its hours, it does not quote them"
        )
    ratio = (
        value / computed.tokens_per_second if key == "tokens_per_second" else computed.step_seconds / value
    )
    if not PLAUSIBLE[0] <= ratio <= PLAUSIBLE[1]:
        raise InvalidPlanError(
            f"measured.{key}",
            f"{value:g} is {ratio:.3g} times what {plan.hardware.gpu} computes to; check the unit",
        )
    return Measurement(
        gpu_id=plan.hardware.gpu,
        method=plan.method,
        size_class=size_class(computed.active_parameters),
        sequence_length=plan.sequence_length or 0,
        gpus=plan.hardware.gpus,
        tokens_per_second=ratio * computed.tokens_per_second,
        speed_ratio=ratio,
        plan=plan.name,
        measured_at=measured_at,
        stack=(plan.hardware.stack or "").lower(),
        overhead=overhead,
        run=run,
    )


def read_measurements(path: Path) -> list[Measurement]:
    """All measurements kept at `path`; none if there is no such file.

    Raises:
        InvalidPlanError: the file is not what `append` writes.
    """
    if not path.exists():
        return []
    try:
        return [Measurement(**item) for item in json.loads(path.read_text(encoding="utf-8"))]
    except (json.JSONDecodeError, TypeError) as error:
        raise InvalidPlanError("measured", f"{path}: {error}") from error


def append_measurement(path: Path, new: Measurement) -> None:
    """Keep one more measurement; a newer one of the same run replaces the older."""

    def key(one: Measurement) -> tuple[str, str, int, str]:
        return one.gpu_id, one.plan, one.gpus, one.run

    others = [one for one in read_measurements(path) if key(one) != key(new)]
    write_whole(path, (json.dumps([asdict(m) for m in (*others, new)], indent=1) + "\n").encode())


def matching(
    computed: Estimate, plan: TrainingPlan, measurements: Sequence[Measurement]
) -> list[Measurement]:
    """The measurements that speak for an estimate: same GPU, method and size class, and the same software where both
    name one."""
    if computed.active_parameters is None or plan.is_quoted:
        return []
    size = size_class(computed.active_parameters)
    stack = (plan.hardware.stack or "").lower()
    return [
        m
        for m in measurements
        if (m.gpu_id, m.method, m.size_class) == (computed.gpu_id, plan.method, size)
        and (not stack or not m.stack or m.stack == stack)
    ]


def narrowed(
    computed: Estimate, plan: TrainingPlan, measurements: Sequence[Measurement], k: Constants | None = None
) -> Estimate:
    """The estimate at the measured speed, the mean of the runs' ratios, with the narrower interval that leaves only
    interruptions open; as wide as the runs are apart where that is more."""
    own = matching(computed, plan, measurements)
    if (
        not own
        or computed.tokens_per_second is None
        or computed.step_seconds is None
        or not computed.model_flops
    ):
        return computed
    k = k or constants()
    logs = [math.log(m.speed_ratio) for m in own]
    ratio = math.exp(sum(logs) / len(logs))
    spread = max(k.measured_spread, *(abs(one - math.log(ratio)) for one in logs))
    tokens_per_second = computed.tokens_per_second * ratio
    tokens = computed.model_flops / (computed.flops_per_token or math.inf)
    overheads = [m.overhead for m in own if m.overhead is not None]
    overhead = sum(overheads) / len(overheads) if overheads else k.measured_overhead
    hours = tokens / tokens_per_second / 3600.0 * overhead
    wall = even_interval(hours, spread)
    cited = ", ".join(f"{m.run or m.plan} on {m.gpus} x {m.gpu_id}, {m.measured_at}" for m in own[-3:])
    if len(own) > 3:
        cited = f"{counted(len(own), 'run')}, the last {cited}"
    return replace(
        computed,
        tokens_per_second=tokens_per_second,
        tokens_per_second_range=even_interval(tokens_per_second, spread),
        overhead=overhead,
        step_seconds=computed.step_seconds / ratio,
        mfu=computed.mfu * ratio if computed.mfu else None,
        hfu=computed.hfu * ratio if computed.hfu else None,
        wall_hours=wall,
        gpu_hours=Range(
            low=wall.low * computed.gpus, mid=wall.mid * computed.gpus, high=wall.high * computed.gpus
        ),
        assumptions=(*computed.assumptions, f"speed: measured here ({cited}), {ratio:.3f} of the computed"),
    )
