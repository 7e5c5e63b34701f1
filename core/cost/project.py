"""The cost of a whole project as a function of what is not certain, over arrays: how many dollars and hours it comes to
at other speeds, prices, interruptions and numbers of failed runs.

It is the quote's own arithmetic: with every input in the middle it gives the quote's total. Shares of variance are
first-order Sobol indices by the estimator of Saltelli et al. 2010, Computer Physics Communications 181, table 2 (b), on
two Latin hypercubes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gpuledger.core.cost.amount import Amount
from gpuledger.core.cost.assumption import default_value
from gpuledger.core.cost.cost_lines import FAILED, OWN_TERMS, RUN
from gpuledger.core.cost.quote_set import Quote
from gpuledger.core.cost.spot import schedule
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.validity import RECORDED

Array = NDArray[np.float64]
# as the stubs of numpy cannot say
where: Any = np.where
Z90 = 1.2815515655446004
"""Of the normal distribution: an interval of 80 % reaches so many standard deviations to each side."""
INPUTS = ("speed", "price", "interruptions", "failed_runs", "other_costs")
MEANING = {
    "speed": "hours of the run, within the interval of its rate",
    "price": "price until the run has ended",
    "interruptions": "interruptions of spot capacity",
    "failed_runs": "runs that fail and are repeated",
    "other_costs": "costs beside the GPUs that are given as a range or not known",
}


@dataclass(frozen=True, kw_only=True)
class Project:
    """One plan on one offer, as numbers that may vary."""

    run_usd: float
    """Of one run in the middle case, without interruptions."""
    useful_hours: Amount
    price_spread: float
    """Standard deviation of the logarithm of the price."""
    rates: tuple[float, float, float] | None
    """Interruptions of the whole job per hour, low, mid and high; `None` without."""
    part_hours: float
    restart_hours: float
    runs: tuple[float, float, float]
    """Runs paid for one that counts."""
    more_runs: float
    """Trials and experiments, in runs."""
    idle_factor: float
    """Paid hours over working hours."""
    other_usd: Amount
    fixed_usd: float
    """What no input changes, a commitment included."""
    credit_usd: float
    calibration: float
    """Of the model to the quote's total."""

    @property
    def uncertain(self) -> tuple[str, ...]:
        """The inputs that have a range here."""
        low, _, high = self.runs
        ranges = {
            "speed": self.useful_hours.high > self.useful_hours.low,
            "price": self.price_spread > 0,
            "interruptions": self.rates is not None and self.rates[2] > self.rates[0],
            "failed_runs": high > low,
            "other_costs": self.other_usd.high > self.other_usd.low,
        }
        return tuple(name for name in INPUTS if ranges[name])

    def hours(self, quantiles: Mapping[str, Array], losses: Array | None = None) -> Array:
        """Running hours of the run that counts, with what interruptions cost.

        Args:
            quantiles: 0 to 1 of each input; 0.5 where one is left out.
            losses: hours lost to interruptions, where they are drawn; else their expectation.
        """
        useful = _lognormal(self.useful_hours, quantiles.get("speed"))
        if self.rates is None:
            return useful
        return useful + (
            self.lost_hours(useful, quantiles.get("interruptions")) if losses is None else losses
        )

    def rate(self, quantile: Array | None) -> Array:
        """Interruptions of the whole job per hour."""
        assert self.rates is not None
        low, mid, high = (max(rate, 1e-12) for rate in self.rates)
        at: Array = np.asarray(0.5 if quantile is None else quantile, dtype=np.float64)
        # half of the cases below the middle, half above it, evenly in the logarithm
        below = np.log(low / mid) * (1 - 2 * at)
        above = np.log(high / mid) * (2 * at - 1)
        return mid * np.exp(where(at < 0.5, below, above))

    def lost_hours(self, useful: Array, quantile: Array | None) -> Array:
        """Expected: Daly 2006, equation 13, with the interval between checkpoints as it is planned."""
        rate = self.rate(quantile)
        parts = np.maximum(np.ceil(useful / self.part_hours), 1.0)
        exponent = np.minimum(rate * (useful / parts), 50.0)
        return (
            parts * np.expm1(exponent) * np.exp(np.minimum(rate * self.restart_hours, 50.0)) / rate - useful
        )

    def usd(
        self, quantiles: Mapping[str, Array], hours: Array | None = None, runs: Array | None = None
    ) -> Array:
        """US dollars in all."""
        running = self.hours(quantiles) if hours is None else hours
        paid = self.run_usd * running / float(self.useful_hours.mid) * self.idle_factor * self.calibration
        paid = paid * np.exp(self.price_spread * _normal(quantiles.get("price")))
        count = _triangular(self.runs, quantiles.get("failed_runs")) if runs is None else runs
        low, mid, high = (
            float(value) for value in (self.other_usd.low, self.other_usd.mid, self.other_usd.high)
        )
        total = paid * (count + self.more_runs) + self.fixed_usd
        total = total + _triangular((low, mid, high), quantiles.get("other_costs"))
        return np.maximum(total - self.credit_usd, 0.0)


