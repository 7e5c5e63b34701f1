"""Links of an accelerator and the traffic of each kind of parallelism, in arithmetic that broadcasts over plans
and layouts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.workload import Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum
clip: Any = np.clip

# Megatron-LM: two all-reduces forward, two backward per layer (arXiv:1909.08053, section 3)
TENSOR_COLLECTIVES = 4.0
# a gather forward, a gather and a reduce-scatter backward (ZeRO stage 3, arXiv:1910.02054, section 7.2)
SHARDED_COLLECTIVES = 3.0


@dataclass(frozen=True, kw_only=True)
class Device:
    """Rates of one GPU in SI units, floats or arrays. Bandwidths are one direction."""

    gemm_flops_per_second: Any
    """Of the plan's precision, dense, as on the data sheet."""
    half_flops_per_second: Any
    """Of the 16-bit precision, in which attention is computed whatever the matrices use."""
    gemm_ceiling: Any
    """Share of the data sheet's rate that was measured on large matrices in that precision."""
    memory_bytes_per_second: Any
    interconnect_bytes_per_second: Any
    network_bytes_per_second: Any
    host_bytes_per_second: Any
    fabric_gpus: Any
    """Accelerators that the interconnect joins, if more than a node."""
    linked_peers: Any
    """Others of the node to which it has links of their own; 0 behind a switch."""
    joined_gpus: Any
    """Accelerators of a node that links of their own join: 1 of cards on the bus, 2 of cards with a bridge."""
    has_peer_access: Any
    """1 where one card may read another's memory over the bus."""
    needs_recipes: Any
    """1 where only the vendor's recipes reach the ceiling in general, as on a young generation."""
    is_quantised: Any
    """1 where matrices are multiplied in fewer than 16 bits and must be cast first."""


class Levels(NamedTuple):
    """Where the columns of a step stand: of each time asked for, its division and its accelerator.

    Most of a step depends on the division alone, and of an accelerator little counts; what both decide is computed for
    every pair of them. Without positions all columns broadcast as they are.
    """

    cell: NDArray[np.intp] | None = None
    row: NDArray[np.intp] | None = None

    def division(self, column: Any) -> Any:
        """A column of divisions, one for each time asked for."""
        return column if self.cell is None or not np.ndim(column) else column.take(self.cell)

    def accelerator(self, column: Any) -> Any:
        """A column of accelerators, one for each time asked for."""
        return column if self.row is None or not np.ndim(column) else column.take(self.row)


BROADCAST = Levels()


def lifted(layout: Layout, at: Levels) -> Layout:
    """The division of each time asked for."""
    return Layout(**{field.name: at.division(getattr(layout, field.name)) for field in fields(Layout)})


@dataclass(frozen=True, kw_only=True)
class Links:
    """Achieved bytes per second of one accelerator in one direction, and how many of them the fast link joins."""

    inside: Any
    outside: Any
    node: Any
    gpus_per_node: Any
    peers: Any
    """As `Device.linked_peers`; `None` where no accelerator has any."""
    linked: Any
    """Where they have any."""
    constants: Constants

    def within(self, size: Any) -> Any:
        """Bytes per second that one GPU moves in a collective of `size` neighbours: of links that lead to one other
        each those to the members alone.
        """
        if self.peers is None:
            return self.inside
        if self.peers.shape != np.shape(self.inside):
            # columns that broadcast
            used = clip((size - 1.0) / maximum(self.peers, 1.0), 1.0 / maximum(self.peers, 1.0), 1.0)
            return self.inside * where(self.peers > 0, used, 1.0)
        out, linked = self.inside.copy(), self.linked
        peers, members = self.peers[linked], size[linked] if np.ndim(size) else size
        out[linked] *= clip((members - 1.0) / peers, 1.0 / peers, 1.0)
        return out

    def bandwidth(self, size: Any, stride: Any) -> Any:
        """Bytes per second that one GPU moves in a collective of `size` GPUs, `stride` apart.

        Inside a node the interconnect carries it. Across nodes the network does: of a group with several
        members in a node each sends once into the network what a ring through all of them moves.
        """
        members = clip(self.node / stride, 1.0, size)
        inside = self.within(members)
        across = minimum(self.outside * members, inside)
        return where(size * stride <= self.node, inside, across)

    def latency(self, size: Any, stride: Any) -> Any:
        """Seconds that a ring through `size` GPUs, `stride` apart, waits for its hops: one per GPU inside a node, and
        the slower one of the network once per node.
        """
        k = self.constants
        nodes = where(size * stride <= self.node, 0.0, size * stride / self.node)
        return (size - nodes) * k.hop_seconds + nodes * k.network_hop_seconds

    def routed_seconds(self, w: Workload, e: Any, t: Any) -> Any:
        """Seconds per byte that one GPU sends to the other members of its expert group (arXiv:2412.19437, 3.2).

        Software that hides this traffic sends a token once to each node, whatever the experts there (3.2.2).
        """
        n = clip(self.node / t, 1.0, e)
        others = maximum(e - 1.0, 1.0)
        beyond = (e - n) / others / self.outside
        if np.any(w.hides_routing):
            nodes, chosen = e / n, maximum(w.experts_per_token, 1.0)
            once = minimum(nodes * (1.0 - (1.0 - 1.0 / nodes) ** chosen) / chosen, 1.0)
            beyond = beyond * where(w.hides_routing > 0, once, 1.0)
        return (n - 1.0) / others / self.within(n) + beyond


