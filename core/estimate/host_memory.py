"""Memory of the host that offloading takes, in GiB of one node."""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuledger.core.estimate.activation import GIB, offloaded_gib
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.workload import Workload

where: Any = np.where
maximum: Any = np.maximum
minimum: Any = np.minimum

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
