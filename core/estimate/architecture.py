"""The network's shape, and the parameters that it counts up to.

`resolve` turns the keys of a plan into an `Architecture` in which nothing is missing. Counts follow the
module lists of each family: two embeddings (one if tied), attention projections, feed-forward matrices,
router, norms and biases. Bare parameter counts get a Llama-like shape (width = 128 x depth, as Llama 2 7B
to 70B have it).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.pruning import pruned_shape
from gpuledger.core.plan import TrainingPlan, preset_architecture
from gpuledger.core.plan_sections import GATED

# width of common dense decoders in units of depth: Llama 2 paper, arXiv:2307.09288, table of sizes:
# 4096/32, 5120/40
WIDTH_PER_LAYER = HEAD_SIZE = 128
VOCABULARY_SIZE = 32_000
# above this relative distance a published count and the shape cannot be the same network
COUNT_TOLERANCE = 0.15
# a shape may leave experts out and count too low; nothing makes it count this many times too high
REFUSED_RATIO = 3.0
# below this share of active parameters a network must be a mixture of experts
SPARSE_SHARE = 0.8


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One network. `parameters` is what memory holds, `active_parameters` what one token passes through."""

    layers: int
    hidden_size: int
    attention_heads: int
    kv_heads: int
    head_size: int
    ffn_hidden_size: int
    vocabulary_size: int
    gated_ffn: bool
    tied_embeddings: bool
    experts: int = 0
    experts_per_token: int = 0
    shared_experts: int = 0
    shared_expert_ffn_hidden_size: int = 0
    """0: as wide as the others."""
    expert_ffn_hidden_size: int = 0
    dense_layers: int = 0
    moe_every: int = 1
    query_lora_rank: int = 0
    kv_lora_rank: int = 0
    nope_head_size: int = 0
    rope_head_size: int = 0
    value_head_size: int = 0
    sliding_window: int = 0
    windowed_layers_share: float = 0.0
    causal: bool = True
    decoder_layers: int = 0
    learned_positions: int = 0
    bias: str = "none"
    attention_layers: int | None = None
    """Layers with attention; `None`: all."""
    mixer_layers: int = 0
    mixer_parameters: int = 0
    """Of one state space, linear attention or convolution that mixes tokens."""
    ffn_layers: int | None = None
    """Layers with a feed-forward; `None`: all."""
    unique_layers: int = 0
    """Layers with parameters of their own where layers share them; 0: all."""
    attention_gate: bool = False
    """Queries carry a gate of their own width for the output of attention."""
    embedding_size: int = 0
    """Width of the embedding where it is not that of the layers."""
    embedding_is_active: bool = True
    """Among the parameters that a token passes, though it is looked up."""
    side_parameters: int = 0
    """Towers for images or sound, poolers: in memory, not passed by every text token."""
    published_parameters: float | None = None
    published_active_parameters: float | None = None

    @property
    def all_layers(self) -> int:
        """Layers of encoder and decoder together."""
        return self.layers + self.decoder_layers

    @property
    def attending_layers(self) -> int:
        """Layers with attention, of encoder and decoder together."""
        return self.decoder_layers + (self.layers if self.attention_layers is None else self.attention_layers)

    @property
    def moe_layers(self) -> int:
        layers = self.layers if self.ffn_layers is None else self.ffn_layers
        return (layers - self.dense_layers) // self.moe_every if self.experts else 0

    @property
    def query_key_size(self) -> int:
        """Size of one head in the product of queries and keys."""
        return self.nope_head_size + self.rope_head_size if self.kv_lora_rank else self.head_size

    @property
    def value_size(self) -> int:
        return self.value_head_size if self.kv_lora_rank else self.head_size

    @property
    def attention_width(self) -> int:
        """Elements per token of queries, keys, values and their weighted sum; of latent attention also what they
        are expanded from.
        """
        if not self.kv_lora_rank:
            return self.head_size * (2 * self.attention_heads + 2 * self.kv_heads)
        latent = self.query_lora_rank + self.kv_lora_rank + self.rope_head_size
        return latent + self.attention_heads * (2 * self.query_key_size + 2 * self.value_size)

    @property
    def ffn_matrices(self) -> int:
        return 3 if self.gated_ffn else 2

    @property
    def attention_parameters(self) -> int:
        """Matrices of one attention block; latent attention counts its low-rank projections
        (arXiv:2405.04434).
        """
        d, a = self.hidden_size, self.attention_heads
        if not self.kv_lora_rank:
            gate = a if self.attention_gate else 0
            return d * self.head_size * (2 * a + gate + 2 * self.kv_heads)
        rank = self.query_lora_rank
        query = d * rank + rank * a * self.query_key_size if rank else d * a * self.query_key_size
        compressed = d * (self.kv_lora_rank + self.rope_head_size)
        expanded = self.kv_lora_rank * a * (self.nope_head_size + self.value_head_size)
        return query + compressed + expanded + a * self.value_head_size * d

    @property
    def dense_ffn_parameters(self) -> int:
        return self.ffn_matrices * self.hidden_size * self.ffn_hidden_size

    @property
    def expert_parameters(self) -> int:
        """Matrices of one expert."""
        return self.ffn_matrices * self.hidden_size * self.expert_ffn_hidden_size

    @property
    def embedding_parameters(self) -> int:
        """The input embedding and learned positions: looked up, not multiplied."""
        width = self.embedding_size or self.hidden_size
        projection = width * self.hidden_size if self.embedding_size else 0
        return width * (self.vocabulary_size + self.learned_positions) + projection

    @property
    def head_parameters(self) -> int:
        """The output matrix; multiplied for every token even if it shares the embedding's memory."""
        return (self.embedding_size or self.hidden_size) * self.vocabulary_size

    @property
    def routed_parameters(self) -> int:
        """All routed experts of all layers: the part that expert parallelism divides."""
        return self.moe_layers * self.experts * self.expert_parameters

    @property
    def vector_parameters(self) -> int:
        """Norms and biases."""
        d = self.hidden_size
        norms = (2 * self.layers + 3 * self.decoder_layers + 1) * d
        if self.bias == "none":
            return norms
        qkv = self.head_size * (self.attention_heads + 2 * self.kv_heads)
        if self.bias == "qkv":
            return norms + self.all_layers * qkv
        return 2 * norms + self.all_layers * (qkv + 2 * d + self.ffn_hidden_size)

    def _body(self, experts_per_layer: int) -> int:
        fed = self.layers if self.ffn_layers is None else self.ffn_layers
        dense = fed - self.moe_layers + self.decoder_layers
        cross = self.decoder_layers * self.attention_parameters
        width = self.shared_expert_ffn_hidden_size or self.expert_ffn_hidden_size
        shared = self.shared_experts * self.ffn_matrices * self.hidden_size * width
        router = self.hidden_size * self.experts
        return (
            self.attending_layers * self.attention_parameters
            + self.mixer_layers * self.mixer_parameters
            + cross
            + dense * self.dense_ffn_parameters
            + self.moe_layers * (experts_per_layer * self.expert_parameters + shared + router)
        )

    @property
    def counted_parameters(self) -> int:
        """Every parameter that the shape has."""
        head = 0 if self.tied_embeddings else self.head_parameters
        layers = self._body(self.experts) + self.vector_parameters
        if self.unique_layers:
            layers = layers * self.unique_layers // self.all_layers
        return layers + self.embedding_parameters + head + self.side_parameters

    @property
    def counted_active_parameters(self) -> int:
        idle = self.moe_layers * (self.experts - self.experts_per_token) * self.expert_parameters
        looked_up = 0 if self.embedding_is_active or self.tied_embeddings else self.embedding_parameters
        return self.counted_parameters - idle - self.side_parameters - looked_up

    @property
    def parameters(self) -> float:
        """The published count where the plan gives one, else the count of the shape."""
        return self.published_parameters or float(self.counted_parameters)

    @property
    def active_parameters(self) -> float:
        dense = None if self.experts else self.published_parameters
        return self.published_active_parameters or dense or float(self.counted_active_parameters)

    @property
    def body_matrix_parameters(self) -> float:
        """Active parameters multiplied for every token, the output matrix left out."""
        looked_up = self.embedding_parameters + (0 if self.tied_embeddings else self.head_parameters)
        if self.unique_layers:
            return float(self._body(self.experts_per_token))
        if self.published_active_parameters or self.published_parameters:
            looked_up += self.side_parameters
            return max(
                self.active_parameters - looked_up - self.vector_parameters, 0.5 * self.active_parameters
            )
        return float(self._body(self.experts_per_token))


