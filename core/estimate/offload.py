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
