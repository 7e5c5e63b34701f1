"""The one table of constants of the estimation core: `sql/seeds/calibration.csv`, read into a frozen
record.

Each row of the table says what the constant means, its unit, its source and the rows it was fitted on.
`python -m tools.calibration.calibrate` writes the fitted ones again; nothing else in the package holds a number
that was tuned.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

from gpuledger.core import seeds


@dataclass(frozen=True, kw_only=True)
class Constants:
    """Names, units and origins are in `sql/seeds/calibration.csv`, one row per field."""

    gemm_efficiency: float
    without_recipes_share: float
    gemm_half_width: float
    gemm_half_rows: float
    recompute_weight: float
    attention_efficiency: float
    softmax_bytes: float
    tuned_softmax_share: float
    elementwise_bytes: float
    fused_share: float
    eager_factor: float
    cast_bytes: float
    routing_bytes: float
    fused_routing_share: float
    expert_launches: float
    expert_imbalance: float
    layer_seconds: float
    eager_host_seconds: float
    plain_host_seconds: float
    tuned_host_seconds: float
    tensor_host_factor: float
    dequantised_host_factor: float
    sharded_host_factor: float
    score_bytes: float
    collective_efficiency: float
    half_message_bytes: float
    network_efficiency: float
    tensor_exposed: float
    expert_exposed: float
    pipeline_exposed: float
    overlapped_share: float
    overlap: float
    hop_seconds: float
    network_hop_seconds: float
    share_broadcast_seconds: float
    straggler_share: float
    unstated_loss: float
    step_seconds: float
    dequantisation_bytes: float
    decoding_efficiency: float
    decoding_seconds: float
    eager_decoding_seconds: float
    longest_answer: float
    weight_sync_seconds: float
    kept_share: float
    plain_logit_bytes: float
    parallel_logit_bytes: float
    gradient_copy_bytes: float
    allocator_slack: float
    copy_bytes: float
    framework_gib: float
    communicator_gib: float
    pipeline_gib: float
    pipeline_engine_gib: float
    pipeline_buffers: float
    memory_margin: float
    memory_spread: float
    adapter_memory_spread: float
    assumed_memory_spread: float
    assumed_adapter_memory_spread: float
    tuned_overhead: float
    typical_overhead: float
    tuned_scale_overhead: float
    typical_scale_overhead: float
    failures_per_node_day: float
    hours_per_failure: float
    measured_overhead: float
    measured_spread: float
    unmeasured_ceiling: float
    highest_ceiling: float
    usual_lower_precision_ceiling: float
    pcie_bytes_per_second: float
    logit_traffic_bytes: float
    fused_logit_traffic_bytes: float


@lru_cache(maxsize=1)
def constants() -> Constants:
    """The constants as released."""
    values = {row["constant"]: float(row["value"]) for row in seeds.rows("calibration")}
    return Constants(**{field.name: values[field.name] for field in fields(Constants)})
