"""How fast a division of a job runs and how long the whole run takes, with the intervals of both."""

from __future__ import annotations

import math
from typing import NamedTuple

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.best_layout import Choice
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.data_loading import Feed, feed, no_faster, no_sooner
from gpuledger.core.estimate.device import precision_on
from gpuledger.core.estimate.interval import Range, even_interval, interval
from gpuledger.core.estimate.workload import Demand
from gpuledger.core.gpu import GPU
from gpuledger.core.money import SECONDS_PER_HOUR


class Pace(NamedTuple):
    """The steady rate of one division on one hardware choice, and the hours of the whole run at it."""

    step_seconds: float
    """As the data arrive."""
    overhead: float
    """Hours of the whole run over those of its tokens at the steady rate."""
    trained: float
    """Tokens per second that the accelerators would train."""
    fed: Feed | None
    """The narrowest stated rate of data; `None` where none is stated."""
    tokens_per_second: Range
    wall_hours: Range

    @property
    def is_starved(self) -> bool:
        """Whether data arrive more slowly than the accelerators train."""
        return self.fed is not None and self.fed.tokens_per_second < self.trained


def paced(
    need: Demand, choice: Choice, row: int, gpu: GPU, gpus: int, gpus_per_node: int, k: Constants
) -> Pace:
    """The pace of one row of a choice.

    Raises:
        InvalidPlanError: the MFU that the plan states is above what matrix multiplies were measured to reach.
    """
    plan, w = need.plan, need.workload
    batch, stated = float(w.global_batch_tokens), plan.hardware.mfu
    step_seconds, overhead = float(choice.time.total[row]), float(choice.overhead[row])
    if stated is not None:
        refuse_above_ceiling(stated, gpu, k)
        peak = gpu.peak_flops_per_second[precision_on(plan, gpu)]
        step_seconds = float(w.global_batch_tokens * w.model_flops_per_token / (gpus * peak * stated))
        overhead = 1.0
    trained, fed = batch / step_seconds, feed(plan, math.ceil(gpus / gpus_per_node))
    if fed is not None:
        step_seconds = max(step_seconds, batch / fed.tokens_per_second)
    tokens_per_second, nodes = batch / step_seconds, gpus / gpus_per_node
    hours = float(w.tokens) / tokens_per_second / SECONDS_PER_HOUR * overhead
    if stated is not None:
        rate, wall = (even_interval(mid, k.measured_spread) for mid in (tokens_per_second, hours))
    else:
        rate, wall = interval(tokens_per_second, need, nodes, "rate"), interval(hours, need, nodes, "hours")
    return Pace(
        step_seconds=step_seconds,
        overhead=overhead,
        trained=trained,
        fed=fed,
        tokens_per_second=no_faster(rate, fed),
        wall_hours=no_sooner(wall, float(w.tokens), fed),
    )


def refuse_above_ceiling(mfu: float, gpu: GPU, k: Constants) -> None:
    """Refuse a share of peak that no matrix multiply was measured to reach.

    Raises:
        InvalidPlanError: the share is above the ceiling.
    """
    bf16 = gpu.peak_flops_per_second.get("bf16")
    measured = gpu.measured_bf16_flops_per_second
    ceiling = measured / bf16 if measured and bf16 else k.highest_ceiling
    if mfu > ceiling:
        raise InvalidPlanError(
            "hardware.mfu",
            f"{mfu:.3g} is above {ceiling:.3g}, the most that matrix multiplies reach on {gpu.gpu_id}",
        )
