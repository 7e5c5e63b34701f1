"""What a row of training_runs.csv says of its software, its network and its network's name in its own columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gpuledger.core.plan import presets

Row = Mapping[str, str]

# words of `source` that name a software, and that software as a plan names it
SOURCES: Mapping[str, str] = {
    "NeMo-Framework-Launcher": "nemo megatron",
    "Megatron-Bridge": "nemo",
    "NVIDIA/NeMo": "nemo",
    "dgxc-benchmarking": "nemo",
    "Korthikanti": "megatron-lm v3",
    "Narayanan": "megatron-lm v2",
    "NVIDIA/Megatron-LM": "megatron-lm v2",
    "MegaScale": "megascale",
    "maxtext": "maxtext",
    "tpu-recipes": "maxtext",
    "InternEvo": "internevo",
    "SmolLM3": "nanotron",
    # releases of 2024 gather updated shares one GPU after the other
    "nanotron": "nanotron 2024",
    # "trained with HAI-LLM": arXiv:2405.04434, section 3.1.3; arXiv:2412.19437, section 3.2
    "DeepSeek-V2 arXiv": "hai-llm",
    "deepseek-ai/DeepSeek-V3": "hai-llm",
    "metaseq": "metaseq",
    # "GPT-NeoX library": arXiv:2304.01373, section 2; that of 2022 is Megatron on DeepSpeed: arXiv:2204.06745, section
    # 3, as is BLOOM's: arXiv:2211.05100, section 3.4
    "arXiv:2304.01373": "gpt-neox",
    "arXiv:2204.06745": "megatron-deepspeed",
    "arXiv:2211.05100": "megatron-deepspeed",
    "MosaicML MPT": "llm-foundry",
    "TinyLlama README: 3": "tinyllama",
    "aws-neuron": "neuronx",
    "torchtitan": "torchtitan",
    "fms-fsdp": "fms-fsdp",
    "ColossalAI": "colossalai",
    "llm.c": "llm.c",
    "fsdp_qlora": "transformers",
}
GBIT_PER_NODE = re.compile(r"(\d+) x (\d+) Gb\b[^;,]* per node")
GBPS_BY_GPU = r"(\d+) Gbps \({gpu}\)"
RELEASE = re.compile(r"Container (\d+\.\d+)")
GPUS_PER_NODE = 8


def software(row: Row) -> str | None:
    """The stack that the source is about, or that the division is said to be run by."""
    if row["parallelism"].split()[-1:] == ["eager"]:
        return "eager"
    release = RELEASE.search(row["notes"])
    if release and "Megatron-Bridge" in row["source"]:
        return f"megatron-bridge {release.group(1)}"
    return next((stack for words, stack in SOURCES.items() if words in row["source"]), None)


def network_gbit_per_second(row: Row) -> float | None:
    """Rate of one GPU to other nodes, of the rate of a node of eight that the source or the notes state."""
    node = GBIT_PER_NODE.search(row["source"])
    if node:
        return float(node.group(1)) * float(node.group(2)) / GPUS_PER_NODE
    named = re.search(GBPS_BY_GPU.format(gpu=re.escape(row["gpu"].partition(" ")[0])), row["notes"])
    return float(named.group(1)) / GPUS_PER_NODE if named else None


def sharding_gpus(row: Row) -> int | None:
    """GPUs that share one copy of the states, as in `zero1(8)` or `128-way`; -1 stands for all."""
    found = re.search(r"zero1\((\d+)\)|(\d+)-way", row["parallelism"])
    if found:
        return int(found.group(1) or found.group(2))
    # hybrid sharding: one copy in each node (FSDP, arXiv:2304.11277, section 3.2.2)
    return GPUS_PER_NODE if "hsdp" in row["parallelism"] else None


def lora_targets(row: Row) -> str | None:
    """NeMo adapts the attention only unless told otherwise (NeMo user guide, supported PEFT methods)."""
    return "attention" if row["method"] == "lora" and software(row) == "nemo" else None


def expert_preset(row: Row) -> str | None:
    """The preset of a mixture of experts of that name, as its columns state neither its experts nor its heads."""
    if not row["params_active"] or row["params_active"] == row["params_total"]:
        return None
    name = _letters(row["model"])
    found = [preset for preset in presets() if name.startswith(_letters(preset))]
    return max(found, key=len, default=None)


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def hardware(row: Row) -> dict[str, Any]:
    """`[hardware]` keys beside the degrees."""
    return {
        "stack": software(row),
        "sharding_gpus": sharding_gpus(row),
        "network_gbit_per_second": network_gbit_per_second(row),
    }