def project_of(plan: TrainingPlan, quote: Quote) -> Project:
    """The quote as a project whose inputs may vary."""
    costs, bought = plan.costs, quote.purchase
    by_line = {line.name: line.usd for line in quote.lines if line.usd is not None}
    is_committed = "unused_commitment" in by_line
    beside = [
        line.usd
        for line in quote.lines
        if line.usd is not None and line.category not in (RUN, FAILED, OWN_TERMS)
    ]
    rule = sum(float(usd.mid) for name, usd in by_line.items() if name in ("discount", "contracted_rate"))
    compute = [line for line in quote.lines if line.usd is not None and line.category in (RUN, FAILED)]
    own = sum(float(line.usd.mid) for line in compute if line.usd is not None)
    factor = 1 + rule / own if own else 1.0
    names = ("gpu_time", "whole_instances", "start_up", "billing_rounding")
    run_usd = factor * sum(float(by_line[name].mid) for name in names if name in by_line)
    runs = costs.failed_run_factor
    more = (costs.trials or 0) * (1.0 if costs.trial_fraction is None else costs.trial_fraction)
    if costs.experiment_usd is None:
        more += costs.experiments or 0
    bought_apart = (
        by_line["experiments"].mid if costs.experiment_usd is not None and "experiments" in by_line else 0
    )
    credit = -sum(
        float(line.usd.mid) for line in quote.lines if line.name == "credit" and line.usd is not None
    )
    spot = bought.spot
    job = None if spot is None else spot.interruptions
    useful = float(bought.useful_hours.mid)
    made = Project(
        run_usd=0.0 if is_committed else run_usd,
        useful_hours=bought.useful_hours,
        price_spread=0.0 if is_committed else _price_spread(quote),
        rates=None
        if job is None
        else (job["low"].rate_per_hour, job["mid"].rate_per_hour, job["high"].rate_per_hour),
        part_hours=useful if job is None else schedule(useful, job["mid"]).part_hours,
        restart_hours=0.0 if job is None else job["mid"].restart_hours,
        runs=(1.0, 1.0, 1.0) if runs is None else (runs.low, runs.mid, runs.high),
        more_runs=more,
        idle_factor=1 / costs.utilisation if costs.utilisation else 1.0,
        other_usd=Amount.total(beside),
        fixed_usd=float(bought_apart) + (factor * own if is_committed else 0.0),
        credit_usd=credit,
        calibration=1.0,
    )
    return _calibrated(made, float(quote.total.mid))


def _calibrated(project: Project, total: float) -> Project:
    """The model scaled so that its middle is the quote's: billing steps and the last checkpoint are the difference."""
    beside = project.fixed_usd + float(project.other_usd.mid) - project.credit_usd
    model = float(project.usd({})) - beside
    if model <= 0 or total <= beside:
        return project
    return replace(project, calibration=(total - beside) / model)


def _price_spread(quote: Quote) -> float:
    if quote.purchase.offer.provider == "owned":
        return 0.0
    is_market = quote.purchase.offer.purchase_option == "spot" or quote.purchase.offer.tier == "community"
    is_current = quote.price_state in ("fresh", RECORDED)
    return float(
        default_value(
            f"price_spread_{'market' if is_market else 'list'}_{'fresh' if is_current else 'stale'}"
        )
    )


# Acklam 2003, "An algorithm for computing the inverse normal cumulative distribution function": relative error 1.2e-9
_CENTRE = (
    (-3.969683028665376e01, 2.209460984245205e02, -2.759285104469687e02, 1.383577518672690e02, -3.066479806614716e01,
     2.506628277459239e00),
    (-5.447609879822406e01, 1.615858368580409e02, -1.556989798598866e02, 6.680131188771972e01, -1.328068155288572e01,
     1.0),
)  # fmt: skip
_TAIL = (
    (-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e00, -2.549732539343734e00,
     4.374664141464968e00, 2.938163982698783e00),
    (7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e00, 3.754408661907416e00, 1.0),
)  # fmt: skip


def _normal(quantile: Array | None) -> Array:
    """The standard normal variate of a quantile."""
    at = np.clip(np.asarray(0.5 if quantile is None else quantile, dtype=float), 1e-9, 1 - 1e-9)
    off = at - 0.5
    square = off * off
    centre = off * np.polyval(_CENTRE[0], square) / np.polyval(_CENTRE[1], square)
    root = np.sqrt(-2 * np.log(np.minimum(at, 1 - at)))
    tail = np.polyval(_TAIL[0], root) / np.polyval(_TAIL[1], root)
    return where(np.abs(off) <= 0.5 - 0.02425, centre, where(at < 0.5, tail, -tail))


