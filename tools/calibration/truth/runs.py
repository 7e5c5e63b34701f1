"""Published runs and benchmarks as plans with their outcome: what the constants are fitted on and scored
against.

A row becomes the plan that its own columns state. Only a mixture of experts is looked up by its name, where we
have a preset of it, as the columns do not give its experts. Rows whose GPU, tokens or outcome are missing are no
observation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tools.calibration.truth import stated

Row = Mapping[str, str]

GPU_IDS: Mapping[str, Mapping[str, str]] = {
    "A100": {"40": "a100-sxm-40gb", "": "a100-sxm-80gb"},
    "V100": {"16": "v100-sxm-16gb", "": "v100-sxm-32gb"},
    "GH200": {"96": "gh200-96gb", "": "gh200-144gb"},
}
SINGLE_IDS = {
    "A800": "a800-sxm-80gb",
    "B200": "b200-sxm-180gb",
    "B300": "b300-sxm-288gb",
    "GB200": "gb200-186gb",
    "GB300": "gb300-288gb",
    "Gaudi2": "gaudi2-96gb",
    "Gaudi3": "gaudi3-128gb",
    "H100": "h100-sxm-80gb",
    "H100 PCIe": "h100-pcie-80gb",
    "H100 SXM": "h100-sxm-80gb",
    "H200": "h200-sxm-141gb",
    "H200 NVL": "h200-nvl-141gb",
    "H800": "h800-sxm-80gb",
    "L40S": "l40s-48gb",
    "MI250": "mi250-128gb",
    "MI250X": "mi250x-128gb",
    "MI300X": "mi300x-192gb",
    "MI325X": "mi325x-256gb",
    "MI350X": "mi350x-288gb",
    "MI355X": "mi355x-288gb",
    "RTX 3090": "rtx-3090-24gb",
    "RTX 4090": "rtx-4090-24gb",
    "RTX 6000 Ada": "rtx-6000-ada-48gb",
    "RTX A5000": "rtx-a5000-24gb",
    "RTX A6000": "rtx-a6000-48gb",
    "T4": "t4-16gb",
    "A10G": "a10g-24gb",
    "A6000": "rtx-a6000-48gb",
    "TPU v3": "tpu-v3-32gb",
    "TPU v4": "tpu-v4-32gb",
    "TPU v5e": "tpu-v5e-16gb",
    "TPU v5p": "tpu-v5p-95gb",
    "TPU v6e": "tpu-v6e-32gb",
    "TPU v7x": "tpu-v7x-192gb",
    "Trainium1": "trainium1-32gb",
    "a100_40gb": "a100-sxm-40gb",
    "a100_80gb": "a100-sxm-80gb",
    "h100_80gb": "h100-sxm-80gb",
}
METHODS = {
    "pretrain": "pretrain",
    "continued_pretrain": "pretrain",
    "sft": "full_finetune",
    "lora": "lora",
    "qlora": "qlora",
    "dpo": "dpo",
}
PRECISIONS = {
    "fp16": "fp16",
    "bf16": "bf16",
    "fp8": "fp8",
    "amp_bf16": "bf16",
    "bf16+nf4": "bf16",
    "amp_fp8": "fp8",
    "fp8 mixed": "fp8",
}
FP8 = frozenset(["mxfp8", "fp8-cs", "fp8-mx"])
TABLES_BY_KIND = {"full_run": "whole_run", "finetune_run": "finetune", "throughput_benchmark": "benchmark"}
RECOMPUTATION = {"no": "none", "none": "none", "gelu only": "none", "full": "full", "yes": "full"}


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One published outcome. `observed` is GPU-hours of a whole run or tokens per second of a benchmark."""

    row_id: str
    table: str
    family: str
    plan: TrainingPlan
    gpu_id: str
    gpus: int
    observed: float
    notes: str = ""


def gpu_id_of(name: str, memory_gb: str = "") -> str | None:
    """The canonical id of a GPU as the tables name it."""
    if name in SINGLE_IDS:
        return SINGLE_IDS[name]
    sizes = GPU_IDS.get(name)
    return sizes.get(memory_gb.split(".")[0], sizes[""]) if sizes else None


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def degrees(text: str) -> dict[str, Any]:
    """`[hardware]` keys out of text as `tp8 pp12 dp8 zero1`."""
    names = {
        "tp": "tensor_parallel",
        "pp": "pipeline_parallel",
        "cp": "context_parallel",
        "ep": "expert_parallel",
        "vp": "virtual_pipeline",
    }
    found: dict[str, Any] = {}
    for short, key in names.items():
        match = re.search(rf"(?<![a-z]){short}(\d+)", text)
        if match:
            found[key] = int(match.group(1))
    stage = re.search(r"zero-?([0123])", text.lower())
    if stage:
        found["sharding"] = "none" if stage.group(1) == "0" else f"zero{stage.group(1)}"
    elif re.search(r"(?<![a-z])(fsdp|hsdp)", text.lower()):
        found["sharding"] = "zero3"
    elif "ddp" in text.lower():
        found["sharding"] = "none"
    if found.keys() == {"sharding"}:
        # a source that names nothing else divides the data alone
        found["tensor_parallel"] = 1
    return found


def architecture(row: Row) -> dict[str, Any]:
    """`[architecture]` keys out of the columns that all tables share."""
    columns = {
        "layers": "n_layers",
        "hidden_size": "d_model",
        "attention_heads": "n_heads",
        "kv_heads": "n_kv_heads",
        "ffn_hidden_size": "d_ff",
        "vocabulary_size": "vocab",
    }
    found: dict[str, Any] = {key: int(float(row[c])) for key, c in columns.items() if row.get(c)}
    total, active = number(row.get("params_total", "")), number(row.get("params_active", ""))
    if total:
        found["parameters"] = total
    if total and active and active < total:
        found["active_parameters"] = active
    return found


