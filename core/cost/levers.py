"""Ten ways to spend less on a plan, each a change to plan or question that is quoted anew, with its price in quality
or time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gpuledger.core.cost.quote_set import Quote, QuoteSet
from gpuledger.core.count import hours_text
from gpuledger.core.errors import EstimateError
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.purchase_option import option_text

SMALLER = (16.0, 24.0, 48.0, 80.0)
"""Memory of common cards, GiB."""


@dataclass(frozen=True, kw_only=True)
class Lever:
    """One way to spend less: new keys of the plan or new options, or why it has no effect here."""

    name: str
    does: str
    price: str
    """What it costs in quality, time or risk."""
    keys: Mapping[str, Any] | None = None
    options: Mapping[str, Any] | None = None
    reason: str | None = None
    """Why it is not tried."""


def levers(plan: TrainingPlan, answer: QuoteSet) -> list[Lever]:
    """The ten, of which those without a change say why."""
    if plan.is_quoted:
        return [
            *map(_of_no_effect, _of_hours(plan, answer)),
            _spot(answer),
            _region(plan),
            _commitment(answer),
        ]
    return [*_of_hours(plan, answer), _spot(answer), _region(plan), _commitment(answer)]


def _of_no_effect(lever: Lever) -> Lever:
    """A lever that works through the hours, where those are given."""
    reason = lever.reason or "the plan gives its hours, so that what this does to them is not computed"
    return replace(lever, keys=None, options=None, reason=reason)


def _of_hours(plan: TrainingPlan, answer: QuoteSet) -> list[Lever]:
    return [
        _lora(plan),
        _quantised(plan),
        _smaller_gpu(answer),
        _shorter(plan, answer),
        _packed(plan),
        _fewer_epochs(plan),
    ]


def _lora(plan: TrainingPlan) -> Lever:
    about: dict[str, Any] = {
        "name": "lora",
        "does": "train adapters of low rank and freeze the network",
        "price": "learns less of new knowledge than full fine-tuning (Biderman et al. 2024, arXiv:2405.09673)",
    }
    if plan.has_adapters:
        return Lever(**about, reason="adapters are trained already")
    if plan.method not in ("full_finetune", "dpo"):
        return Lever(**about, reason=f"method {plan.method} trains the whole network")
    if plan.method == "dpo":
        return Lever(**about, keys={"lora_rank": 16})
    return Lever(**about, keys={"method": "lora", "optimizer_in_backward": None, "weights": None})


def _quantised(plan: TrainingPlan) -> Lever:
    about: dict[str, Any] = {"name": "quantise", "does": "hold frozen weights in 4 bits, or compute in 8"}
    price = "4-bit weights lose little (Dettmers et al. 2023, arXiv:2305.14314) and each step is slower"
    if plan.method == "lora":
        return Lever(**about, price=price, keys={"method": "qlora", "weights": None})
    if plan.method == "qlora" or plan.precision in ("fp8", "fp4"):
        return Lever(**about, price=price, reason="quantised already")
    price = "FP8 needs GPUs that have it and care with scaling (Micikevicius et al. 2022, arXiv:2209.05433)"
    return Lever(**about, price=price, keys={"precision": "fp8"})


def _spot(answer: QuoteSet) -> Lever:
    about: dict[str, Any] = {
        "name": "spot",
        "does": "buy capacity that may be taken away",
        "price": "interruptions: lost work is in the total, its spread in the hours",
    }
    if answer.quotes[0].purchase.offer.purchase_option == "spot":
        return Lever(**about, reason="the cheapest offer is spot already")
    return Lever(**about, options={"purchase_options": ("spot",)})


def _smaller_gpu(answer: QuoteSet) -> Lever:
    memory = answer.quotes[0].purchase.option.estimate.gpu_memory_gib or 0.0
    smaller = [size for size in SMALLER if size < memory - 1]
    about: dict[str, Any] = {
        "name": "smaller_gpu",
        "does": "run on cards with less memory",
        "price": "takes longer, and recomputes more",
    }
    if not smaller:
        return Lever(**about, reason="it is the smallest already")
    return Lever(**about, options={"max_gpu_memory": smaller[-1]})


def _shorter(plan: TrainingPlan, answer: QuoteSet) -> Lever:
    length = plan.sequence_length or (4096 if plan.method in ("pretrain", "distillation") else 2048)
    each = answer.quotes[0].purchase.option.estimate.parallelism.get("micro_batch_size")
    # as many tokens a pass as before, as who shortens sequences would have it
    passes = {"micro_batch_size": 2 * int(each)} if each else {}
    return Lever(
        name="shorter_sequences",
        does=f"sequences of {length // 2:,} tokens instead of {length:,}",
        price="no context beyond that length is learnt; longer samples are cut or split",
        keys={"sequence_length": length // 2, "hardware": passes},
        reason=None if length >= 512 else "sequences are short already",
    )


def _packed(plan: TrainingPlan) -> Lever:
    length, each = plan.sequence_length or 2048, plan.tokens_per_sample
    reason = "real tokens are counted, as a packed run passes them"
    if each is not None and each < length:
        reason += f"; a run padded to {length:,} would pass up to {length / each:.1f} times as many"
    return Lever(
        name="packing",
        does="fill every sequence with several samples",
        price="attention must be masked",
        reason=reason,
    )


def _fewer_epochs(plan: TrainingPlan) -> Lever:
    about: dict[str, Any] = {
        "name": "fewer_epochs",
        "price": "may learn less; most is learnt in the first passes",
    }
    if plan.epochs is None or plan.epochs <= 1:
        return Lever(**about, does="pass over the data less often", reason="one pass is the least")
    fewer = max(plan.epochs - 1, 1.0)
    return Lever(**about, does=f"{fewer:g} epochs instead of {plan.epochs:g}", keys={"epochs": fewer})


def _region(plan: TrainingPlan) -> Lever:
    price = "data may have to stay where it is"
    about: dict[str, Any] = {"name": "region", "does": "run in any region", "price": price}
    if not plan.constraints.regions:
        return Lever(**about, reason="every region is compared already")
    return Lever(**about, keys={"constraints": {"regions": []}})


def _commitment(answer: QuoteSet) -> Lever:
    about: dict[str, Any] = {
        "name": "commitment",
        "does": "reserve for months or a block of days",
        "price": "the term is paid, used or not",
    }
    if answer.quotes[0].purchase.offer.term_months:
        return Lever(**about, reason="the cheapest offer is a commitment already")
    return Lever(**about, options={"purchase_options": ("reserved", "capacity_block")})


def try_levers(lever: Lever, answer: QuoteSet, ask: Callable[[Lever], QuoteSet]) -> dict[str, Any]:
    """What a lever would save; negative where it costs more."""
    row: dict[str, Any] = {
        "lever": lever.name,
        "does": lever.does,
        "price": lever.price,
        "usd_saved": None,
        "wall_hours_more": None,
        "quote": None,
        "reason": lever.reason,
    }
    if lever.reason is not None:
        return row
    try:
        other = ask(lever)
    except EstimateError as error:
        return row | {"reason": _reason_of(str(error), answer.plan)}
    best, base = other.quotes[0], answer.quotes[0]
    offer = best.purchase.offer
    saved = base.total.mid - best.total.mid
    if saved <= 0:
        hours = float(base.purchase.running_hours.mid)
        term = f"{float(offer.term_months or 0):g} months are paid for a run of {hours_text(hours)}"
        nothing = "saves nothing here" if saved == 0 else "costs more here"
        row["reason"] = term if offer.term_months else nothing
    return row | {
        "usd_saved": f"{saved:.2f}",
        "wall_hours_more": float(best.purchase.running_hours.mid - base.purchase.running_hours.mid),
        "quote": _machine(best),
    }


def _machine(quote: Quote) -> str:
    offer = quote.purchase.offer
    bought = option_text(offer.purchase_option)
    return f"{quote.purchase.billed_gpus} x {offer.gpu_id}, {bought}, at {offer.provider}"


def _reason_of(text: str, plan: str) -> str:
    """Why there is no quote, without the plan's name, which all rows share."""
    return text.removeprefix(f"{plan}: ")[:200]


def waited(answer: QuoteSet) -> dict[str, Any]:
    """Waiting: what the cheapest price of late would save if it came back. No forecast."""
    row: dict[str, Any] = {
        "lever": "waiting",
        "does": "buy when an earlier price comes back",
        "price": "time, and the price may not come back",
        "usd_saved": None,
        "wall_hours_more": None,
        "quote": None,
        "reason": None,
    }
    older = answer.cheaper_but_older
    if older is None:
        return row | {"reason": "no earlier price of late was lower"}
    return row | {
        "usd_saved": f"{answer.mid - older.total.mid:.2f}",
        "quote": _machine(older),
    }


def by_dollars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What saves most first; what was not tried last."""
    return sorted(
        rows, key=lambda row: (row["usd_saved"] is None, -float(row["usd_saved"] or 0), row["lever"])
    )
