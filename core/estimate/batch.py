"""Tokens of a step where the plan does not say."""

from __future__ import annotations

import math

from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.estimate.stack import ONLINE
from gpuledger.core.plan import TrainingPlan, model_rows

# tokens per step by parameters, a cube root through those of GPT-3's networks: 1M of 1.3B and 2.7B, 2M of 6.7B and 13B
# (arXiv:2005.14165, table 2.1); no fewer than 1M, no more than the 4M of Llama 2 (arXiv:2307.09288) and BLOOM
PRETRAIN_BATCH_TOKENS, PRETRAIN_BATCH_PARAMETERS = 2_097_152.0, 1e10
LEAST_BATCH_TOKENS, MOST_BATCH_TOKENS = 1_048_576.0, 4_194_304.0
# 64 sequences: the usual batch of instruction tuning (QLoRA, arXiv:2305.14314, table 9: 16 to 64)
FINETUNE_BATCH_SEQUENCES = 64
# of reinforcement learning: NeMo RL and verl, default configurations
ONLINE_BATCH_SEQUENCES = 512
# fewer leave GPUs idle
SEQUENCES_PER_GPU = 1


def usual_batch_tokens(plan: TrainingPlan, architecture: Architecture, sequence_length: int) -> float:
    """Tokens per step that people take: by method, in pretraining those that the network was published with, and enough
    for every GPU of a stated count.
    """
    if plan.method not in ("pretrain", "distillation"):
        sequences = ONLINE_BATCH_SEQUENCES if plan.method in ONLINE else FINETUNE_BATCH_SEQUENCES
        return float(sequences * sequence_length)
    published = model_rows().get(plan.model or "", {}).get("global_batch_tokens")
    by_size = PRETRAIN_BATCH_TOKENS * math.cbrt(architecture.parameters / PRETRAIN_BATCH_PARAMETERS)
    usual = float(published) if published else min(max(by_size, LEAST_BATCH_TOKENS), MOST_BATCH_TOKENS)
    return max(usual, float(SEQUENCES_PER_GPU * sequence_length * (plan.hardware.gpus or 0)))