def resolve(plan: TrainingPlan) -> tuple[Architecture, list[str], list[str]]:
    """The plan's network, the inputs that were assumed, and warnings.

    Raises:
        InvalidPlanError: a shape that cannot exist.
    """
    keys = plan.architecture.model_dump(exclude_none=True)
    note = keys.pop("note", None)
    if plan.model is not None:
        keys = {**preset_architecture(plan.model).model_dump(exclude_none=True), **keys}
    published = keys.pop("parameters", None) or plan.parameters
    active = keys.pop("active_parameters", None)
    if plan.model is not None and not plan.architecture.parameters:
        published = published if not plan.architecture.model_fields_set else None
    shape, assumptions, warnings = _resolved(tuple(sorted(keys.items())), published, active)
    return shape, assumptions, [*warnings, f"architecture: {note}"] if note else warnings


@lru_cache(maxsize=4096)
def _resolved(
    items: tuple[tuple[str, Any], ...], published: float | None, active: float | None
) -> tuple[Architecture, list[str], list[str]]:
    keys, assumptions, warnings = dict(items), list[str](), list[str]()
    pruned = keys.pop("pruned_share", None)
    if "activation" in keys:
        keys["gated_ffn"] = keys.pop("activation") in GATED
    if "layers" not in keys or "hidden_size" not in keys:
        keys = _shape_from_count(keys, published, active)
        assumptions.append(
            f"architecture: not given; Llama-like, {keys['layers']} layers x {keys['hidden_size']} wide "
            f"for {published or 0:g} parameters"
        )
    filled = _filled(keys, published, active, assumptions)
    shape = Architecture(**filled)
    counted = shape.counted_parameters
    if published is not None and counted > REFUSED_RATIO * published:
        raise InvalidPlanError(
            "parameters",
            f"{published:.4g} given, but the shape counts up to {counted:.4g}: not the same network",
        )
    if published is not None and abs(counted / published - 1.0) > COUNT_TOLERANCE:
        warnings.append(f"parameters {published:.4g} given, but the shape counts up to {counted:.4g}")
    if pruned:
        filled = pruned_shape(filled, pruned)
        less = Architecture(**filled)
        published = published and published * less.counted_parameters / counted
        active = active and active * less.counted_active_parameters / shape.counted_active_parameters
        shape = less
    if published is None and active is None:
        return shape, assumptions, warnings
    return (
        Architecture(**filled, published_parameters=published, published_active_parameters=active),
        assumptions,
        warnings,
    )


