"""Tokens of a step where the plan does not say, and how many of them the network generates itself."""

from __future__ import annotations

import math

from gpuledger.core.estimate.architecture import Architecture
from gpuledger.core.estimate.stack import ONLINE, SMALL_PASS, recipe_pass
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
# of a sequence the answer: half of an instruction (DeepSpeed-Chat, README: 256 of 512 tokens), nearly all where answers
# are reasoned (NeMo RL, performance summary: 0.89 and 0.97 of the tokens)
USUAL_ROLLOUT_SHARE = {"ppo": 0.5, "grpo": 0.9}
# GRPO generates groups of answers for many prompts at once and trains on them in several steps: NeMo RL, performance
# summary, 2,048 answers and batches of 512; verl, default configuration, 1,024 and 256. DeepSpeed-Chat takes one
STEPS_PER_ROLLOUT = {"grpo": 4.0}


def usual_batch_tokens(plan: TrainingPlan, architecture: Architecture, sequence_length: int) -> float:
    """Tokens per step that people take: by method, in pretraining those that the network was published with, and enough
    for every GPU of a stated count; of small networks enough for a pass of each, whose recipes say sequences of a GPU
    and not of a step.
    """
    gpus = plan.hardware.gpus or 0
    if plan.method not in ("pretrain", "distillation"):
        sequences = ONLINE_BATCH_SEQUENCES if plan.method in ONLINE else FINETUNE_BATCH_SEQUENCES
        each = math.floor(SMALL_PASS.sequences(sequence_length)) if recipe_pass(plan) is SMALL_PASS else 0
        return float(max(sequences, each * gpus) * sequence_length)
    published = model_rows().get(plan.model or "", {}).get("global_batch_tokens")
    by_size = PRETRAIN_BATCH_TOKENS * math.cbrt(architecture.parameters / PRETRAIN_BATCH_PARAMETERS)
    usual = float(published) if published else min(max(by_size, LEAST_BATCH_TOKENS), MOST_BATCH_TOKENS)
    return max(usual, float(SEQUENCES_PER_GPU * sequence_length * gpus))


def rollout_share(plan: TrainingPlan) -> float:
    """Share of the trained tokens that are generated in every step."""
    if plan.method not in ("ppo", "grpo"):
        return 0.0
    usual = USUAL_ROLLOUT_SHARE[plan.method]
    return usual if plan.rollout_tokens_share is None else plan.rollout_tokens_share
