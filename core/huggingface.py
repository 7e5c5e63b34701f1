"""Hugging Face `config.json` -> keys of a plan. The file describes a network, so the plan pretrains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuledger.core.errors import InvalidPlanError

# key of a plan's [architecture] -> names the transformers library gives it, first found wins
# (transformers, configuration_<model>.py of each model_type, read 2025)
NAMES: Mapping[str, tuple[str, ...]] = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim"),
    "attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads"),
    "head_size": ("head_dim", "d_kv"),
    "ffn_hidden_size": ("intermediate_size", "n_inner", "ffn_dim", "d_ff", "ffn_hidden_size"),
    "vocabulary_size": ("vocab_size",),
    "tied_embeddings": ("tie_word_embeddings",),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts"),
    "experts_per_token": ("num_experts_per_tok", "experts_per_token", "moe_topk"),
    "shared_experts": ("n_shared_experts",),
    "expert_ffn_hidden_size": ("moe_intermediate_size",),
    "dense_layers": ("first_k_dense_replace",),
    "moe_every": ("decoder_sparse_step", "interleave_moe_layer_step"),
    "query_lora_rank": ("q_lora_rank",),
    "kv_lora_rank": ("kv_lora_rank",),
    "nope_head_size": ("qk_nope_head_dim",),
    "rope_head_size": ("qk_rope_head_dim",),
    "value_head_size": ("v_head_dim",),
    "sliding_window": ("sliding_window",),
    "decoder_layers": ("num_decoder_layers",),
}
UNGATED = frozenset(
    [
        "gpt2",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "opt",
        "bloom",
        "mpt",
        "falcon",
        "starcoder2",
        "gpt_bigcode",
        "phi",
        "bert",
        "roberta",
        "gptq",
        "codegen",
    ]
)
ENCODERS = frozenset(["bert", "roberta", "distilbert", "electra", "deberta", "modernbert", "xlm-roberta"])
TIED_BY_DEFAULT = frozenset(
    [
        "gpt2",
        "opt",
        "bloom",
        "mpt",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3_text",
        "bert",
        "roberta",
        "gpt_bigcode",
    ]
)
LEARNED_POSITIONS = frozenset(["gpt2", "gpt_neo", "opt", "bert", "roberta", "gpt_bigcode"])
FULL_BIAS = frozenset(
    ["gpt2", "opt", "bloom", "gpt_neox", "bert", "roberta", "gpt_bigcode", "starcoder2", "phi"]
)
QKV_BIAS = frozenset(["qwen2", "qwen2_moe"])


def is_config(mapping: Mapping[str, Any]) -> bool:
    """A plan has no `model_type`; every configuration of transformers has."""
    return "model_type" in mapping and "method" not in mapping


def architecture_from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a plan that pretrains the network which `config` describes.

    Raises:
        InvalidPlanError: the layers or the width are missing.
    """
    kind = str(config["model_type"])
    text = config.get("text_config")
    source: Mapping[str, Any] = {**config, **text} if isinstance(text, Mapping) else config
    found = {
        key: next(source[name] for name in names if source.get(name) is not None)
        for key, names in NAMES.items()
        if any(source.get(name) is not None for name in names)
    }
    for key in ("layers", "hidden_size"):
        if key not in found:
            raise InvalidPlanError(f"config.json.{key}", f"none of {', '.join(NAMES[key])} is there")
    if source.get("use_sliding_window") is False:
        found.pop("sliding_window", None)
    if kind in ("falcon",) and source.get("multi_query") and "kv_heads" not in found:
        found["kv_heads"] = 1
    if kind == "gpt_bigcode" and source.get("multi_query", True):
        found["kv_heads"] = 1
    if kind in ("mixtral",) and "experts" in found:
        found.setdefault("expert_ffn_hidden_size", found.get("ffn_hidden_size"))
    found.setdefault("gated_ffn", kind not in UNGATED)
    found.setdefault("tied_embeddings", kind in TIED_BY_DEFAULT)
    if kind not in UNGATED and kind in ENCODERS:
        found["gated_ffn"] = kind == "modernbert"
    if "ffn_hidden_size" not in found:
        found["ffn_hidden_size"] = 4 * int(found["hidden_size"])
    if kind in ENCODERS:
        found["causal"] = False
    if kind in LEARNED_POSITIONS:
        found["learned_positions"] = int(
            source.get("max_position_embeddings") or source.get("n_positions") or 0
        )
    found["bias"] = "all" if kind in FULL_BIAS else "qkv" if kind in QKV_BIAS else "none"
    if int(found.get("experts", 1)) <= 1:
        for key in ("experts", "experts_per_token", "shared_experts", "expert_ffn_hidden_size", "moe_every"):
            found.pop(key, None)
    context = next(
        (
            source[k]
            for k in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
            if source.get(k)
        ),
        2048,
    )
    name = str(config.get("_name_or_path") or kind)
    return {"name": name, "sequence_length": min(int(context), 8192), "architecture": found}
