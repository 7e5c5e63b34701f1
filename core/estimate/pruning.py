"""Structured pruning: heads and channels of the feed-forward that are gone, so that memory and work shrink with them.

Single weights that are zero save nothing on GPUs, unless two of every four are (`gpuledger.core.estimate.sparsity`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pruned_shape(keys: Mapping[str, Any], share: float) -> dict[str, Any]:
    """The shape with that share of its heads and of its feed-forward's width taken out, groups of heads whole."""
    out, left = dict(keys), 1.0 - share
    group = out["attention_heads"] // out["kv_heads"]
    out["kv_heads"] = max(round(out["kv_heads"] * left), 1)
    out["attention_heads"] = out["kv_heads"] * group
    for name in ("ffn_hidden_size", "expert_ffn_hidden_size", "shared_expert_ffn_hidden_size"):
        if out.get(name):
            out[name] = max(round(out[name] * left), 1)
    return out