def plan_of(mapping: dict[str, Any]) -> TrainingPlan:
    return plan_from_mapping({key: value for key, value in mapping.items() if value is not None})


def training_run(row: Row) -> Observation | None:
    """A row of training_runs.csv: GPU-hours of whole runs, tokens per second of benchmarks."""
    table = TABLES_BY_KIND[row["row_kind"]]
    whole = table != "benchmark"
    if whole and row["trust_tier"] == "B":
        table += "_b"
    observed = number(row["gpu_hours"] if whole else row["reported_tokens_per_sec"])
    gpu_id, method = gpu_id_of(row["gpu"], row["gpu_memory_gb"]), METHODS.get(row["method"])
    tokens = number(row["tokens"])
    preset = stated.expert_preset(row)
    shape = architecture(row)
    if (
        observed is None
        or gpu_id is None
        or method is None
        or not (shape.get("parameters") or shape.get("layers"))
    ):
        return None
    if whole and tokens is None:
        return None
    precision = "fp8" if row["precision"] in FP8 else PRECISIONS.get(row["precision"])
    if precision is None:
        return None
    hardware = degrees(row["parallelism"]) | stated.hardware(row)
    if hardware.get("expert_parallel", 1) > 1 and "active_parameters" not in shape:
        # a mixture of experts whose counts are not given
        return None
    micro = number(row["micro_batch"])
    if micro:
        hardware["micro_batch_size"] = int(micro)
    recomputation = RECOMPUTATION.get(row["activation_checkpointing"].split(" (")[0])
    if row["activation_checkpointing"].startswith("selective"):
        recomputation = "selective"
    gpus = number(row["gpu_count"])
    plan = plan_of(
        {
            "name": row["run_id"],
            "method": method,
            "model": preset,
            "lora_targets": stated.lora_targets(row),
            "training_tokens": tokens if whole else None,
            "sequence_length": int(number(row["seq_len"]) or 0) or None,
            "global_batch_tokens": number(row["global_batch_tokens"]),
            "precision": precision,
            "activation_recomputation": recomputation,
            "architecture": {} if preset else shape,
            "hardware": hardware,
        }
    )
    return Observation(
        row_id=row["run_id"],
        table=table,
        family=row["family"],
        plan=plan,
        gpu_id=gpu_id,
        # the count of GPUs was not published for some whole runs; 1,024 as the peers' table assumes
        gpus=int(gpus) if gpus else 1024,
        observed=observed,
        notes=row["notes"],
    )


def llm_foundry(row: Row) -> Observation | None:
    """A row of llm_foundry_bench.csv: MPT models under FSDP."""
    hardware = {
        "sharding": "zero2" if row["sharding"] == "SHARD_GRAD_OP" else "zero3",
        "stack": "llm-foundry",
    }
    shape = architecture({**row, "params_total": row["params"]})
    plan = plan_of(
        {
            "name": row["run_id"],
            "sequence_length": int(row["seq_len"]),
            "global_batch_tokens": float(row["global_batch_tokens"]),
            "precision": PRECISIONS[row["precision"]],
            "activation_recomputation": "full" if row["act_ckpt"] == "True" else "none",
            "architecture": shape,
            "hardware": {**hardware, "micro_batch_size": int(row["micro_batch"])},
        }
    )
    return Observation(
        row_id=row["run_id"],
        table="llm_foundry",
        family="llmfoundry-" + row["model"].lower().removeprefix("mpt-"),
        plan=plan,
        gpu_id=SINGLE_IDS[row["gpu"]],
        gpus=int(row["gpu_count"]),
        observed=float(row["tokens_per_s"]),
    )


def bloom_sweep(row: Row) -> Observation | None:
    """A row of bloom_topology_sweep.csv: Megatron-DeepSpeed without sequence parallelism."""
    if not row["sec_per_iter"] or not row["n_layers"] or row["gpu"] != "A100":
        return None
    batch = float(row["gbs"]) * float(row["seq_len"])
    stage = f"zero{row['zero_stage']}" if row["zero_stage"] not in ("", "0") else "none"
    shape = architecture(row)
    shape.setdefault("ffn_hidden_size", 4 * shape["hidden_size"])
    plan = plan_of(
        {
            "name": row["run_id"],
            "sequence_length": int(row["seq_len"]),
            "global_batch_tokens": batch,
            "precision": "bf16",
            "activation_recomputation": "full" if row["recompute"] == "full" else None,
            "architecture": {**shape, "gated_ffn": False, "tied_embeddings": True},
            "hardware": {
                "tensor_parallel": int(row["tp"]),
                "pipeline_parallel": int(row["pp"]),
                "virtual_pipeline": 1,
                "micro_batch_size": int(row["micro_batch"]),
                "sharding": stage,
                "stack": "megatron-deepspeed",
            },
        }
    )
    return Observation(
        row_id=row["run_id"],
        table="bloom_sweep",
        family="bloom",
        plan=plan,
        gpu_id="a100-sxm-80gb",
        gpus=int(row["gpu_count"]),
        observed=batch / float(row["sec_per_iter"]),
    )


def measured(row: Row) -> Observation | None:
    """A row of measured_2026_11.csv, which holds its plan as it stands."""
    if row["what"] == "memory":
        return None
    plan = plan_from_mapping({"method": "pretrain"} | json.loads(row["plan"]))
    hw = plan.hardware
    return Observation(
        row_id=row["id"],
        table="measured" if row["what"] == "rate" else "measured_hours",
        family=row["class"],
        plan=plan,
        gpu_id=hw.gpu or "",
        gpus=hw.gpus or 1,
        observed=float(row["observed"]),
        notes=row["note"],
    )
