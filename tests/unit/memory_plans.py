"""Plans of which tests know the memory term by term, and the memory that the estimate finds for them."""

from typing import Any

from gpuledger.core.estimate.constants import constants
from gpuledger.core.estimate.estimate import Estimate, estimate
from gpuledger.core.estimate.memory import MemoryGiB
from gpuledger.core.gpu import gpu
from gpuledger.core.plan import plan_from_mapping

GIB = 2.0**30
N = 6_738_415_616
"""Parameters of Llama 2 7B: 32 layers, width 4096, feed-forward 11008, vocabulary 32000."""
LAYERS, D, F, V, S = 32, 4096, 11008, 32000, 4096
K = constants()
SLACK = K.allocator_slack

PRETRAIN = {
    "method": "pretrain",
    "model": "llama-2-7b",
    "training_tokens": 1e9,
    "sequence_length": S,
    "global_batch_tokens": 1048576,
}
FINETUNE = PRETRAIN | {"method": "full_finetune", "activation_recomputation": "full"}
LORA = FINETUNE | {"method": "lora", "lora_rank": 16}
ONE = {"tensor_parallel": 1, "pipeline_parallel": 1, "micro_batch_size": 1, "sharding": "none"}


def run(keys: dict[str, Any], gpus: int, gpu_id: str = "h100-sxm-80gb", /, **hardware: Any) -> Estimate:
    plan = plan_from_mapping({**keys, "hardware": {**ONE, **hardware}})
    return estimate(plan, gpu(gpu_id), gpus)


def memory(
    keys: dict[str, Any], gpus: int = 8, gpu_id: str = "h100-sxm-80gb", /, **hardware: Any
) -> MemoryGiB:
    found = run(keys, gpus, gpu_id, **hardware).memory_gib
    assert found is not None
    return found
