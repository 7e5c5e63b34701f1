"""Published peaks and facts of what fitted, as plans: what the memory constants are fitted on and scored
against.

Reads `memory.csv` of the folder that `GPULEDGER_TRUTH` names. A row becomes the plan that its own columns
state.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tools.calibration.truth.runs import Row, architecture, degrees, gpu_id_of, number
from tools.calibration.truth.tables import rows

METHODS = {
    "pretrain": "pretrain",
    "pretrain/sft": "pretrain",
    "sft": "full_finetune",
    "lora": "lora",
    "qlora": "qlora",
    "dpo": "dpo",
}
TARGETS = {"q,v": "query_value", "all linear": "all_linear"}
MEASURED_SIZES = frozenset(
    ["activation_pct_of_no_recompute_tp_baseline", "max_model_that_fits", "max_context_that_fits"]
)


@dataclass(frozen=True, kw_only=True)
class MemoryFact:
    """One peak in GiB, or one fact that a plan fitted or did not (`peak_gib` is then `None`)."""

    row_id: str
    family: str
    source: str
    plan: TrainingPlan
    gpu_id: str
    gpus: int
    gpu_memory_gib: float
    peak_gib: float | None
    fits: bool
    is_loose: bool
    """Inputs beside the figure are rounded or of other rows: lengths shorter than stated, approximate
    peaks.
    """


def read(folder: Path) -> tuple[list[MemoryFact], Counter[str]]:
    """Every usable fact, and the count of rows left out by reason."""
    found, skipped = list[MemoryFact](), Counter[str]()
    for row in rows(folder, "memory.csv"):
        reason = _unusable(row)
        if reason:
            skipped[reason] += 1
            continue
        try:
            found.append(_fact(row))
        except InvalidPlanError as error:
            skipped[str(error)] += 1
    return found, skipped


def _unusable(row: Row) -> str | None:
    if row["evidence"] not in ("measured", "feasibility_fact"):
        return f"evidence: {row['evidence']}"
    if row["mem_kind"] in MEASURED_SIZES:
        return f"kind: {row['mem_kind']}"
    if row["method"] not in METHODS:
        return f"method: {row['method']}"
    if row["offload"] and row["offload"] != "False":
        return "offload to the host"
    missing = [name for name in ("micro_batch", "seq_len", "params_total") if not row[name]]
    return f"missing: {', '.join(missing)}" if missing else None


def _hardware(row: Row) -> dict[str, Any]:
    hardware, text = degrees(row["sharding"]), row["sharding"].upper()
    if "SHARD_GRAD_OP" in text:
        hardware["sharding"] = "zero2"
    elif "FULL_SHARD" in text:
        hardware["sharding"] = "zero3"
    hardware.setdefault("sharding", "none")
    hardware["micro_batch_size"] = int(float(row["micro_batch"]))
    return hardware


def _recomputation(text: str) -> str | None:
    if text.startswith(("full", "fsdp default")):
        return "full"
    return {"no": "none", "none": "none"}.get(text, "selective" if text.startswith("selective") else None)


def _precision(row: Row) -> str:
    if row["precision"] == "bf16-mixed":
        # Lightning's name for fp32 weights under autocast; `bf16-true` keeps them in 16 bits
        return "fp32"
    if "fp8" in row["precision"]:
        return "fp8"
    return "fp16" if row["precision"].startswith("fp16 ") or "fp16" in row["optimizer"].lower() else "bf16"


def _fact(row: Row) -> MemoryFact:
    gpus = int(number(row["gpu_count"]) or 1)
    method, hardware = METHODS[row["method"]], _hardware(row)
    adapters = method in ("lora", "qlora")
    stages = hardware.get("pipeline_parallel", 1)
    replicas = max(1, gpus // (hardware.get("tensor_parallel", 1) * stages))
    sequence_length = int(float(row["seq_len"]))
    # enough micro-batches to fill the pipeline
    passes = 4 * stages if stages > 1 else 1
    eight_bit = "8-bit" in row["optimizer"].lower() or "8bit" in row["optimizer"].lower()
    rank = number(row["lora_rank"])
    mapping = {
        "name": row["mem_id"],
        "method": method,
        "sequence_length": sequence_length,
        "global_batch_tokens": float(sequence_length * hardware["micro_batch_size"] * replicas * passes),
        "precision": _precision(row),
        "optimizer": "adamw_8bit" if eight_bit else "adamw",
        "activation_recomputation": _recomputation(row["activation_checkpointing"]),
        "lora_rank": int(rank) if rank and adapters else None,
        "lora_targets": TARGETS.get(row["lora_targets"]) if adapters else None,
        "architecture": architecture(row),
        "hardware": hardware,
    }
    gpu_id = gpu_id_of(row["gpu"].split(" (")[0], row["gpu_memory_gb"])
    source = row["mem_id"].split("-")[0]
    return MemoryFact(
        row_id=row["mem_id"],
        family=row["family"],
        source="-".join(row["mem_id"].split("-")[:2]) if source in ("mem", "fit") else source,
        plan=plan_from_mapping({key: value for key, value in mapping.items() if value is not None}),
        gpu_id=gpu_id or "a100-sxm-80gb",
        gpus=gpus,
        gpu_memory_gib=float(row["gpu_memory_gb"] or 80),
        peak_gib=number(row["peak_mem_gib"]),
        fits=row["fits"] == "yes",
        # litgpt-thunder keeps everything in bf16, two-GPU LoRA loads the whole model first, the others round
        is_loose=row["mem_kind"] == "approx_peak"
        or row["mem_id"].startswith(("llamafactory", "mem-litgpt-thunder"))
        or "fsdp default" in row["activation_checkpointing"],
    )
