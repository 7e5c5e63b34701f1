"""Scores of reinforcement learning, and their part of `docs/accuracy.md`."""

from __future__ import annotations

import numpy as np

from gpuledger.core.estimate.constants import Constants
from gpuledger.core.estimate.interval import spreads
from tests.accuracy.memory_report import HEAD, memory_score
from tools.calibration.online import Online

ABOUT = """
## Reinforcement learning

Tokens per second of whole steps, generation included. DeepSpeed-Chat's rows are PPO with OPT on A100, A6000 and V100,
NeMo RL's are GRPO on H100. *Left out*: the constants of generation are fitted on the other source alone; they hardly
leave their priors. Two sources are few: another stack may lie outside.

"""


def online_inside(online: Online, predicted: np.ndarray) -> np.ndarray:
    """Which rates of reinforcement learning lie inside their interval."""
    low, high = spreads()["rate", "online"]
    ratio = np.log(online.observed / predicted)
    return (-low <= ratio) & (ratio <= high)


def online_section(online: Online, k: Constants) -> list[str]:
    """Lines of the page on reinforcement learning."""
    held_out, fitted = online.held_out(k), online.predicted(k)[0]
    lines = [ABOUT + HEAD]
    for name, predicted in (("left out", held_out), ("fitted", fitted)):
        inside = online_inside(online, predicted)
        for family in sorted(set(online.families)):
            rows = online.families == family
            lines.append(
                memory_score(f"{family}, {name}", predicted[rows], online.observed[rows], inside[rows]).line()
            )
    return lines
