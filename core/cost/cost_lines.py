"""The lines of a quote: every dollar of one plan on one offer, and what was not given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from gpuledger.core.cost.amount import ZERO, Amount, decimal_from_physics
from gpuledger.core.cost.market.own_terms import Credit, Rule
from gpuledger.core.cost.market.side_prices import SidePrices, UnitPrice
from gpuledger.core.cost.purchase import Purchase
from gpuledger.core.count import counted
from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.plan import Costs, TrainingPlan

RUN, FAILED, DATA = "final run", "failed runs and experiments", "data"
STORAGE, PEOPLE, SAFETY = "storage and network", "people", "safety"
TEACHER, HOSTING, OWN_TERMS = "teacher model", "hosting", "own terms"


@dataclass(frozen=True, slots=True)
class CostLine:
    """A part of the total, rounded to the cent. `usd` is `None` where the plan does not say: never zero."""

    name: str
    category: str
    usd: Amount | None
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the user's overrides say of an offer."""

    rule: Rule | None = None
    credits: tuple[Credit, ...] = ()


def lines(
    plan: TrainingPlan,
    bought: Purchase,
    surroundings: SidePrices,
    terms: Terms,
    *,
    checkpoint_gb: Decimal | None,
) -> tuple[CostLine, ...]:
    """All lines of the quote; they sum to its total, case by case and to the cent."""
    run = _run_lines(plan.costs, bought)
    run_usd = _sum(run)
    more = _repeated_runs(plan.costs, run_usd)
    unused = _unused_commitment(plan.costs, bought, [*run, *more])
    compute = [*run, *more, *unused]
    own = _own_terms(terms.rule, bought, _sum(compute))
    beside = [*_storage(plan.costs, bought, surroundings, checkpoint_gb), *_fixed(plan.costs)]
    result = [*compute, *own, *beside]
    return (*result, *_credits(terms.credits, _sum(result)))


def total(job: Sequence[CostLine]) -> Amount:
    """Sum of the lines that are given."""
    return _sum(job)


def list_total(job: Sequence[CostLine]) -> Amount:
    """Sum of the lines without the user's own terms: discounts, contracted rates and credits."""
    return _sum([line for line in job if line.category != OWN_TERMS])


def _sum(job: Sequence[CostLine]) -> Amount:
    return Amount.total(line.usd for line in job if line.usd is not None)


def _not_given(name: str, category: str, key: str) -> CostLine:
    return CostLine(name, category, None, f"not given: costs.{key}")


def _run_lines(costs: Costs, bought: Purchase) -> list[CostLine]:
    """The run itself: used GPUs, idle GPUs of whole instances, interruptions, rounding, idle time."""
    rate, gpus = bought.usd_per_hour, bought.billed_gpus
    used = bought.option.gpus if bought.idle_gpus else gpus
    useful = bought.useful_hours
    exact = useful.times(rate)
    gpu_time = useful.times(rate * used / gpus).rounded()
    result = [
        CostLine(
            "gpu_time",
            RUN,
            gpu_time,
            f"{used} GPU{'' if used == 1 else 's'} x {_hours(useful.mid)} h at {_plain(rate / gpus)} USD per GPU-hour,"
            f" list price{_stopped(costs)}",
        )
    ]
    if bought.idle_gpus:
        result.append(
            CostLine(
                "whole_instances",
                RUN,
                exact.rounded().minus(gpu_time),
                f"{bought.idle_gpus} further GPUs of {bought.option.instances} whole instances of "
                f"{bought.option.instance_gpus}",
            )
        )
    if costs.startup_minutes is None:
        result.append(_not_given("start_up", RUN, "startup_minutes"))
    else:
        result.append(
            CostLine(
                "start_up",
                RUN,
                Amount.same(rate * Decimal(repr(costs.startup_minutes)) / 60).rounded(),
                f"{costs.startup_minutes:g} min of a run until its first step",
            )
        )
    if bought.spot is not None:
        result.append(
            CostLine(
                "expected_interruptions",
                RUN,
                bought.running_hours.times(rate).rounded().minus(exact.rounded()),
                f"lost work, checkpoints and restarts; {bought.spot.rate.basis}",
            )
        )
    rounding = bought.billed_hours.times(rate).rounded().minus(bought.running_hours.times(rate).rounded())
    if rounding.high or rounding.mid or rounding.low:
        result.append(CostLine("billing_rounding", RUN, rounding, bought.billing))
    if costs.utilisation is None:
        result.append(_not_given("idle_time", RUN, "utilisation"))
    else:
        share = Decimal(repr(costs.utilisation))
        billed = _sum(result)
        result.append(
            CostLine(
                "idle_time",
                RUN,
                billed.each(lambda usd: usd / share - usd).rounded(),
                f"GPUs work {share:%} of the time that they are paid for",
            )
        )
    return result


