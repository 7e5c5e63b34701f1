"""Reinforcement learning: DeepSpeed-Chat's hours of PPO and NeMo RL's rates of GRPO, each predicted by constants of
generation that were fitted on the other alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.errors import InvalidPlanError
from gpuledger.core.estimate.best_layout import Choice, choose, problem
from gpuledger.core.estimate.constants import Constants
from gpuledger.core.plan import TrainingPlan, plan_from_mapping
from tools.calibration.layout_row import row_of
from tools.calibration.solver import Array, priors, solved
from tools.calibration.truth.runs import Row, architecture, gpu_id_of, measured, number
from tools.calibration.truth.tables import rows

DEEPSPEED_CHAT, NEMO_RL = "PPO (DeepSpeed-Chat)", "GRPO (NeMo RL)"
# critic and reward networks of every size, and prompts of a step (DeepSpeed-Chat, README: 131,900 queries of 256 tokens
# and answers of 256; step 3 in batches of 1,024)
CRITIC_PARAMETERS, STEP_SEQUENCES, ANSWER_SHARE = 350e6, 1024, 0.5
RESIDUAL_SCALE = LOSS_SCALE = 0.25


@dataclass(frozen=True)
class OnlineRow:
    """One published outcome of reinforcement learning, as hours or as tokens per second."""

    family: str
    plan: TrainingPlan
    gpu_id: str
    gpus: int
    tokens_per_second: float


def deepspeed_chat(row: Row) -> OnlineRow | None:
    """A row of training_runs.csv on step 3 of DeepSpeed-Chat."""
    gpu_id = gpu_id_of(row["gpu"], row["gpu_memory_gb"])
    hours, tokens, count = (number(row[name]) for name in ("wall_clock_hours", "tokens", "gpu_count"))
    if row["method"] != "ppo_rlhf" or gpu_id is None or not (hours and tokens and count):
        return None
    length = int(float(row["seq_len"]))
    keys: dict[str, Any] = {
        "name": row["run_id"],
        "method": "ppo",
        "training_tokens": tokens,
        "sequence_length": length,
        "global_batch_tokens": float(STEP_SEQUENCES * length),
        "rollout_tokens_share": ANSWER_SHARE,
        "critic_parameters": CRITIC_PARAMETERS,
        "reward_parameters": CRITIC_PARAMETERS,
        "precision": "fp16",
        "architecture": architecture(row),
        "hardware": {"stack": "deepspeed"},
    }
    plan = plan_from_mapping(keys)
    return OnlineRow(DEEPSPEED_CHAT, plan, gpu_id, int(count), tokens / (hours * 3600.0))


def read(folder: Path) -> Iterator[OnlineRow]:
    """The rows of both sources."""
    for row in rows(folder, "training_runs.csv"):
        try:
            found = deepspeed_chat(row)
        except InvalidPlanError:
            continue
        if found is not None:
            yield found
    for row in rows(folder, "measured_2026_11.csv"):
        seen = measured(row) if row["class"] == NEMO_RL else None
        if seen is not None:
            yield OnlineRow(NEMO_RL, seen.plan, seen.gpu_id, seen.gpus, seen.observed)


class Online:
    """Both sources as one problem."""

    def __init__(self, folder: Path) -> None:
        self.rows = list(read(folder))
        self.problem = problem([row_of(row.plan, row.gpu_id, row.gpus) for row in self.rows])
        self.families = np.array([row.family for row in self.rows])
        self.observed = np.array([row.tokens_per_second for row in self.rows])

    def predicted(self, k: Constants) -> tuple[Array, Choice]:
        """Tokens per second of the whole job."""
        found = choose(self.problem, k)
        batch = np.asarray(self.problem.workload.global_batch_tokens)[:, 0]
        return batch / np.asarray(found.time.total), found

    def fitted(self, k: Constants, use: NDArray[np.bool_]) -> Constants:
        """`k` with the constants of generation fitted on those rows from their priors on, sources alike."""
        names = priors("rollout")
        weights = np.array([max(np.sum(self.families == family), 1) ** -0.5 for family in self.families])

        def residuals(values: dict[str, Any]) -> Array:
            rates, _ = self.predicted(replace(k, **values))
            return (np.log(rates / self.observed) * weights / RESIDUAL_SCALE)[use]

        return replace(k, **solved(names, residuals, loss_scale=LOSS_SCALE, takes_columns=False))

    def held_out(self, k: Constants) -> Array:
        """Each source predicted by constants of generation from the other; those of training have seen neither."""
        out = np.zeros(len(self.rows))
        for family in sorted(set(self.families)):
            test = self.families == family
            out[test] = self.predicted(self.fitted(k, ~test))[0][test]
        return out
