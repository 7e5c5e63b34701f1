"""Checkpoints and interruptions: how often to write, and how much longer a run takes for them.

Young, CACM 17(9), 1974; Daly, Future Generation Computer Systems 22(3), 2006.
"""

from __future__ import annotations

import math

# per 1,000 node-days: Kokolis et al., arXiv:2410.21680, section 4, Meta's RSC-1 with 16,384 A100
FAILURES_PER_THOUSAND_NODE_DAYS = 6.5


def mean_hours_between_interruptions(nodes: int, reclaims_per_hour: float = 0.0) -> float:
    """Mean hours until any node of a job fails or is taken away; `reclaims_per_hour` is of the whole job."""
    failures = nodes * FAILURES_PER_THOUSAND_NODE_DAYS / 1000.0 / 24.0
    return 1.0 / (failures + reclaims_per_hour)


def best_interval_hours(write_hours: float, mean_hours_between: float) -> float:
    """Hours of work between checkpoints that lose least (Daly 2006, equation 37)."""
    c, m = write_hours, mean_hours_between
    if c >= 2.0 * m:
        return m
    ratio = math.sqrt(c / (2.0 * m))
    return math.sqrt(2.0 * c * m) * (1.0 + ratio / 3.0 + ratio**2 / 9.0) - c


def expected_wall_hours(
    work_hours: float,
    *,
    interval_hours: float,
    write_hours: float,
    restart_hours: float,
    mean_hours_between: float,
) -> float:
    """Expected hours for `work_hours` of useful work with random interruptions (Daly 2006, equation 20)."""
    m = mean_hours_between
    segment = math.expm1((interval_hours + write_hours) / m)
    return m * math.exp(restart_hours / m) * segment * work_hours / interval_hours
