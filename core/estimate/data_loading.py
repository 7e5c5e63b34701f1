"""Whether storage and network feed a job as fast as its accelerators train: the least of three rates limits it.

Only rates that the plan states are judged; nobody knows the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpuledger.core.estimate.interval import Range
from gpuledger.core.money import SECONDS_PER_HOUR
from gpuledger.core.plan import TrainingPlan

# token ids of 32 bits, as data sets with more than 65,536 words in the vocabulary keep them (Megatron-LM,
# `indexed_dataset.py`, DType.optimal_dtype); raw English text has about as many characters a token
BYTES_PER_TOKEN = 4.0
BITS_PER_BYTE = 8.0
GIGA = 1e9
ACCELERATORS = "accelerators"


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Tokens per second that reach the job, and what gives no more."""

    tokens_per_second: float
    limit: str


def bytes_per_token(plan: TrainingPlan) -> tuple[float, str | None]:
    """Bytes read for each trained token: what the plan says, else what its data set's size means, else ids of 32 bits;
    with the assumption that this is."""
    if plan.data_bytes_per_token is not None:
        return plan.data_bytes_per_token, None
    size, tokens = plan.costs.dataset_gb, plan.dataset_tokens or plan.total_tokens
    if size and tokens:
        return size * GIGA / tokens, None
    return BYTES_PER_TOKEN, f"data_bytes_per_token: {BYTES_PER_TOKEN:g} (not given: ids of 32 bits)"


def feeds(plan: TrainingPlan, nodes: Any) -> list[tuple[str, Any]]:
    """Tokens per second that each stated rate allows on so many nodes, by its key."""
    each, _ = bytes_per_token(plan)
    storage, network = plan.hardware.storage_gb_per_second, plan.hardware.data_gbit_per_second
    rates: list[tuple[str, Any]] = []
    if storage is not None:
        rates.append(("hardware.storage_gb_per_second", storage * GIGA / each + 0.0 * nodes))
    if network is not None:
        rates.append(("hardware.data_gbit_per_second", network * GIGA / BITS_PER_BYTE / each * nodes))
    return rates


def least_step_seconds(plan: TrainingPlan, global_batch_tokens: float, gpus: Any, gpus_per_node: Any) -> Any:
    """Seconds in which the data of one step arrive at the soonest; 0 where no rate is stated. Broadcasts."""
    nodes: Any = np.ceil(np.asarray(gpus, float) / gpus_per_node)
    seconds: Any = np.zeros_like(nodes)
    for _, tokens_per_second in feeds(plan, nodes):
        seconds = np.maximum(seconds, global_batch_tokens / tokens_per_second)
    return seconds


def feed(plan: TrainingPlan, nodes: int) -> Feed | None:
    """The narrowest of the stated rates; `None` where none is stated."""
    rates = [Feed(tokens_per_second=float(rate), limit=key) for key, rate in feeds(plan, float(nodes))]
    return min(rates, key=lambda one: one.tokens_per_second, default=None)


def no_faster(rate: Range, feed: Feed | None) -> Range:
    """A range of tokens per second, none above what arrives."""
    most = math.inf if feed is None else feed.tokens_per_second
    return Range(low=min(rate.low, most), mid=min(rate.mid, most), high=min(rate.high, most))


def no_sooner(hours: Range, tokens: float, feed: Feed | None) -> Range:
    """A range of hours, none below those in which all tokens arrive."""
    least = 0.0 if feed is None else tokens / feed.tokens_per_second / SECONDS_PER_HOUR
    return Range(low=max(hours.low, least), mid=max(hours.mid, least), high=max(hours.high, least))


def limit_text(feed: Feed, compute_tokens_per_second: float) -> str:
    """What a person reads where data arrive too slowly."""
    return (
        f"data loading limits: {feed.limit} gives {feed.tokens_per_second:,.0f} tokens per second, the accelerators"
        f" would train {compute_tokens_per_second:,.0f}"
    )
