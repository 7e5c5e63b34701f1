"""How large saved weights and checkpoints are."""

from __future__ import annotations

from decimal import Decimal

from gpuledger.core.cost.assumption import assumed
from gpuledger.core.errors import UsageError

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
GB = 10**9


def weights_gb(parameters: Decimal | int, precision: str) -> Decimal:
    """Weights alone, in GB.

    Raises:
        UsageError: no such precision.
    """
    if precision not in WEIGHT_BYTES:
        raise UsageError(f"precision: {precision!r} is none of {', '.join(WEIGHT_BYTES)}")
    return parameters * WEIGHT_BYTES[precision] / GB


def checkpoint_gb(trained_parameters: Decimal | int) -> Decimal:
    """A checkpoint to resume from, in GB: weights, master weights and Adam moments of what is trained."""
    return trained_parameters * assumed("checkpoint_bytes_per_parameter") / GB
