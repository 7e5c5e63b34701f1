"""Rows of vendors' tables as plans with their outcome: MLPerf Training results and NVIDIA's Megatron-Bridge summary.

Both name a network without its shape, so the shapes are here: those of the benchmarks, and presets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.calibration.truth.runs import Observation, Row, gpu_id_of, number, plan_of

MLPERF_SHAPES: Mapping[str, dict[str, Any]] = {
    "gpt3": {
        "layers": 96,
        "hidden_size": 12288,
        "attention_heads": 96,
        "ffn_hidden_size": 49152,
        "vocabulary_size": 51200,
        "gated_ffn": False,
    },
    "llama2_70b_lora": {
        "layers": 80,
        "hidden_size": 8192,
        "attention_heads": 64,
        "kv_heads": 8,
        "ffn_hidden_size": 28672,
        "vocabulary_size": 32000,
    },
}


# the benchmark's reference code, which some submissions run as it is: Transformers under DeepSpeed (mlcommons/
# training, llama2_70b_lora/README.md)
REFERENCE_HARDWARE: Mapping[str, Any] = {"sharding": "zero3", "stack": "deepspeed"}


# by the benchmarks' rules, evaluation follows every so many training sequences (mlcommons/training, README.md of
# each; NVIDIA's configurations of v4.0 leave out the first three of the fine-tuning): sequences trained on between
# two, tokens of one evaluation, evaluations left out. GPT-3's are 24,567 documents of C4, which has 427 tokens a
# document (Dodge et al., arXiv:2104.08758: 156 billion in 365 million)
EVALUATIONS: Mapping[str, tuple[float, float, float]] = {
    "gpt3": (24_576.0, 24_567.0 * 427.0, 0.0),
    "llama2_70b_lora": (384.0, 173.0 * 8192.0, 3.0),
}
# of one GPU, where the column `interconnect` states the network of a node of eight
NODE_NETWORKS = {"2x 400Gbe Ethernet": 100.0, "2 x 200Gbe Ethernet": 50.0}


def evaluation_tokens_share(row: Row) -> float:
    """Tokens evaluated per trained token of a submission."""
    every, tokens, left_out = EVALUATIONS[row["benchmark"]]
    trained = float(row["tokens_median"])
    evaluations = trained / (every * int(row["seq_len"]))
    return max(evaluations - left_out, 1.0) * tokens / trained


def _is_reference(row: Row) -> bool:
    return "deepspeed" in row["framework"].lower()


def _mlperf_precision(row: Row, gpu_id: str) -> str:
    """What submissions of that round train in.

    FP8 began with Hopper, TPU v5 used int8; A100, TPU v6e, the first Gaudi round and the reference code use
    bf16. In v5.1 NVIDIA trained every language model in NVFP4 (its notes to that round), as did who ran its
    rack-scale systems.
    """
    if gpu_id.startswith(("a100", "tpu-v6")) or (row["gpu"], row["round"]) == ("Gaudi2", "v3.0"):
        return "bf16"
    if _is_reference(row):
        return "bf16"
    is_blackwell = gpu_id.startswith(("b200", "b300", "gb200", "gb300"))
    is_rack = gpu_id.startswith("gb")
    if row["round"] == "v5.1" and is_blackwell and (is_rack or row["submitter"] == "NVIDIA"):
        return "fp4"
    return "fp8"


# what submissions of language models run by the words of their column `framework`: NVIDIA's releases hold NeMo
FRAMEWORKS = {"nemo": "nemo", "nvidia": "nemo", "ngc": "nemo", "maxtext": "maxtext", "pax": "pax"}


def _framework(row: Row) -> str | None:
    name = row["framework"].lower()
    return next((stack for word, stack in FRAMEWORKS.items() if word in name), None)


def mlperf(row: Row) -> Observation | None:
    """A row of mlperf_training.csv. The network is the benchmark's, the precision the submission's."""
    gpu_id = gpu_id_of(row["gpu"])
    if gpu_id is None or row["benchmark"] not in MLPERF_SHAPES or not row["tokens_per_s_median"]:
        return None
    lora = row["benchmark"].endswith("lora")
    is_reference = _is_reference(row)
    hardware: Mapping[str, Any] = REFERENCE_HARDWARE if is_reference else {"stack": _framework(row)}
    plan = plan_of(
        {
            "name": row["run_id"],
            "method": "lora" if lora else "pretrain",
            "lora_rank": 16 if lora else None,
            "lora_targets": "attention" if lora else None,
            "evaluation_tokens_share": evaluation_tokens_share(row),
            "activation_recomputation": "full" if is_reference else None,
            "sequence_length": int(row["seq_len"]),
            "global_batch_tokens": float(row["global_batch_size"]) * float(row["seq_len"]),
            "precision": _mlperf_precision(row, gpu_id),
            "architecture": MLPERF_SHAPES[row["benchmark"]],
            "hardware": {**hardware, "network_gbit_per_second": NODE_NETWORKS.get(row["interconnect"])},
        }
    )
    return Observation(
        row_id=row["run_id"],
        table="mlperf",
        family="mlperf-" + row["benchmark"],
        plan=plan,
        gpu_id=gpu_id,
        gpus=int(row["gpu_count"]),
        observed=float(row["tokens_per_s_median"]),
    )


# networks of the Megatron-Bridge summary that are transformers throughout; the others mix in state-space layers
BRIDGE_PRESETS = {
    "DeepSeekV3": ("deepseek-v3", "deepseek"),
    "Qwen3_235B_a22B": ("qwen3-235b-a22b", "qwen3"),
    "Qwen3_30B_a3B": ("qwen3-30b-a3b", "qwen3"),
}
BRIDGE_PRECISIONS = {"BF16": "bf16", "NVFP4": "fp4"}


def megatron_bridge(row: Row) -> Observation | None:
    """A row of nvidia_megatron_bridge.csv: one division of a job in one release of the container."""
    gpu_id, preset = gpu_id_of(row["gpu"]), BRIDGE_PRESETS.get(row["model"])
    if gpu_id is None or preset is None:
        return None
    model, family = preset
    sequence_length, gpus = int(row["seq_len"]), int(row["gpu_count"])
    degrees = {
        "tensor_parallel": number(row["tp"]),
        "pipeline_parallel": number(row["pp"]),
        "context_parallel": number(row["cp"]),
        "virtual_pipeline": number(row["vp"]),
        "expert_parallel": number(row["ep"]),
        "micro_batch_size": number(row["mbs"]),
    }
    plan = plan_of(
        {
            "name": row["run_id"],
            "model": model,
            "sequence_length": sequence_length,
            "global_batch_tokens": float(row["gbs"]) * sequence_length,
            "precision": BRIDGE_PRECISIONS.get(row["precision"], "fp8"),
            "hardware": {"stack": f"megatron-bridge {row['container']}"}
            | {name: int(value) for name, value in degrees.items() if value},
        }
    )
    return Observation(
        row_id=row["run_id"],
        table="megatron_bridge",
        family=family,
        plan=plan,
        gpu_id=gpu_id,
        gpus=gpus,
        observed=float(row["tokens_per_s_per_gpu"]) * gpus,
    )