def _repeated_runs(costs: Costs, run_usd: Amount) -> list[CostLine]:
    result: list[CostLine] = []
    if costs.failed_run_factor is None:
        result.append(_not_given("failed_runs", FAILED, "failed_run_factor"))
    else:
        runs = _runs(costs)
        sentence = _plain(runs.mid)
        if runs.low != runs.high:
            sentence = f"{_plain(runs.low)} to {_plain(runs.high)}, {sentence} in the middle case,"
        usd = run_usd.by(runs.each(lambda factor: factor - 1)).rounded()
        result.append(CostLine("failed_runs", FAILED, usd, f"{sentence} runs for one that counts"))
    if costs.trials is None:
        result.append(_not_given("hyperparameter_sweep", FAILED, "trials"))
    else:
        share = Decimal(repr(costs.trial_fraction if costs.trial_fraction is not None else 1.0))
        result.append(
            CostLine(
                "hyperparameter_sweep",
                FAILED,
                run_usd.times(costs.trials * share).rounded(),
                f"{counted(costs.trials, 'trial')} of {share} of a run",
            )
        )
    if costs.experiments is None:
        result.append(_not_given("experiments", FAILED, "experiments"))
    elif costs.experiment_usd is None:
        usd = run_usd.times(costs.experiments).rounded()
        result.append(
            CostLine("experiments", FAILED, usd, f"{counted(costs.experiments, 'experiment')}, a run each")
        )
    else:
        usd = Amount.same(costs.experiment_usd * costs.experiments).rounded()
        result.append(
            CostLine(
                "experiments",
                FAILED,
                usd,
                f"{counted(costs.experiments, 'experiment')} of {costs.experiment_usd} USD",
            )
        )
    return result


def paid_hours(costs: Costs, bought: Purchase) -> Amount:
    """Hours for which the instances are held: all runs, idle time included, one after the other."""
    more = Decimal(0)
    if costs.trials:
        more += costs.trials * Decimal(
            repr(costs.trial_fraction if costs.trial_fraction is not None else 1.0)
        )
    if costs.experiments and costs.experiment_usd is None:
        more += costs.experiments
    share = Decimal(repr(costs.utilisation or 1.0))
    return bought.billed_hours.by(_runs(costs).each(lambda runs: (runs + more) / share))


def _runs(costs: Costs) -> Amount:
    """Runs of the plan paid for each that counts."""
    runs = costs.failed_run_factor
    if runs is None:
        return Amount.same(Decimal(1))
    return Amount(*(decimal_from_physics(case) for case in (runs.low, runs.mid, runs.high)))


def _unused_commitment(costs: Costs, bought: Purchase, runs: Sequence[CostLine]) -> list[CostLine]:
    """What a commitment costs beyond the hours used: terms are bought whole."""
    months = bought.offer.term_months
    if not months:
        return []
    term = months * HOURS_PER_MONTH
    paid = paid_hours(costs, bought)
    terms = paid.each(lambda hours: (hours / term).to_integral_value(ROUND_CEILING))
    committed = terms.times(term).times(bought.usd_per_hour).rounded()
    # experiments of a given amount are bought elsewhere; all other runs use the commitment
    is_elsewhere = costs.experiment_usd is not None
    used = _sum([line for line in runs if line.name != "experiments" or not is_elsewhere])
    unused = committed.minus(used)
    share = paid.mid / (terms.mid * term) if terms.mid else ZERO
    basis = f"{terms.mid:f} term(s) of {_plain(months)} months bought, {share:.1%} of the hours used"
    return [CostLine("unused_commitment", RUN, unused, basis)]


