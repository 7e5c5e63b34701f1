"""Hugging Face `config.json` -> keys of a plan, read as its `model_type` means it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from gpuledger.core import seeds
from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.huggingface.mixers import tower
from gpuledger.core.huggingface.model_types import MODEL_TYPES, ModelType

Config = dict[str, Any]

# key of a plan's [architecture] -> names the transformers library gives it, the first that is there wins
# (transformers 5.24, configuration_<model>.py of each model_type, read 2026-11-29)
NAMES: Mapping[str, tuple[str, ...]] = {
    "layers": ("encoder_layers", "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model", "dim", "n_embed"),
    "attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads"),
    "kv_heads": ("num_key_value_heads", "num_kv_heads", "kv_n_heads", "multi_query_group_num"),
    "head_size": ("head_dim", "d_kv", "kv_channels"),
    "ffn_hidden_size": (
        "encoder_ffn_dim", "intermediate_size_mlp", "intermediate_size", "n_inner", "ffn_dim", "d_ff",
        "ffn_hidden_size",
    ),
    "vocabulary_size": ("vocab_size", "padded_vocab_size"),
    "tied_embeddings": ("tie_word_embeddings",),
    "experts": ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts"),
    "experts_per_token": ("num_experts_per_tok", "experts_per_token", "moe_topk", "moe_top_k", "moe_k"),
    "shared_experts": ("n_shared_experts", "moe_num_shared_experts"),
    "expert_ffn_hidden_size": ("moe_intermediate_size",),
    "dense_layers": ("first_k_dense_replace", "moe_layer_start_index"),
    "moe_every": ("decoder_sparse_step", "interleave_moe_layer_step", "expert_layer_period", "moe_layer_interval"),
    "query_lora_rank": ("q_lora_rank",),
    "kv_lora_rank": ("kv_lora_rank",),
    "nope_head_size": ("qk_nope_head_dim",),
    "rope_head_size": ("qk_rope_head_dim",),
    "value_head_size": ("v_head_dim",),
    "sliding_window": ("sliding_window", "attention_chunk_size", "local_attention", "attention_window_size"),
    "decoder_layers": ("num_decoder_layers", "decoder_layers"),
}  # fmt: skip
EXPERT_KEYS = (
    "experts", "experts_per_token", "shared_experts", "shared_expert_ffn_hidden_size", "expert_ffn_hidden_size",
    "moe_every", "dense_layers",
)  # fmt: skip
NESTED = ("text_config", "vision_config", "attn_config", "ffn_config")
_TOWER = (
    "depth", "embed_dim", "image_size", "mlp_ratio", "num_global_layers", "patch_size", "spatial_merge_size",
    "temporal_patch_size", "vision_output_dim", "hidden_act", "deepstack_visual_indexes",
)  # fmt: skip
_OTHERS = (
    "attention_bias", "attn_layer_period", "attn_layer_offset", "attention_hidden_size", "block_auto_adjust_ff_dim",
    "block_ffn_dim_multiplier", "block_multiple_of", "block_types", "conv1d_width", "conv_L_cache", "conv_kernel",
    "embedding_size", "expand", "expansion_ratio", "feed_forward_proj", "layers_block_type", "linear_conv_kernel_dim",
    "linear_key_head_dim", "linear_num_key_heads", "linear_num_value_heads", "linear_value_head_dim", "lru_width",
    "mamba_d_conv", "mamba_d_head", "mamba_d_ssm", "mamba_d_state", "mamba_dt_rank", "mamba_expand", "mamba_head_dim",
    "mamba_n_groups", "mamba_n_heads", "mamba_num_heads", "max_position_embeddings", "max_seq_len",
    "max_source_positions", "max_target_positions", "multi_query", "n_groups", "n_positions",
    "new_decoder_architecture",
    "num_hidden_groups", "num_mel_bins", "seq_length", "shared_expert_intermediate_size", "shared_intermediate_size",
    "ssm_state_size", "state_size", "time_step_rank", "type_vocab_size", "use_sliding_window",
    "moe_shared_expert_intermediate_size", "position_embedding_type",
)  # fmt: skip
DEFAULT_KEYS = frozenset([name for names in NAMES.values() for name in names] + [*_TOWER, *_OTHERS])
"""Keys whose class defaults `sql/seeds/model_type_default.csv` holds."""


def is_config(mapping: Mapping[str, Any]) -> bool:
    """A plan has no `model_type`; every configuration of transformers has."""
    return "model_type" in mapping and "method" not in mapping


def architecture_from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a plan that pretrains the network which `config` describes.

    Raises:
        InvalidPlanError: a `model_type` that is not known, or one whose layers or width are missing.
    """
    name = str(config["model_type"]).strip()
    name = name if name in MODEL_TYPES else name.lower()
    kind = _model_type(name)
    try:
        return _plan_keys(name, kind, config)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError) as error:
        raise InvalidPlanError(
            "config.json", f"a value of model_type {name} is of a kind that is not read: {str(error)[:120]}"
        ) from error


