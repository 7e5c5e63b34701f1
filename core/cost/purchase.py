"""One plan on one offer: the hours that run, the hours that are billed, and what interruptions add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from gpuledger.core.cost.amount import LEVELS, Amount, decimal_from_physics
from gpuledger.core.cost.assumption import default_value
from gpuledger.core.cost.configurations import Configuration
from gpuledger.core.cost.market.side_prices import SidePrices, SpotRate
from gpuledger.core.cost.spot import (
    Interruptions,
    break_even_rate,
    expectation,
    expected_loss_hours,
    job_rate,
    p90_hours,
    schedule,
)
from gpuledger.core.money import SECONDS_PER_HOUR
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.store.offers import LatestOffer

MICROSECOND = Decimal("0.000001")
MOST_HOURS = 1e7
"""A thousand years: what takes longer never ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """What spot capacity means for the job."""

    rate: SpotRate
    interruptions: dict[str, Interruptions]
    """Of the whole job, by case."""

    def expected_interruptions(self, useful_hours: float) -> float:
        return expectation(useful_hours, self.interruptions["mid"]).interruptions

    def interval_hours(self, useful_hours: float) -> float:
        return expectation(useful_hours, self.interruptions["mid"]).interval_hours

    def lost_hours(self, useful_hours: float) -> float:
        """Work that one interruption costs: near half of the hours between two checkpoints."""
        job = self.interruptions["mid"]
        return expected_loss_hours(job.rate_per_hour, schedule(useful_hours, job).part_hours)

    def p90_hours(self, useful_hours: float) -> float:
        return p90_hours(useful_hours, self.interruptions["mid"])

    def break_even_rate(self, useful_hours: float, price_ratio: float) -> float:
        """Interruptions of the whole job per hour above which on-demand costs less."""
        return break_even_rate(useful_hours, self.interruptions["mid"], price_ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """So many price units of an offer for so many hours."""

    offer: LatestOffer
    option: Configuration
    useful_hours: Amount
    """Wall hours of one run if nothing goes wrong."""
    running_hours: Amount
    """The same with expected interruptions."""
    billed_hours: Amount
    """Rounded up as the offer bills."""
    billing: str
    spot: Spot | None

    @property
    def usd_per_hour(self) -> Decimal:
        """All instances together, list price."""
        assert self.offer.usd_per_hour is not None
        return self.offer.usd_per_hour * self.option.units

    @property
    def billed_gpus(self) -> int:
        return self.option.instance_gpus * self.option.instances

    @property
    def idle_gpus(self) -> int:
        """Paid, because instances are whole, and not used."""
        return max(0, self.billed_gpus - self.option.gpus)


def purchase(
    plan: TrainingPlan,
    offer: LatestOffer,
    option: Configuration,
    surroundings: SidePrices,
    *,
    checkpoint_gb: Decimal | None,
) -> Purchase | None:
    """The purchase, or `None` where it never ends, as work or interruptions are too many."""
    wall = option.wall_hours_range
    share = early_stop(plan)
    useful = {"low": wall.low * share, "mid": wall.mid * share, "high": wall.high * share}
    if useful["high"] > MOST_HOURS:
        return None
    spot, running = None, useful
    if offer.purchase_option == "spot":
        spot = spot_terms(plan, offer, option, surroundings, checkpoint_gb=checkpoint_gb)
        running = {
            level: expectation(useful[level], spot.interruptions[level]).expected_hours for level in LEVELS
        }
        if any(hours > MOST_HOURS for hours in running.values()):
            return None
    billed, billing = _billed(offer, _amount(running))
    return Purchase(
        offer=offer,
        option=option,
        useful_hours=_amount(useful),
        running_hours=_amount(running),
        billed_hours=billed,
        billing=billing,
        spot=spot,
    )


def _amount(hours: dict[str, float]) -> Amount:
    return Amount(*(decimal_from_physics(hours[level]) for level in LEVELS))


def spot_terms(
    plan: TrainingPlan,
    offer: LatestOffer,
    option: Configuration,
    surroundings: SidePrices,
    *,
    checkpoint_gb: Decimal | None,
    levels: Sequence[str] = LEVELS,
) -> Spot:
    """How often the whole job is interrupted there, and what an interruption costs in hours, in those cases."""
    costs = plan.costs
    rate = surroundings.spot_rate(
        offer.provider, offer.instance_type, offer.region, costs.interruption_rate_per_hour
    )
    if costs.checkpoint_write_minutes is not None:
        write_hours = costs.checkpoint_write_minutes / 60
    else:
        per_second = float(default_value("checkpoint_write_gb_per_second")) * option.instances
        write_hours = float(checkpoint_gb or 0) / per_second / SECONDS_PER_HOUR
    restart = costs.startup_minutes if costs.restart_minutes is None else costs.restart_minutes
    restart_hours = (float(default_value("restart_minutes")) if restart is None else restart) / 60
    return Spot(
        rate=rate,
        interruptions={
            level: Interruptions(
                rate_per_hour=job_rate(getattr(rate, level), option.instances),
                checkpoint_write_hours=write_hours,
                restart_hours=restart_hours,
                checkpoint_interval_hours=costs.checkpoint_interval_hours,
            )
            for level in levels
        },
    )


def _billed(offer: LatestOffer, running: Amount) -> tuple[Amount, str]:
    """Running hours as billed: at least the minimum, in whole increments. What is not published is not
    rounded."""
    increment, least = offer.billing_increment_seconds, offer.minimum_billing_seconds or 0
    if offer.purchase_option == "capacity_block" and increment is None:
        increment = int(default_value("capacity_block_hours")) * SECONDS_PER_HOUR
    if increment is None:
        return running, "billing increment not published, billed as run"

    def round_up(hours: Decimal) -> Decimal:
        seconds = (hours * SECONDS_PER_HOUR).quantize(MICROSECOND)
        seconds = max(seconds, Decimal(least))
        return (seconds / increment).to_integral_value(ROUND_CEILING) * increment / SECONDS_PER_HOUR

    minimum = f", at least {least} s" if least else ""
    return running.each(round_up), f"billed in steps of {increment} s{minimum}"


def early_stop(plan: TrainingPlan) -> float:
    """Share of its hours after which the run ends."""
    return 1.0 if plan.costs.early_stop is None else plan.costs.early_stop


def runs_of(plan: TrainingPlan) -> float:
    """How many times the hours of one run are paid at least: no interruption, no rounding."""
    costs = plan.costs
    runs = 1.0 if costs.failed_run_factor is None else costs.failed_run_factor.mid
    if costs.trials:
        runs += costs.trials * (1.0 if costs.trial_fraction is None else costs.trial_fraction)
    if costs.experiments and costs.experiment_usd is None:
        runs += costs.experiments
    return early_stop(plan) * runs / (costs.utilisation or 1.0)