def _lognormal(hours: Amount, quantile: Array | None) -> Array:
    """The middle is the median; 80 % lie within low and high."""
    low, mid, high = (float(value) for value in (hours.low, hours.mid, hours.high))
    if not 0 < low < high:
        return np.asarray(mid)
    at = _normal(quantile) / Z90
    each_side: Any = where(at < 0, np.log(mid / low), np.log(high / mid))
    return mid * np.exp(each_side * at)


def _triangular(corners: tuple[float, float, float], quantile: Array | None) -> Array:
    """Half below the middle and half above it, evenly."""
    low, mid, high = corners
    at = np.asarray(0.5 if quantile is None else quantile)
    return where(at < 0.5, low + (mid - low) * 2 * at, mid + (high - mid) * (2 * at - 1))


def first_order_shares(
    model: Callable[[Mapping[str, Array]], Array],
    names: Sequence[str],
    *,
    points: int = 32_768,
    seed: int = 0,
) -> dict[str, float]:
    """Share of the variance that each input explains by itself.

    Args:
        model: of quantiles 0 to 1 by name.
        points: of each of the two samples.
    """
    if not names:
        return {}
    count = len(names)
    random = np.random.default_rng(seed)
    # a Latin hypercube: each input has one draw in each of its strata
    strata = np.stack([random.permutation(points) for _ in range(2 * count)], axis=1)
    drawn = (strata + random.random(strata.shape)) / points
    first, second = drawn[:, :count], drawn[:, count:]

    def at(matrix: Array) -> Array:
        return np.broadcast_to(model({name: matrix[:, place] for place, name in enumerate(names)}), (points,))

    one, other = at(first), at(second)
    variance = float(np.var(np.concatenate([one, other])))
    shares: dict[str, float] = {}
    for place, name in enumerate(names):
        mixed = first.copy()
        mixed[:, place] = second[:, place]
        share = float(np.mean(other * (at(mixed) - one))) / variance if variance > 0 else 0.0
        shares[name] = min(max(share, 0.0), 1.0)
    return shares


def one_at_a_time(project: Project) -> list[dict[str, Any]]:
    """Total at the ends of each input's 80 % range with all others in the middle, the widest first."""
    rows = [
        {
            "input": name,
            "meaning": MEANING[name],
            "usd_low": float(project.usd({name: np.asarray(0.1)})),
            "usd_high": float(project.usd({name: np.asarray(0.9)})),
        }
        for name in project.uncertain
    ]
    return sorted(rows, key=lambda row: -abs(row["usd_high"] - row["usd_low"]))


PERCENTILES = (10, 25, 50, 75, 90)


def outcomes(
    project: Project,
    *,
    draws: int = 10_000,
    seed: int = 0,
    budget_usd: float | None = None,
    deadline_hours: float | None = None,
) -> dict[str, Any]:
    """What may come of the project: percentiles of dollars and hours, and the chances to keep budget and deadline.

    Speed, price and other costs are drawn from their ranges; interruptions as a Poisson process at a drawn rate, each
    of which loses a part of the work since the last checkpoint and a restart; failed runs as whole runs where their
    factor is a range.
    """
    random = np.random.default_rng(seed)
    quantiles = {name: random.random(draws) for name in INPUTS}
    losses: Array | None = None
    if project.rates is not None:
        useful = project.hours(quantiles, np.zeros(draws))
        expected = project.rate(quantiles["interruptions"]) * useful
        counts = random.poisson(np.minimum(expected, 1e6)).astype(float)
        share = np.clip(random.normal(counts / 2, np.sqrt(counts / 12)), 0, counts)
        losses = share * project.part_hours + counts * project.restart_hours
    hours = np.broadcast_to(project.hours(quantiles, losses), (draws,))
    low, _, high = project.runs
    runs = None
    if high > low:
        more = _triangular(project.runs, quantiles["failed_runs"]) - 1
        # whole runs fail: the fraction is the chance of one more
        runs = 1 + np.floor(more) + (random.random(draws) < more - np.floor(more))
    usd = np.broadcast_to(project.usd(quantiles, hours, runs), (draws,))
    answer: dict[str, Any] = {
        "draws": draws,
        "seed": seed,
        "usd": {f"p{p}": round(float(np.percentile(usd, p)), 2) for p in PERCENTILES},
        "wall_hours": {f"p{p}": round(float(np.percentile(hours, p)), 4) for p in PERCENTILES},
        "usd_mean": round(float(usd.mean()), 2),
        "chance_within_budget": None if budget_usd is None else float(np.mean(usd <= budget_usd)),
        "chance_within_deadline": None if deadline_hours is None else float(np.mean(hours <= deadline_hours)),
    }
    return answer