def _own_terms(rule: Rule | None, bought: Purchase, compute: Amount) -> list[CostLine]:
    if rule is None:
        return []
    if rule.usd_per_gpu_hour is None:
        share = -(rule.off or ZERO)
        return [CostLine("discount", OWN_TERMS, compute.times(share).rounded(), rule.line)]
    ratio = rule.usd_per_gpu_hour * bought.billed_gpus / bought.usd_per_hour
    return [CostLine("contracted_rate", OWN_TERMS, compute.times(ratio - 1).rounded(), rule.line)]


def _storage(
    costs: Costs, bought: Purchase, surroundings: SidePrices, checkpoint_gb: Decimal | None
) -> list[CostLine]:
    """Checkpoints and data set kept, data moved in and out."""
    offer = bought.offer
    if costs.storage_months is not None:
        months = Amount.same(Decimal(repr(costs.storage_months)))
    else:
        months = paid_hours(costs, bought).each(lambda hours: hours / HOURS_PER_MONTH)
    result: list[CostLine] = []
    if costs.checkpoint_keep is None:
        result.append(_not_given("checkpoint_storage", STORAGE, "checkpoint_keep"))
    elif checkpoint_gb is None:
        result.append(CostLine("checkpoint_storage", STORAGE, None, "not given: the size of the model"))
    else:
        gb = checkpoint_gb * costs.checkpoint_keep
        result.append(
            _storage_line(
                "checkpoint_storage", gb, months, surroundings.storage(offer.provider, offer.region, gb)
            )
        )
    if costs.dataset_gb is None:
        result.append(_not_given("dataset_storage", STORAGE, "dataset_gb"))
        result.append(_not_given("dataset_transfer_in", STORAGE, "dataset_gb"))
    else:
        gb = Decimal(repr(costs.dataset_gb))
        result.append(
            _storage_line(
                "dataset_storage", gb, months, surroundings.storage(offer.provider, offer.region, gb)
            )
        )
        result.append(_moved("dataset_transfer_in", gb, bought, surroundings, "ingress"))
    if costs.egress_gb is None:
        result.append(_not_given("egress", STORAGE, "egress_gb"))
    else:
        result.append(_moved("egress", Decimal(repr(costs.egress_gb)), bought, surroundings, "egress"))
    for name, usd in (("network", costs.network_usd), ("storage", costs.storage_usd)):
        if usd is not None:
            result.append(CostLine(name, STORAGE, Amount.same(usd).rounded(), "as given"))
    return result


def _storage_line(name: str, gb: Decimal, months: Amount, price: UnitPrice) -> CostLine:
    usd = months.times(gb * price.usd).rounded()
    basis = f"{_plain(gb)} GB x {months.mid:.2f} months at {_plain(price.usd)} USD; {price.basis}"
    return CostLine(name, STORAGE, usd, basis)


def _moved(name: str, gb: Decimal, bought: Purchase, surroundings: SidePrices, direction: str) -> CostLine:
    """Data moved at the provider's price; where that is not known, from zero to the dearest that is."""
    price = surroundings.transfer(bought.offer.provider, bought.offer.region, direction, gb)
    if price is None:
        basis = f"not known: the ledger has no {direction} price of {bought.offer.provider}"
        dearest = surroundings.dearest_transfer(direction, gb)
        if dearest is None:
            return CostLine(name, STORAGE, None, basis)
        most = gb * dearest.usd
        usd = Amount(ZERO, most / 2, most).rounded()
        basis += f"; {_plain(gb)} GB at 0 to {_plain(dearest.usd)} USD ({dearest.basis}), the middle counts"
        return CostLine(name, STORAGE, usd, basis)
    usd = Amount.same(gb * price.usd).rounded()
    return CostLine(name, STORAGE, usd, f"{_plain(gb)} GB at {_plain(price.usd)} USD; {price.basis}")


