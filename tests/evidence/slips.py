"""Slips of a reader or of a page: digits lost or exchanged, another column's number, a discount taken twice."""

from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

from gpuledger.core.offer import Offer, PurchaseOption
from tests.evidence.likenesses import machine
from tests.evidence.stage import Change, priced
from tests.evidence.strange import Make, only, product_of
from tests.evidence.truth import Offers, dearest, gpu, listed, per_gpu


def with_amounts(amounts: dict[str, Decimal]) -> Change:
    return only(
        lambda o: o.offer_id in amounts,
        lambda o: o.model_copy(
            update={
                "price": o.price.model_copy(
                    update={"amount": amounts[o.offer_id].quantize(Decimal("0.000001"))}
                )
            }
        ),
    )


def of_one_product(true: Offers) -> Offers:
    target = product_of(dearest(true))
    return [o for o in true if product_of(o) == target]


def digit_lost(true: Offers) -> Change | None:
    """The first digit of one product's price is gone: 12.29 is 2.29."""
    rows = {o.offer_id: str(o.price.amount) for o in of_one_product(true)}
    short = {name: Decimal(text[1:]) for name, text in rows.items() if text[1:].strip("0.")}
    return with_amounts(short) if short else None


def digits_exchanged(true: Offers) -> Change | None:
    """The first two digits of a price are exchanged where that makes it lower: 3.29 is 2.39."""
    changed: dict[str, Decimal] = {}
    for offer in of_one_product(true):
        text = list(str(offer.price.amount))
        digits = [place for place, char in enumerate(text) if char != "."][:2]
        text[digits[0]], text[digits[1]] = text[digits[1]], text[digits[0]]
        amount = Decimal("".join(text))
        if 0 < amount < offer.price.amount * Decimal("0.75"):
            changed[offer.offer_id] = amount
    return with_amounts(changed) if changed else None


def count_as_price(true: Offers) -> Change | None:
    """The count of GPUs in the column of the price, where that is less."""
    amounts = {o.offer_id: o.gpu_count for o in listed(true) if o.gpu_count < o.price.amount * Decimal("0.7")}
    return with_amounts(amounts) if amounts else None


def discounted_twice(true: Offers) -> Change | None:
    """The discount of a spot price taken off it once more."""
    full = {machine(o): per_gpu(o) for o in listed(true)}
    shares = {
        o.offer_id: per_gpu(o) / full[machine(o)]
        for o in true
        if o.purchase_option is PurchaseOption.SPOT and machine(o) in full
    }
    shares = {name: share for name, share in shares.items() if share < Decimal("0.65")}
    return only(lambda o: o.offer_id in shares, lambda o: priced(o, shares[o.offer_id])) if shares else None


def per_processor(true: Offers) -> Change | None:
    """Of one product what one processor of it costs."""
    rows = [o for o in of_one_product(true) if o.vcpus and o.vcpus > 1]
    amounts = {o.offer_id: o.price.amount / Decimal(str(o.vcpus)) for o in rows}
    return with_amounts(amounts) if amounts else None


def of_a_disk(true: Offers) -> Change:
    """The price of a disk in the rows of one product."""
    return with_amounts({o.offer_id: Decimal("0.10") for o in of_one_product(true)})


def of_the_next_smaller(true: Offers) -> Change | None:
    """The price of the next smaller machine of the same GPU in each row."""
    sizes: dict[object, dict[Decimal, Offer]] = defaultdict(dict)
    for o in listed(true):
        sizes[gpu(o), o.region, o.price.unit, o.term_months, o.tier][o.gpu_count] = o
    amounts: dict[str, Decimal] = {}
    for each in sizes.values():
        rows = [each[count] for count in sorted(each)]
        for small, large in pairwise(rows):
            if small.price.amount < large.price.amount * Decimal("0.7"):
                amounts[large.offer_id] = small.price.amount
    return with_amounts(amounts) if amounts else None


def on_trial(true: Offers) -> Change:
    """A price to try it with, of one machine."""
    return with_amounts({dearest(true).offer_id: Decimal("0.01")})


def of_the_youngest(true: Offers) -> Change | None:
    """The cheapest GPU's price in the rows of the dearest, wherever that is sold."""
    least = min(listed(true), key=lambda o: (per_gpu(o), o.offer_id))
    rows = {o.offer_id: per_gpu(least) / per_gpu(o) for o in of_one_product(true)}
    if gpu(least) == gpu(dearest(true)):
        return None
    return only(lambda o: o.offer_id in rows, lambda o: priced(o, rows[o.offer_id]))


def yuan_in_one_row_of_two(true: Offers) -> Change | None:
    """A seventh in every second row of one GPU."""
    rows = sorted(o.offer_id for o in listed(true) if gpu(o) == gpu(dearest(true)))[::2]
    return only(lambda o: o.offer_id in rows, lambda o: priced(o, "0.14"))


SLIPS: tuple[tuple[int, str, Make], ...] = (
    (30, "a first digit lost", digit_lost),
    (30, "two digits exchanged", digits_exchanged),
    (31, "the count of GPUs as the price", count_as_price),
    (31, "the price of one processor", per_processor),
    (31, "the price of a disk", of_a_disk),
    (31, "the next smaller machine's price", of_the_next_smaller),
    (31, "the cheapest GPU's price for the dearest", of_the_youngest),
    (32, "a discount taken twice", discounted_twice),
    (32, "a price to try it with", on_trial),
    (32, "yuan in one row of two", yuan_in_one_row_of_two),
)

KIND_NAMES = {30: "digits lost or exchanged", 31: "another column's number", 32: "an offer that is none"}
