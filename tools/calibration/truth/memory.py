"""Published peaks and facts of what fitted, as plans: what the memory constants are fitted on and scored
against.

Reads `memory.csv` and the peaks of `measured_2026_11.csv` of the folder that `GPULEDGER_TRUTH` names. A row
becomes the plan that its own columns state.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.gpu import gpu
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


# words of `source` that name a software, in the order in which they are looked for
MEMORY_SOURCES = (
    ("bigscience", "megatron-deepspeed"),
    ("DeepSpeed", "deepspeed"),
    ("ZeRO, arXiv", "deepspeed"),
    ("fsdp_qlora", "transformers"),
    ("rocm-blogs", "transformers"),
    ("LLaMA-Factory", "llama-factory"),
    ("llm-foundry", "llm-foundry"),
    ("torchtitan", "torchtitan"),
    ("torchtune", "torchtune"),
    ("nanotron", "nanotron"),
    ("axolotl", "axolotl"),
    ("commit 8641822, Oct 2023", "litgpt 2023"),
    ("litgpt", "litgpt"),
    ("unsloth", "unsloth"),
    ("peft", "peft"),
    ("trl", "trl"),
    ("InternEvo", "internevo"),
    ("ColossalAI", "colossalai"),
    ("fms-fsdp", "fms-fsdp"),
    ("llm.c", "llm.c"),
    ("maxtext", "maxtext"),
    ("gpt-neox", "gpt-neox"),
    ("Korthikanti", "megatron-lm v3"),
    ("Narayanan", "megatron-lm v2"),
    ("Megatron-Bridge", "megatron-bridge"),
    ("NeMo", "nemo"),
    ("Megatron", "megatron"),
)
OFFLOADS = {
    "optimizer": "optimizer",
    "paged": "optimizer",
    "param": "parameters",
    "activation": "activations",
}
STATES = {"bf16-true": "pure", "bf16-mixed": "autocast"}


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
    return [*found, *_measured(folder)], skipped


def _measured(folder: Path) -> Iterator[MemoryFact]:
    """Peaks of measured_2026_11.csv, whose rows hold their plan as it stands."""
    for row in rows(folder, "measured_2026_11.csv"):
        if row["what"] == "memory":
            plan = plan_from_mapping({"method": "pretrain"} | json.loads(row["plan"]))
            assert plan.hardware.gpu is not None and plan.hardware.gpus is not None
            yield MemoryFact(
                row_id=row["id"],
                family=row["class"].split()[0],
                source=row["class"],
                plan=plan,
                gpu_id=plan.hardware.gpu,
                gpus=plan.hardware.gpus,
                gpu_memory_gib=gpu(plan.hardware.gpu).memory_gib or 0.0,
                peak_gib=float(row["observed"]),
                fits=True,
                is_loose=False,
            )


def _unusable(row: Row) -> str | None:
    if row["evidence"] not in ("measured", "feasibility_fact"):
        return f"evidence: {row['evidence']}"
    if row["mem_kind"] in MEASURED_SIZES:
        return f"kind: {row['mem_kind']}"
    if row["method"] not in METHODS:
        return f"method: {row['method']}"
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
    hardware["stack"] = software(row)
    hardware["offload"] = offload_of(row["offload"] + row["optimizer"]) or None
    return hardware


def software(row: Row) -> str | None:
    """The stack that the row's notes name, or that its source is about."""
    named = re.search(r"Stack (HF|Unsloth)", row["notes"])
    if named:
        return "unsloth" if named.group(1) == "Unsloth" else "transformers"
    source = row["source"].lower()
    return next((stack for words, stack in MEMORY_SOURCES if words.lower() in source), None)


def offload_of(text: str) -> list[str]:
    """`[hardware] offload` out of text as `cpu params + activations`; DeepSpeed's ZeRO-3 takes the optimizer along, and
    a paged optimizer lies in memory that the host lends (QLoRA, arXiv:2305.14314, section 3).
    """
    moved = [key for word, key in OFFLOADS.items() if word in text.lower()]
    return ["optimizer", "parameters"] if "zero3 cpu" in text else moved


def _recomputation(text: str) -> str | None:
    if text.startswith(("full", "fsdp default")):
        return "full"
    return {"no": "none", "none": "none"}.get(text, "selective" if text.startswith("selective") else None)


def _precision(row: Row) -> str:
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
    optimizer = row["optimizer"].lower().replace("-", "")
    shape = architecture(row)
    if "bigscience" in row["source"]:
        # GPT as in Megatron-DeepSpeed, which the table says by the width of its feed-forward only
        shape |= {"gated_ffn": False, "tied_embeddings": True}
    rank = number(row["lora_rank"])
    mapping = {
        "name": row["mem_id"],
        "method": method,
        "sequence_length": sequence_length,
        "global_batch_tokens": float(sequence_length * hardware["micro_batch_size"] * replicas * passes),
        "precision": _precision(row),
        "optimizer": next((f"adamw_{bits}" for bits in ("8bit", "4bit") if bits in optimizer), "adamw"),
        "optimizer_in_backward": True if re.search(r"in.?(bwd|backward)", optimizer) else None,
        # Lightning's names for fp32 weights under autocast, and for 16 bits throughout
        "state_precision": STATES.get(row["precision"]),
        "weights": "int8" if row["weight_quant"] == "int8" and adapters else None,
        "activation_recomputation": _recomputation(row["activation_checkpointing"]),
        "lora_rank": int(rank) if rank and adapters else None,
        "lora_targets": TARGETS.get(row["lora_targets"]) if adapters else None,
        "architecture": shape,
        "hardware": {key: value for key, value in hardware.items() if value is not None},
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