def _fixed(costs: Costs) -> list[CostLine]:
    """Amounts that no offer changes."""
    result = _data(costs)
    for name, category, key, usd in (
        ("people", PEOPLE, "people_usd", costs.people_usd),
        ("safety", SAFETY, "safety_usd", costs.safety_usd),
        ("teacher", TEACHER, "teacher_usd", costs.teacher_usd),
    ):
        if usd is None:
            result.append(_not_given(name, category, key))
        else:
            result.append(CostLine(name, category, Amount.same(usd).rounded(), "as given"))
    if costs.hosting_usd_per_month is None or costs.hosting_months is None:
        missing = "hosting_usd_per_month" if costs.hosting_usd_per_month is None else "hosting_months"
        result.append(_not_given("hosting", HOSTING, missing))
    else:
        months = Decimal(repr(costs.hosting_months))
        usd = Amount.same(costs.hosting_usd_per_month * months).rounded()
        basis = f"{_plain(months)} months of {_plain(costs.hosting_usd_per_month)} USD"
        result.append(CostLine("hosting", HOSTING, usd, basis))
    return result


def _data(costs: Costs) -> list[CostLine]:
    """What is bought, labels by the piece, and an overhead on both."""
    result = [_not_given("data", DATA, "data_usd")]
    if costs.data_usd is not None:
        result = [CostLine("data", DATA, Amount.same(costs.data_usd).rounded(), "as given")]
    if costs.label_items is not None or costs.usd_per_label is not None:
        if costs.label_items is None or costs.usd_per_label is None:
            missing = "label_items" if costs.label_items is None else "usd_per_label"
            result.append(_not_given("labels", DATA, missing))
        else:
            usd = Amount.same(costs.label_items * costs.usd_per_label).rounded()
            basis = f"{costs.label_items} labels at {_plain(costs.usd_per_label)} USD"
            result.append(CostLine("labels", DATA, usd, basis))
    if costs.data_overhead is not None:
        share = Decimal(repr(costs.data_overhead))
        if all(line.usd is None for line in result):
            result.append(_not_given("data_overhead", DATA, "data_usd"))
        else:
            usd = _sum(result).times(share).rounded()
            result.append(CostLine("data_overhead", DATA, usd, f"{share:%} of what data and labels cost"))
    return result


def certain(costs: Costs) -> Decimal:
    """What the plan comes to before any hardware is chosen."""
    usd = Amount.total(line.usd for line in _fixed(costs) if line.usd is not None).mid
    usd += (costs.network_usd or ZERO) + (costs.storage_usd or ZERO)
    return usd + (costs.experiment_usd or ZERO) * (costs.experiments or 0)


def _credits(credits: Sequence[Credit], due: Amount) -> list[CostLine]:
    """Credits spent in order, never more than is due."""
    result: list[CostLine] = []
    for credit in credits:
        spent = due.each(lambda left, usd=credit.usd: -min(max(left, ZERO), usd)).rounded()
        result.append(CostLine("credit", OWN_TERMS, spent, credit.line))
        due = due.plus(spent)
    return result


def _stopped(costs: Costs) -> str:
    """What `early_stop` means, in words."""
    if costs.early_stop is None or costs.early_stop == 1:
        return ""
    return f"; early_stop: the run ends after {costs.early_stop:.0%} of its hours"


def _hours(value: Decimal) -> str:
    """Hours of a product that a reader may check: four digits where more would say nothing."""
    return (
        _plain(value)
        if value == value.to_integral_value()
        else f"{value:,.4g}"
        if value < 1000
        else f"{value:,.0f}"
    )


def _plain(value: Decimal) -> str:
    """Without trailing zeros, at most six places."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return text or "0"
