"""Time that moving weights and activations to and from the host adds to a step, beside the optimizer's."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuledger.core.estimate.activation import GIB, in_flight, offloaded_gib
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.workload import Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum

# weights are fetched for the forward and for the backward pass, which recomputes with the same ones
FETCHES = 2.0


def offload_seconds(
    w: Workload, layout: Layout, host_bytes_per_second: Any, k: Constants, *, held: Any, hiding: Any
) -> Any:
    """Exposed seconds of one micro-batch.

    Each GPU fetches its share of the weights over its bus (ZeRO-Infinity, arXiv:2104.07857, section 5.1); activations
    go there and come back beside the work of other layers (section 5.2.2), as far as that takes long enough.

    Args:
        held: parameters of one GPU, unsharded.
        hiding: seconds of work of one micro-batch.
    """
    if not np.any(w.offloads_parameters) and not np.any(w.offloads_activations):
        return 0.0
    group = minimum(layout.data_parallel * layout.context_parallel, w.sharding_gpus)
    fetched = held * w.weight_bytes / where(layout.sharding >= 3, group, 1.0)
    weights = w.offloads_parameters * FETCHES * fetched / host_bytes_per_second
    stored = offloaded_gib(w, layout, k) * GIB / in_flight(w, layout, k)
    activations = 2.0 * stored / host_bytes_per_second
    return maximum(weights - hiding, (1.0 - k.overlap) * weights) + maximum(activations - hiding, 0.0)


# 32-bit weights, both moments and 32-bit gradients of the step on the host, whatever the optimizer keeps on a GPU
# (ZeRO-Offload, arXiv:2101.06840, section 4.1; DeepSpeed's CPU Adam has no 8-bit states)
HOST_OPTIMIZER_BYTES = 16.0


def host_memory_gib(w: Workload, layout: Layout, k: Constants) -> Any:
    """What one node's processes hold of optimizer, weights and activations; 0 where nothing is offloaded."""
    here = minimum(layout.gpus, layout.gpus_per_node) / layout.gpus
    # without sharding each data-parallel rank keeps a copy of its own
    copies = where(layout.sharding >= 1, 1.0, layout.data_parallel)
    whole = where(layout.sharding >= 3, 1.0, layout.data_parallel)
    moved = maximum(w.is_offloaded, w.offloads_parameters)
    optimizer = moved * HOST_OPTIMIZER_BYTES * w.trained_parameters * copies
    weights = w.offloads_parameters * w.weight_bytes * w.parameters * whole
    beside = w.offloads_parameters * 2.0 * (w.frozen_beside + w.trained_beside)
    beside = beside + moved * HOST_OPTIMIZER_BYTES * w.trained_beside
    activations = offloaded_gib(w, layout, k) * minimum(layout.gpus, layout.gpus_per_node)
    return (optimizer + weights + beside) * here / GIB + activations