def _plan_keys(name: str, kind: ModelType, config: Mapping[str, Any]) -> dict[str, Any]:
    source = _with_defaults(name, config)
    keys: Config = {
        key: next(source[one] for one in names if source.get(one) is not None)
        for key, names in NAMES.items()
        if any(source.get(one) is not None for one in names)
    }
    for key, value in keys.items():
        _check_number(key, next(one for one in NAMES[key] if source.get(one) is not None), value)
    if isinstance(source.get("hybrid_override_pattern"), str):
        keys["layers"] = len(source["hybrid_override_pattern"])
    elif source.get("layers_block_type"):
        keys["layers"] = len(source["layers_block_type"])
    if not kind.has_decoder:
        keys.pop("decoder_layers", None)
    # a nested text network may leave even these to its class; a file of its own always states them
    stated = source if _table(config, "text_config") else config
    pattern = stated.get("hybrid_override_pattern") or stated.get("layers_block_type")
    for key in ("layers", "hidden_size"):
        if not any(stated.get(one) for one in NAMES[key]) and not (key == "layers" and pattern):
            raise InvalidPlanError(f"config.json.{key}", f"none of {', '.join(NAMES[key])} is there")
    _heads(name, source, keys)
    _feed_forward(name, kind, source, keys)
    _experts(kind, source, keys)
    _layer_kinds(kind, source, keys)
    _embeddings(name, kind, source, keys)
    note = _tower(config, keys)
    context = _first(source, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length") or 2048
    if note:
        keys["note"] = note
    if not kind.embedding_is_active:
        keys["embedding_is_active"] = False
    return {
        "name": _name(config.get("_name_or_path")) or name,
        "sequence_length": min(int(context), 8192),
        "architecture": {key: value for key, value in keys.items() if value is not None},
    }


_MOST = {"layers": 10_000, "decoder_layers": 10_000}
"""Of a number; each layer is looked at, and no network is deeper."""


def _check_number(key: str, name: str, value: Any) -> None:
    if key == "tied_embeddings":
        if not isinstance(value, bool):
            raise InvalidPlanError(f"config.json.{name}", f"must be true or false, got {str(value)[:40]!r}")
        return
    if isinstance(value, (list, tuple)):
        raise InvalidPlanError(
            f"config.json.{name}", "differs from layer to layer, which is not read; give parameters"
        )
    most = _MOST.get(key, 10**9)
    is_whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1
    if not is_whole or not 0 <= value <= most:
        raise InvalidPlanError(
            f"config.json.{name}", f"must be a whole number of at most {most:,}, got {repr(value)[:40]}"
        )


def _name(path: Any) -> str:
    """The last part of a path or hub id, which names the plan."""
    return path.rstrip("/").rpartition("/")[2].strip()[:100] if isinstance(path, str) else ""


def quantised_bits(config: Mapping[str, Any]) -> int | None:
    """In how many bits a file says that its weights are stored, 4 or 8; `None` where it says nothing, or else."""
    stated = _table(config, "quantization_config")
    for bits in (4, 8):
        if stated.get(f"load_in_{bits}bit") is True or stated.get("bits") == bits:
            return bits
    return 4 if stated.get("quant_method") in ("awq", "gptq") and "bits" not in stated else None


def _model_type(name: str) -> ModelType:
    if name in MODEL_TYPES:
        return MODEL_TYPES[name]
    near = difflib.get_close_matches(name, MODEL_TYPES, n=1)
    raise InvalidPlanError(
        "config.json.model_type",
        f"{name!r} is not known{f' (the nearest known is {near[0]})' if near else ''}: its keys may mean something "
        "else than in other networks. Give parameters and active_parameters in a plan, or layers, hidden_size ... in "
        "[architecture]",
    )


@lru_cache(maxsize=1)
def _defaults() -> Mapping[str, Config]:
    table: dict[str, Config] = {}
    for row in seeds.rows("model_type_default"):
        table.setdefault(row["model_type"], {})[row["key"]] = json.loads(row["value"])
    return table


def _with_defaults(name: str, config: Mapping[str, Any]) -> Config:
    """The file's keys over those of its class, those of the text network and of nested tables at the top."""
    defaults = _defaults().get(name, {})
    text = _table(config, "text_config")
    kind = str(text.get("model_type", ""))
    if text and kind in _defaults():
        inner = {key: value for key, value in _defaults()[kind].items() if "." not in key}
    else:
        inner = _nested(defaults, "text_config")
    source = {key: value for key, value in defaults.items() if "." not in key} | inner
    for table in ("attn_config", "ffn_config"):
        stated = _nested(defaults, table) | _table(config, table)
        source |= {key: value for key, value in stated.items() if key not in ("model_type", "hidden_size")}
    return source | {key: value for key, value in config.items() if key not in NESTED} | text


def _table(config: Mapping[str, Any], name: str) -> Config:
    value = config.get(name)
    return dict(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else {}


def _nested(defaults: Config, table: str) -> Config:
    return {key.partition(".")[2]: value for key, value in defaults.items() if key.startswith(f"{table}.")}


def _heads(name: str, source: Config, keys: Config) -> None:
    if name in ("falcon", "gpt_bigcode") and not source.get("new_decoder_architecture"):
        if source.get("multi_query", True):
            keys["kv_heads"] = 1
        else:
            keys.pop("kv_heads", None)
    if name in ("bert", "gpt2", "opt", "bloom", "mpt") or MODEL_TYPES[name].has_decoder:
        keys.pop("kv_heads", None)
    heads, hidden = int(keys.get("attention_heads") or 1), int(keys["hidden_size"])
    if keys.get("head_size") is None and not keys.get("kv_lora_rank"):
        keys["head_size"] = max(1, hidden // heads)
    if keys.get("kv_lora_rank"):
        keys.pop("head_size", None)
        keys.pop("kv_heads", None)


def _feed_forward(name: str, kind: ModelType, source: Config, keys: Config) -> None:
    hidden = int(keys["hidden_size"])
    keys["gated_ffn"] = kind.gated
    if "feed_forward_proj" in source:
        keys["gated_ffn"] = str(source["feed_forward_proj"]).startswith("gated")
    if keys.get("ffn_hidden_size") is None:
        keys["ffn_hidden_size"] = int(source.get("expansion_ratio") or 4) * hidden
    width = int(keys["ffn_hidden_size"])
    if kind.both_halves or name == "recurrent_gemma":
        width //= 2
    if source.get("block_auto_adjust_ff_dim"):
        multiple = int(source.get("block_multiple_of") or 1)
        width = int(float(source.get("block_ffn_dim_multiplier") or 1) * int(2 * width / 3))
        width = multiple * -(-width // multiple)
    keys["ffn_hidden_size"] = width
    keys["bias"] = "qkv" if kind.bias == "none" and source.get("attention_bias") else kind.bias


def _experts(kind: ModelType, source: Config, keys: Config) -> None:
    if int(keys.get("experts") or 1) <= 1:
        for key in EXPERT_KEYS:
            keys.pop(key, None)
        if source.get("shared_intermediate_size"):
            keys["ffn_hidden_size"] = int(source["shared_intermediate_size"])
        return
    if not keys.get("expert_ffn_hidden_size"):
        stated = source.get("intermediate_size") or keys["ffn_hidden_size"]
        keys["expert_ffn_hidden_size"] = int(stated)
    shared = _first(
        source,
        "shared_expert_intermediate_size",
        "shared_intermediate_size",
        "moe_shared_expert_intermediate_size",
    )
    if shared:
        keys["shared_experts"] = int(keys.get("shared_experts") or 1)
        keys["shared_expert_ffn_hidden_size"] = int(shared)
    elif kind.shares_expert:
        keys["shared_experts"] = 1
    dense = source.get("mlp_only_layers")
    if dense:
        keys["dense_layers"] = len(dense)
    if not keys.get("experts_per_token"):
        raise InvalidPlanError("config.json.num_experts_per_tok", "missing: how many experts a token passes")


def _layer_kinds(kind: ModelType, source: Config, keys: Config) -> None:
    """How many layers have attention, a window, another mixer, a feed-forward."""
    layers = int(keys["layers"])
    kinds = _kinds(kind, source, layers)
    attention = sum("attention" in one and "linear" not in one for one in kinds)
    windowed = sum(one in ("sliding_attention", "chunked_attention") for one in kinds)
    if source.get("use_sliding_window") is False or not keys.get("sliding_window"):
        keys.pop("sliding_window", None)
    elif any(one in ("sliding_attention", "chunked_attention") for one in kinds):
        keys["windowed_layers_share"] = windowed / max(attention, 1)
    else:
        keys["windowed_layers_share"] = kind.windowed_share
    if kind.mixer is None:
        return
    if kind.mixer_beside_attention:
        keys["mixer_layers"], keys["mixer_parameters"] = layers, kind.mixer(source)
        return
    feed_forwards = sum(one in ("mlp", "moe") for one in kinds)
    mixed = layers - attention - feed_forwards
    keys["attention_layers"], keys["mixer_layers"] = attention, mixed
    keys["mixer_parameters"] = kind.mixer(source)
    keys["attention_gate"] = kind.attention_gate or None
    if not kind.mixer_has_ffn:
        keys["ffn_layers"] = feed_forwards
        if "moe" in kinds:
            keys["dense_layers"] = kinds.count("mlp")
        else:
            for key in EXPERT_KEYS:
                keys.pop(key, None)


def _kinds(kind: ModelType, source: Config, layers: int) -> list[str]:
    """One word per layer: full_attention, sliding_attention, linear_attention, mlp ..."""
    stated: Any = source.get("layer_types") or source.get("layers_block_type") or None
    pattern = source.get("hybrid_override_pattern")
    if isinstance(pattern, str):
        words = {"M": "linear_attention", "*": "full_attention", "-": "mlp", "E": "moe"}
        return [words.get(letter, "mlp") for letter in pattern]
    if stated is not None and not isinstance(stated, list):
        raise InvalidPlanError(
            "config.json.layer_types", f"must be a list of one word per layer, got {str(stated)[:40]!r}"
        )
    if isinstance(stated, list) and len(cast(list[Any], stated)) not in (0, layers):
        raise InvalidPlanError(
            "config.json.layer_types", f"has {len(cast(list[Any], stated))} layers, the network {layers}"
        )
    if stated:
        names = {"mamba": "linear_attention", "conv": "linear_attention", "attention": "full_attention"}
        return [names.get(str(one), str(one)) for one in cast(list[Any], stated)][:layers]
    if source.get("full_attn_idxs") is not None:
        chosen = set(cast(list[int], source["full_attn_idxs"]))
        return ["full_attention" if index in chosen else "linear_attention" for index in range(layers)]
    if source.get("attn_layer_indices") is not None:
        chosen = set(cast(list[int], source["attn_layer_indices"]))
        return ["full_attention" if index in chosen else "linear_attention" for index in range(layers)]
    if source.get("block_types"):
        blocks = cast(list[str], source["block_types"])
        return [
            "full_attention" if blocks[index % len(blocks)] == "attention" else "linear_attention"
            for index in range(layers)
        ]
    if source.get("attn_layer_period"):
        period, offset = int(source["attn_layer_period"]), int(source.get("attn_layer_offset") or 0)
        return [
            "full_attention" if index % period == offset else "linear_attention" for index in range(layers)
        ]
    attention = round(layers * kind.attention_share)
    return ["full_attention"] * attention + ["linear_attention"] * (layers - attention)


def _embeddings(name: str, kind: ModelType, source: Config, keys: Config) -> None:
    keys.setdefault("tied_embeddings", False)
    if kind.encoder:
        keys["causal"] = False
        # the dense layer over the pooled token, or that of the masked-token head
        keys["side_parameters"] = int(keys["hidden_size"]) * int(
            source.get("embedding_size") or keys["hidden_size"]
        )
    if name == "whisper":
        width = int(keys["hidden_size"])
        # two convolutions of three places are the stem of the encoder
        stem = 3 * int(source.get("num_mel_bins") or 80) + 3 * width
        places = int(source.get("max_source_positions") or 1500) + int(
            source.get("max_target_positions") or 448
        )
        keys["learned_positions"] = places + stem
        keys["tied_embeddings"] = True
    elif kind.learned_positions:
        places = int(_first(source, "max_position_embeddings", "n_positions") or 0)
        both = 2 if kind.has_decoder else 1
        keys["learned_positions"] = both * places + int(source.get("type_vocab_size") or 0)
    if kind.has_decoder:
        keys.setdefault("decoder_layers", keys["layers"])
    if source.get("num_hidden_groups"):
        keys["unique_layers"] = int(source["num_hidden_groups"])
    embedding = source.get("embedding_size")
    if embedding and int(embedding) != int(keys["hidden_size"]):
        keys["embedding_size"] = int(embedding)


def _tower(config: Mapping[str, Any], keys: Config) -> str | None:
    """Count the tower for images; returns what has to be said of it."""
    stated = _table(config, "vision_config")
    if not stated:
        return None
    defaults = _nested(_defaults().get(str(config["model_type"]), {}), "vision_config")
    if not {"num_hidden_layers", "depth"} & set(stated):
        return "vision_config does not say how many layers the tower for images has: it is left out"
    parameters = tower({**defaults, **stated}, int(keys["hidden_size"]))
    if parameters is None:
        return "vision_config does not say how wide the tower for images is: it is left out"
    keys["side_parameters"] = parameters
    return f"the tower for images has {parameters / 1e9:.2f}B parameters: held in memory, not passed by text tokens"


def _first(source: Mapping[str, Any], *names: str) -> Any:
    return next((source[name] for name in names if source.get(name)), None)