def _shape_from_count(
    keys: Mapping[str, Any], published: float | None, active: float | None
) -> dict[str, Any]:
    if published is None:
        raise InvalidPlanError("architecture.layers", "layers and hidden_size, or parameters, must be given")
    dense = active or published
    # N = 12 L d^2 and d = 128 L
    usual = (dense / (12.0 * WIDTH_PER_LAYER**2)) ** (1 / 3)
    deep = dense / (12.0 * keys["hidden_size"] ** 2) if keys.get("hidden_size") else usual
    layers = keys.get("layers") or max(1, round(deep))
    hidden = keys.get("hidden_size") or max(
        HEAD_SIZE, round((dense / (12.0 * layers)) ** 0.5 / HEAD_SIZE) * HEAD_SIZE
    )
    return {**keys, "layers": layers, "hidden_size": hidden}


def _filled(
    keys: Mapping[str, Any], published: float | None, active: float | None, assumptions: list[str]
) -> dict[str, Any]:
    out = dict(keys)
    d, latent = int(out["hidden_size"]), "kv_lora_rank" in out
    heads = out.setdefault("attention_heads", max(1, d // HEAD_SIZE))
    out.setdefault("kv_heads", heads)
    if heads % out["kv_heads"]:
        raise InvalidPlanError(
            "architecture.kv_heads", f"{out['kv_heads']} must divide attention_heads {heads}"
        )
    out.setdefault("head_size", max(1, d // heads))
    if "vocabulary_size" not in out:
        out["vocabulary_size"] = VOCABULARY_SIZE
        assumptions.append(f"architecture.vocabulary_size: {VOCABULARY_SIZE} (not given)")
    if latent:
        out.setdefault("nope_head_size", out["head_size"])
        out.setdefault("rope_head_size", 64)
        out.setdefault("value_head_size", out["nope_head_size"])
    if "sliding_window" in out:
        out.setdefault("windowed_layers_share", 1.0)
    if active and published and active < SPARSE_SHARE * published and "experts" not in out:
        out.update(_experts_from_counts(out, published, active, assumptions))
    if out.get("experts", 0) > 1:
        out.setdefault("experts_per_token", 2)
        out.setdefault("expert_ffn_hidden_size", out.get("ffn_hidden_size", 4 * d))
    else:
        for key in ("experts", "experts_per_token", "shared_experts", "expert_ffn_hidden_size", "moe_every"):
            out.pop(key, None)
    dense = active or published
    if "ffn_hidden_size" not in out:
        out["ffn_hidden_size"] = _ffn_from_count(out, dense)
    out.setdefault("bias", "none")
    if "gated_ffn" not in out or "tied_embeddings" not in out:
        out.update(_matching_flags(out, published))
    return out


def _experts_from_counts(
    out: Mapping[str, Any], published: float, active: float, assumptions: list[str]
) -> dict[str, int]:
    """Experts per layer and token from the total and active counts and the width of one expert."""
    d, layers = int(out["hidden_size"]), int(out["layers"])
    matrices = 3 if out.get("gated_ffn", True) else 2
    attention = d * out["head_size"] * (2 * out["attention_heads"] + 2 * out["kv_heads"])
    # latent attention has about half the matrices that its heads would have without compression
    if out["attention_heads"] * out["head_size"] > 2 * d:
        attention //= 2
    embeddings = 2 * d * out["vocabulary_size"]
    per_token = max((active - embeddings) / layers - attention, 0.1 * active / layers)
    stated = out.get("expert_ffn_hidden_size") or out.get("ffn_hidden_size")
    width = int(stated or max(per_token / (2 * matrices * d), 1.0))
    expert = matrices * d * width
    used = max(1, round(per_token / expert))
    experts = max(used + 1, round(used + (published - active) / (layers * expert)))
    # expert parallelism divides the experts into powers of two
    experts = 1 << round(math.log2(experts))
    assumptions.append(
        f"architecture.experts: {experts}, {used} per token (from parameters and active_parameters)"
    )
    return {
        "experts": max(experts, used),
        "experts_per_token": used,
        "expert_ffn_hidden_size": width,
        "ffn_hidden_size": width,
    }


def _ffn_from_count(out: Mapping[str, Any], dense: float | None) -> int:
    d = int(out["hidden_size"])
    if dense is None:
        return int(out.get("expert_ffn_hidden_size") or (8 * d // 3 if out.get("gated_ffn", True) else 4 * d))
    attention = d * out["head_size"] * (2 * out["attention_heads"] + 2 * out["kv_heads"])
    body = dense - 2 * d * out["vocabulary_size"] - out["layers"] * attention
    matrices = 3 if out.get("gated_ffn", True) else 2
    return max(d, round(body / (out["layers"] * matrices * d)))


def _matching_flags(out: Mapping[str, Any], published: float | None) -> dict[str, Any]:
    """Gate and tie, where not given: those whose count is nearest to the published one, else by the usual
    width.

    A feed-forward exactly four times as wide as the stream is the ungated one of GPT; others are gated.
    """
    gates = [out["gated_ffn"]] if "gated_ffn" in out else [out["ffn_hidden_size"] != 4 * out["hidden_size"]]
    ties = [out["tied_embeddings"]] if "tied_embeddings" in out else [False]
    if published is not None:
        gates = gates if "gated_ffn" in out else [gates[0], not gates[0]]
        ties = ties if "tied_embeddings" in out else [False, True]
    rest = {k: v for k, v in out.items() if k not in ("gated_ffn", "tied_embeddings")}
    pairs: list[dict[str, Any]] = [
        {"gated_ffn": gate, "tied_embeddings": tie} for gate in gates for tie in ties
    ]
    if published is None:
        return pairs[0]
    return min(pairs, key=lambda pair: abs(Architecture(**rest, **pair).counted_parameters / published - 1.0))
