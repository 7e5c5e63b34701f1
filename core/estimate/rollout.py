"""Time in which a step of reinforcement learning generates its rollouts, and what generation needs beside it.

The engine holds the network in 16 bits on as few GPUs as it fits and decodes all sequences of a replica together.
Every token reads the weights once for all of them, and the keys and values of each (Pope et al., arXiv:2211.05102,
section 2); the step ends with the longest answer, long after most are done (HybridFlow, arXiv:2409.19256; OpenRLHF,
arXiv:2405.11143: generation is most of the step). Before the next step the new weights move into the engine.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.layout import Layout
from gpuledger.core.estimate.workload import Workload

# a column is a float or an array, which the stubs of numpy cannot say
where: Any = np.where
maximum: Any = np.maximum
ceil: Any = np.ceil
log2: Any = np.log2

# weights of one engine replica per GPU, so that keys and values find room beside them
ENGINE_WEIGHT_BYTES = 40e9
SIXTEEN_BITS = 2.0
# sequences that one replica decodes together: vLLM, `max_num_seqs`; DeepSpeed-Chat, step 3,
# `per_device_generation_batch_size` of its scripts
ENGINE_SEQUENCES, EAGER_SEQUENCES = 256.0, 32.0


def engine_gpus(w: Workload) -> Any:
    """GPUs of one replica of the engine: the least power of two on which its weights leave room."""
    return 2.0 ** ceil(log2(maximum(SIXTEEN_BITS * w.parameters / ENGINE_WEIGHT_BYTES, 1.0)))


def generation_seconds(
    w: Workload, layout: Layout, memory_bytes_per_second: Any, network_bytes_per_second: Any, k: Constants
) -> Any:
    """Seconds per optimizer step beside the multiplies of the generated tokens; 0 where nothing is generated."""
    weights = SIXTEEN_BITS * w.parameters
    engine = engine_gpus(w)
    replicas = maximum(layout.gpus / engine, 1.0)
    steps = w.steps_per_rollout
    together = maximum(steps * w.global_batch_tokens / w.sequence_length / replicas, 1.0)
    answer = w.rollout_share * w.sequence_length
    # a mean over the answer: half of it stands before a token on average
    positions = w.sequence_length - answer / 2.0
    bandwidth = memory_bytes_per_second * k.decoding_efficiency * engine
    launched = w.layers * where(w.is_eager > 0, k.eager_decoding_seconds, k.decoding_seconds)
    cached = together * positions * SIXTEEN_BITS * w.kv_size * w.layers / bandwidth
    # what an engine does not decode at once waits for the next wave
    most = where(w.is_eager > 0, EAGER_SEQUENCES, ENGINE_SEQUENCES)
    waves = maximum(together / most, 1.0)
    # weights are read and kernels launched until the longest answer ends, keys and values as long as there are any
    longest = where(w.has_fixed_answers > 0, 1.0, k.longest_answer)
    decoding = answer * (longest * waves * (weights / bandwidth + launched) + cached)
    moved = weights / network_bytes_per_second + k.weight_sync_seconds
    return where(w.rollout_share > 0, (decoding + moved) / steps, 0.0)
