"""What each `model_type` of the transformers library means: the parts that its configuration does not say.

One row per type, or family of types. A type that is not here is refused by name: the same keys mean other things in
other networks (a width of both halves in `qwen`, experts in every second layer in `jamba`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gpuledger.core.huggingface import mixers

HubConfig = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ModelType:
    """How the modules of one type are built. Sources: modeling_<model_type>.py of transformers 5.24, or the code
    published with the weights for types that the library does not have (qwen, baichuan, chatglm, internlm)."""

    gated: bool = True
    """The feed-forward has three matrices; `False`: two."""
    bias: Literal["none", "qkv", "all"] = "none"
    learned_positions: bool = False
    has_decoder: bool = False
    """Encoder and decoder, each token passes one of them."""
    encoder: bool = False
    """Every token attends to all others."""
    windowed_share: float = 1.0
    """Share of the layers with the sliding window where the file has no `layer_types`."""
    attention_share: float = 1.0
    """Share of the layers with attention where neither `layer_types` nor a period says so; the others have `mixer`."""
    mixer: Callable[[HubConfig], int] | None = None
    mixer_beside_attention: bool = False
    """Every layer has attention and the mixer (Falcon-H1)."""
    mixer_has_ffn: bool = True
    """Layers with the mixer have a feed-forward too."""
    attention_gate: bool = False
    both_halves: bool = False
    """`intermediate_size` is the width of gate and value together."""
    embedding_is_active: bool = True
    """The authors count the input embedding among the active parameters."""
    shares_expert: bool = False
    """Each layer of experts has one shared expert that the file does not name."""


_LLAMA = ModelType()
_GPT = ModelType(gated=False, bias="all", learned_positions=True)
_SEQ2SEQ = ModelType(gated=False, bias="all", learned_positions=True, has_decoder=True)
_NEOX = ModelType(gated=False, bias="all")
_ENCODER = ModelType(gated=False, bias="all", learned_positions=True, encoder=True)
_QKV = ModelType(bias="qkv")

MODEL_TYPES: Mapping[str, ModelType] = {
    **dict.fromkeys(
        [
            "llama",
            "mistral",
            "mixtral",
            "qwen3",
            "qwen3_moe",
            "gemma",
            "phi3",
            "olmo",
            "olmo2",
            "olmoe",
            "cohere",
            "stablelm",
            "glm4_moe",
            "granite",
            "granitemoe",
            "deepseek_v2",
            "deepseek_v3",
            "kimi_k2",
            "smollm3",
            "ernie4_5",
            "ernie4_5_moe",
            "helium",
            "baichuan",
            "internlm2",
            "mllama_text_model",
            "mistral3",
            "llava",
            "idefics3",
            "smolvlm",
            "internvl",
        ],
        _LLAMA,
    ),
    **dict.fromkeys(
        [
            "qwen2",
            "qwen2_moe",
            "qwen2_vl",
            "qwen2_5_vl",
            "qwen2_5_vl_text",
            "qwen2_vl_text",
            "glm",
            "glm4",
            "seed_oss",
        ],
        _QKV,
    ),
    **dict.fromkeys(
        (
            "qwen3_vl",
            "qwen3_vl_text",
        ),
        _LLAMA,
    ),
    **dict.fromkeys(("phimoe", "chatglm", "internlm"), _QKV),
    "qwen": ModelType(bias="qkv", both_halves=True),
    **dict.fromkeys(("gpt2", "gpt_neo", "opt", "gpt_bigcode", "biogpt"), _GPT),
    **dict.fromkeys(("gpt_neox", "gptj", "codegen", "bloom", "starcoder2", "phi", "persimmon"), _NEOX),
    **dict.fromkeys(("mpt", "falcon", "nemotron", "apertus"), ModelType(gated=False)),
    **dict.fromkeys(
        (
            "bert",
            "roberta",
            "xlm-roberta",
            "distilbert",
            "electra",
            "deberta-v2",
        ),
        _ENCODER,
    ),
    "albert": _ENCODER,
    "modernbert": ModelType(encoder=True, windowed_share=2 / 3),
    "gemma2": ModelType(windowed_share=1 / 2),
    # active: unembedding but not embedding, gpt-oss model card, arXiv:2508.10925, table 1
    "gpt_oss": ModelType(bias="qkv", windowed_share=1 / 2, embedding_is_active=False),
    **dict.fromkeys(("gemma3", "gemma3_text"), ModelType(windowed_share=5 / 6)),
    "paligemma": _LLAMA,
    **dict.fromkeys(("cohere2", "olmo3", "exaone4"), ModelType(windowed_share=3 / 4)),
    **dict.fromkeys(("llama4", "llama4_text"), ModelType(windowed_share=3 / 4, shares_expert=True)),
    "mllama": _LLAMA,
    "dbrx": _LLAMA,
    **dict.fromkeys(("t5", "mt5", "umt5"), ModelType(gated=False, has_decoder=True)),
    **dict.fromkeys(("bart", "mbart", "pegasus", "whisper"), _SEQ2SEQ),
    "mamba": ModelType(attention_share=0.0, mixer=mixers.mamba, mixer_has_ffn=False),
    "falcon_mamba": ModelType(attention_share=0.0, mixer=mixers.mamba, mixer_has_ffn=False),
    "mamba2": ModelType(attention_share=0.0, mixer=mixers.mamba2, mixer_has_ffn=False),
    "rwkv": ModelType(gated=False, attention_share=0.0, mixer=mixers.receptance),
    "jamba": ModelType(mixer=mixers.mamba),
    "bamba": ModelType(attention_share=0.0, mixer=mixers.mamba2),
    "granitemoehybrid": ModelType(attention_share=0.0, mixer=mixers.mamba2),
    "falcon_h1": ModelType(mixer=mixers.mamba2, mixer_beside_attention=True),
    "nemotron_h": ModelType(gated=False, mixer=mixers.mamba2, mixer_has_ffn=False),
    "qwen3_next": ModelType(
        attention_share=1 / 4, mixer=mixers.gated_delta, attention_gate=True, shares_expert=True
    ),
    "qwen3_5": ModelType(attention_share=1 / 4, mixer=mixers.gated_delta, attention_gate=True),
    "qwen3_5_text": ModelType(attention_share=1 / 4, mixer=mixers.gated_delta, attention_gate=True),
    "minimax": ModelType(attention_share=1 / 2, mixer=mixers.lightning),
    "recurrent_gemma": ModelType(mixer=mixers.recurrent_unit, windowed_share=1.0),
    "lfm2": ModelType(mixer=mixers.short_convolution),
}
