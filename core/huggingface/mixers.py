"""Parameters of what is not attention or a feed-forward network: token mixers of hybrid networks, and towers.

Each function takes the configuration with its class defaults filled in and counts the modules that the transformers
library builds for it (modeling_<model_type>.py, release 5.24, read 2026-11-29). Norms and gates of a few thousand
parameters are left out where they are below a thousandth of the mixer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gpuledger.core.errors import InvalidPlanError

MixerConfig = Mapping[str, Any]


def mamba(config: MixerConfig) -> int:
    """Selective state space of Mamba (arXiv:2312.00752, section 3.4)."""
    d = int(config["hidden_size"])
    own = config.get("intermediate_size") if "state_size" in config else None
    inner = int(own or _first(config, "mamba_expand", "expand") * d)
    state = int(_first(config, "mamba_d_state", "state_size"))
    kernel = int(_first(config, "mamba_d_conv", "conv_kernel"))
    stated = config.get("mamba_dt_rank") or config.get("time_step_rank") or "auto"
    rank = -(-d // 16) if stated == "auto" else int(stated)
    projections = d * 2 * inner + inner * (rank + 2 * state) + rank * inner + inner * d
    return projections + inner * (kernel + state + 3)


def mamba2(config: MixerConfig) -> int:
    """State space duality of Mamba-2 (arXiv:2405.21060, section 7)."""
    d = int(config["hidden_size"])
    heads = int(_first(config, "mamba_n_heads", "mamba_num_heads", "num_heads"))
    head = next(
        (config[name] for name in ("mamba_d_head", "mamba_head_dim", "head_dim") if config.get(name)), "auto"
    )
    inner = int(
        config.get("mamba_d_ssm")
        or (heads * int(head) if head != "auto" else int(config.get("mamba_expand") or 2) * d)
    )
    groups = int(_first(config, "mamba_n_groups", "n_groups"))
    state = int(_first(config, "mamba_d_state", "ssm_state_size", "state_size"))
    kernel = int(_first(config, "mamba_d_conv", "conv_kernel"))
    channels = inner + 2 * groups * state
    return d * (inner + channels + heads) + channels * (kernel + 1) + inner * d + inner + 3 * heads


def gated_delta(config: MixerConfig) -> int:
    """Gated DeltaNet (arXiv:2412.06464) as Qwen3-Next has it."""
    d = int(config["hidden_size"])
    keys = int(config["linear_num_key_heads"]) * int(config["linear_key_head_dim"])
    value_heads = int(config["linear_num_value_heads"])
    values = value_heads * int(config["linear_value_head_dim"])
    kernel = int(config["linear_conv_kernel_dim"])
    return d * (2 * keys + 2 * values + 2 * value_heads) + (2 * keys + values) * kernel + values * d


def lightning(config: MixerConfig) -> int:
    """Lightning attention of MiniMax-01 (arXiv:2501.08313, section 2.2): three projections, a gate and an output."""
    d, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    return 5 * d * heads * int(config.get("head_dim") or d // heads)


def recurrent_unit(config: MixerConfig) -> int:
    """Real-gated linear recurrent unit of Griffin (arXiv:2402.19427, section 2.4)."""
    d = int(config["hidden_size"])
    width = int(config.get("lru_width") or d)
    gates = 2 * (width * width // int(config["num_attention_heads"]) + width) + width
    return 3 * d * width + 2 * width + d + width * (int(config["conv1d_width"]) + 1) + gates


def short_convolution(config: MixerConfig) -> int:
    """Gated short convolution of LFM2 (modeling_lfm2.py)."""
    d = int(config["hidden_size"])
    return 4 * d * d + d * int(config["conv_L_cache"])


def receptance(config: MixerConfig) -> int:
    """Time mixing of RWKV-4 (arXiv:2305.13048, section 3.1), and the receptance of its channel mixing."""
    d = int(config["hidden_size"])
    return 4 * d * int(config.get("attention_hidden_size") or d) + d * d


def tower(config: MixerConfig, text_width: int) -> int | None:
    """Parameters of the tower for images with its projection; `None` where the file does not say how deep it is."""
    layers = config.get("num_hidden_layers", config.get("depth"))
    width = config.get("embed_dim", config.get("hidden_size"))
    if layers is None or width is None:
        return None
    d = int(width)
    depth = int(layers) + int(config.get("num_global_layers", 0))
    inner = int(config.get("intermediate_size") or int(config.get("mlp_ratio", 4)) * d)
    matrices = 3 if config.get("hidden_act") in ("silu", "swiglu") else 2
    patch = config.get("patch_size", 14)
    area = int(patch) ** 2 if isinstance(patch, int) else int(patch[0]) * int(patch[1])
    size = config.get("image_size")
    places = (int(size) ** 2 // area + 1) * d if isinstance(size, int) else 0
    merge = int(config.get("spatial_merge_size", 1)) ** 2
    output = int(config.get("vision_output_dim") or merge * d)
    mergers = 1 + len(config.get("deepstack_visual_indexes") or ())
    projection = mergers * (output * text_width + (output * output if merge > 1 else 0))
    return (
        depth * (4 * d * d + matrices * d * inner)
        + 3 * area * int(config.get("temporal_patch_size", 1)) * d
        + places
        + projection
    )


def _first(config: MixerConfig, *names: str) -> Any:
    for name in names:
        if config.get(name) is not None:
            return config[name]
    raise InvalidPlanError(f"config.json.{names[0]}", f"none of {', '.join(names)} is there")
