"""Constants that a quote falls back on where neither the plan nor the ledger says more (one reviewed table), and the
sizes of checkpoints, which follow from one of them."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from gpuledger.core import seeds
from gpuledger.core.errors import UsageError
from gpuledger.core.estimate.architecture import resolve
from gpuledger.core.estimate.workload import lora_parameters
from gpuledger.core.plan import TrainingPlan


@lru_cache(maxsize=1)
def _values() -> dict[str, Decimal]:
    return {row["name"]: Decimal(row["value"]) for row in seeds.rows("cost_assumption")}


def default_value(name: str) -> Decimal:
    """The constant of that name in `sql/seeds/cost_assumption.csv`."""
    return _values()[name]


# How large saved weights and checkpoints are.

# bytes of one weight; FP4 and INT4 without the scales of their blocks
WEIGHT_BYTES = {
    "fp32": Decimal(4),
    "tf32": Decimal(4),
    "fp16": Decimal(2),
    "bf16": Decimal(2),
    "fp8": Decimal(1),
    "int8": Decimal(1),
    "fp4": Decimal("0.5"),
    "int4": Decimal("0.5"),
}
BYTES_PER_GB = 10**9


def weights_gb(parameters: Decimal | int, precision: str) -> Decimal:
    """Weights alone, in GB.

    Raises:
        UsageError: no such precision.
    """
    if precision not in WEIGHT_BYTES:
        raise UsageError(f"precision: {precision!r} is none of {', '.join(WEIGHT_BYTES)}")
    return parameters * WEIGHT_BYTES[precision] / BYTES_PER_GB


def saved_weights_gb(parameters: float | None, precision: str) -> float | None:
    """The weights of a trained network on disk, in GB; `None` where the plan names no network."""
    return None if parameters is None else round(float(weights_gb(Decimal(repr(parameters)), precision)), 3)


def checkpoint_gb(trained_parameters: Decimal | int) -> Decimal:
    """A checkpoint to resume from, in GB: weights, master weights and Adam moments of what is trained."""
    return trained_parameters * default_value("checkpoint_bytes_per_parameter") / BYTES_PER_GB


def plan_checkpoint_gb(plan: TrainingPlan) -> Decimal | None:
    """Size of one checkpoint of a plan in GB; of the adapters, where only they are trained. `None` where the plan
    names no network."""
    inputs = plan.architecture
    if not (plan.model or plan.parameters or inputs.parameters or inputs.layers):
        return None
    architecture = resolve(plan)[0]
    trained = lora_parameters(plan, architecture) if plan.has_adapters else architecture.parameters
    return checkpoint_gb(round(trained))