def links_of(layout: Layout, device: Device, k: Constants, at: Levels = BROADCAST) -> Links:
    """The links of each time asked for."""
    per_node = at.division(layout.gpus_per_node)
    peers = at.accelerator(device.linked_peers) if np.any(device.linked_peers) else None
    return Links(
        inside=at.accelerator(device.interconnect_bytes_per_second * k.collective_efficiency),
        outside=at.accelerator(device.network_bytes_per_second * k.network_efficiency),
        node=maximum(per_node, at.accelerator(device.fabric_gpus)),
        gpus_per_node=per_node,
        peers=peers,
        linked=None if peers is None else np.flatnonzero(peers),
        constants=k,
    )


def overlapped(w: Workload, k: Constants) -> Any:
    """Share of shown traffic of tensor and expert parallelism left by stacks that overlap it with multiplies."""
    return 1.0 + w.is_tuned * (w.overlaps_traffic > 0) * (k.overlapped_share - 1.0)


def tensor_parallel_seconds(
    w: Workload, layout: Layout, k: Constants, links: Links, at: Levels, *, tokens: Any, layer_passes: Any
) -> Any:
    """Shown traffic of tensor parallelism in one step.

    Args:
        tokens: of one pass on one GPU.
        layer_passes: passes of a layer on one GPU.
    """
    t, full = layout.tensor_parallel, maximum(layout.recomputation - 1.0, 0.0)
    if not np.any(t > 1):
        return 0.0
    group = at.division(t)
    # a collective reaches half of the rate with a message of so many bytes (NCCL tests: bus bandwidth by size)
    bandwidth = links.within(group) if np.all(t <= layout.gpus_per_node) else links.bandwidth(group, 1.0)
    slowed = 1.0 + k.half_message_bytes / (2.0 * tokens * w.hidden_size)
    collectives = layer_passes * (TENSOR_COLLECTIVES + 2.0 * full)
    moved = collectives * tokens * 2.0 * 2.0 * w.hidden_size * (t - 1.0) / t
    shown = at.division(moved * slowed * k.tensor_exposed * overlapped(w, k)) / bandwidth
    if np.all(t <= layout.gpus_per_node):
        return shown + at.division(where(t > 1, collectives * t * k.hop_seconds, 0.0))
    return shown + at.division(where(t > 1, collectives, 0.0)) * links.latency(group, 1.0)


def data_parallel_seconds(
    w: Workload,
    layout: Layout,
    k: Constants,
    links: Links,
    at: Levels,
    *,
    held: Any,
    micro_batches: Any,
    hiding: Any,
) -> Any:
    """Exposed traffic of gradients and weights in one step.

    States are reduced and gathered within the GPUs that share one copy, with ZeRO-3 for every micro-batch, and
    summed over the copies once (MiCS, arXiv:2205.00119, section 3.4).

    Args:
        held: parameters of one GPU, unsharded.
        hiding: seconds of work of one micro-batch, for each time asked for.
    """
    t, layers = layout.tensor_parallel, w.layers / layout.pipeline_parallel
    trained = w.trained_parameters / w.parameters
    group = layout.data_parallel * layout.context_parallel
    shared = minimum(w.sharding_gpus, group)
    copies = group / shared
    inside = links.bandwidth(at.division(shared), at.division(t))
    # tuned stacks reduce gradients in 16 bits whatever they accumulate in
    narrowed = w.is_tuned * (w.overlaps_traffic > 0) * maximum(w.gradient_bytes - 2.0, 0.0)
    reduced = (w.gradient_bytes - narrowed) * trained
    hiding = hiding * (w.overlaps_traffic > 0)
    gathered = where(layout.sharding >= 1, w.weight_bytes * trained, reduced)
    summed = 0.0
    if np.any(copies > 1):
        between = links.bandwidth(at.division(copies), at.division(t * shared))
        summed = at.division(2.0 * reduced * held / shared * (copies - 1.0) / copies) / between
    ring = held * (shared - 1.0) / shared
    sharded = layout.sharding >= 3
    away = at.division(group * t) > links.gpus_per_node
    latency = at.division(layers) * where(away, links.latency(at.division(shared), at.division(t)), 0.0)
    # shares that are sent in turn wait for the optimizer, and nothing runs beside them
    in_turn = (w.broadcasts_shares > 0) & (layout.sharding == 1)
    beside = where(sharded, 0.0, where(in_turn, reduced, reduced + gathered))
    out = _shown(w, at.division(beside * ring) / inside + summed, hiding, k)
    out = out + at.division(where(sharded, 0.0, 2.0 * trained)) * latency
    if np.any(sharded):
        each = at.division((2.0 * w.weight_bytes + reduced) * ring) / inside + SHARDED_COLLECTIVES * latency
        out = out + at.division(where(sharded, micro_batches, 0.0)) * _shown(w, each, hiding, k)
    if np.any(in_turn):
        out = out + at.division(where(in_turn, gathered * ring, 0.0)) / inside
        waits = at.division(in_turn) & (latency > 0)
        out = out + where(waits, at.division(shared) * k.share_broadcast_seconds, 0.0)
    return out


def _shown(w: Workload, moved: Any, hiding: Any, k: Constants) -> Any:
    """Work hides traffic, but a share of it always shows: the first gather, the last bucket, contention; less with
    tuned stacks.
    """
    share = (1.0 - k.overlap) * (1.0 + w.is_tuned * (k.overlapped_share - 1.0))
    return maximum(moved - hiding, share * moved)
