"""Wrong answers that look right: for each kind of mistake, what a source says instead of its true list.

A poisoning is named `source: kind`; most kinds are tried at every source that has the rows for them.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from gpuledger.core.money import Price
from gpuledger.core.offer import Offer, PurchaseOption
from tests.evidence import copies, slips, strange
from tests.evidence.likenesses import LIKENESSES
from tests.evidence.siblings import SIBLINGS
from tests.evidence.stage import WITH_OFFERS, Change, named, priced
from tests.evidence.truth import Offers, dearest, gpu, listed, per_gpu, true_offers


@dataclass(frozen=True)
class Poisoning:
    """What a source says in its next runs, one interval apart; the last answer stays."""

    source: str
    kind: int
    """Number of the kind, as docs/reliability.md lists them."""
    what: str
    answers: tuple[str, ...]
    """Names of the changes, see `stage.CHANGES`."""

    @property
    def name(self) -> str:
        return f"{self.source}: {self.kind} {self.what}"


def product(offer: Offer) -> tuple[object, ...]:
    return gpu(offer), offer.gpu_count, offer.purchase_option, offer.term_months, offer.tier


def at(which: Callable[[Offer], bool], factor: object) -> Change:
    return lambda offers: [priced(o, factor) if which(o) else o for o in offers]  # pyright: ignore[reportArgumentType]


def replaced(offers: Offers, **fields: object) -> Offers:
    return [o.model_copy(update=fields) for o in offers]


def one_divided(factor: object) -> Callable[[Offers], Change]:
    def made(true: Offers) -> Change:
        target = dearest(true).offer_id
        return at(lambda o: o.offer_id == target, 1 / Decimal(str(factor)))

    return made


def some_divided(true: Offers) -> Change | None:
    """Every third offer, as where a column slipped in some rows."""
    ids = {o.offer_id for place, o in enumerate(sorted(true, key=lambda o: o.offer_id)) if place % 3 == 0}
    return at(lambda o: o.offer_id in ids, 1 / Decimal("3.6")) if len(true) > 3 else None


def spot_divided(true: Offers) -> Change | None:
    spot = [o for o in true if o.purchase_option is PurchaseOption.SPOT]
    if not spot:
        return None
    target = max(spot, key=per_gpu).offer_id
    return at(lambda o: o.offer_id == target, Decimal("0.25"))


def all_times(factor: object) -> Callable[[Offers], Change | None]:
    return lambda true: at(lambda o: True, factor) if len({gpu(o) for o in true}) > 1 else None


def by_count(true: Offers) -> Change | None:
    """The price of one GPU in the row of several, of one product, wherever it is sold."""
    several = [o for o in listed(true) if o.gpu_count > 2]
    if not several:
        return None
    target = product(max(several, key=per_gpu))
    return lambda offers: [priced(o, 1 / o.gpu_count) if product(o) == target else o for o in offers]


def times_count(true: Offers) -> Change | None:
    """The price of a whole machine in a field per GPU."""
    several = [o for o in listed(true) if o.gpu_count > 2]
    if not several:
        return None
    target = product(max(several, key=per_gpu))
    return lambda offers: [priced(o, o.gpu_count) if product(o) == target else o for o in offers]


def swapped(true: Offers) -> Change | None:
    """The prices of two products, each in the other's row."""
    pools: dict[object, Offers] = defaultdict(list)
    for offer in true:
        pools[
            offer.region, offer.purchase_option, offer.gpu_count, offer.term_months, offer.price.unit
        ].append(offer)
    pairs = [
        (one, other)
        for pool in pools.values()
        for one in pool
        for other in pool
        if gpu(one) != gpu(other) and per_gpu(one) > per_gpu(other) * Decimal("1.02")
    ]
    if not pairs:
        return None
    one, other = max(pairs, key=lambda pair: (per_gpu(pair[0]) / per_gpu(pair[1]), pair[0].offer_id))
    terms = {one.offer_id: other, other.offer_id: one}

    def change(offers: Offers) -> Offers:
        return [
            o.model_copy(
                update={"price": terms[o.offer_id].price, "upfront_amount": terms[o.offer_id].upfront_amount}
            )
            if o.offer_id in terms
            else o
            for o in offers
        ]

    return change


def regions_swapped(true: Offers) -> Change | None:
    """All rows of two regions, each under the other's name."""
    prices: dict[str, dict[object, Offer]] = defaultdict(dict)
    for offer in true:
        prices[offer.region][offer.sku, product(offer), offer.zone] = offer
    pairs = [
        (a, b)
        for a in prices
        for b in prices
        if a < b and any(k in prices[b] and prices[b][k].price != prices[a][k].price for k in prices[a])
    ]
    if not pairs:
        return None
    a, b = pairs[0]
    names = {a: b, b: a}
    return lambda offers: [o.model_copy(update={"region": names.get(o.region, o.region)}) for o in offers]


def also(**fields: object) -> Callable[[Offers], Change]:
    """One more row that resembles a true one, at 0.4 of its price."""

    def made(true: Offers) -> Change:
        target = dearest(true)

        def change(offers: Offers) -> Offers:
            new = priced(target, "0.4").model_copy(
                update={name: value(target) if callable(value) else value for name, value in fields.items()}
            )
            return [*offers, new]

        return change

    return made


def renamed(**fields: object) -> Callable[[Offers], Change]:
    """A true row under another identity, at 0.4 of its price; the true one is gone."""

    def made(true: Offers) -> Change:
        target = dearest(true)

        def change(offers: Offers) -> Offers:
            new = priced(target, "0.4").model_copy(
                update={name: value(target) if callable(value) else value for name, value in fields.items()}
            )
            return [new if o.offer_id == target.offer_id else o for o in offers]

        return change

    return made


def recounted(true: Offers) -> Change:
    """Twice the GPUs at the price of before."""
    target = dearest(true)
    whole = target.price.model_copy(update={"amount": target.price.amount / 2})
    price = whole if target.price.unit == "gpu_hour" else target.price
    new = target.model_copy(update={"gpu_count": target.gpu_count * 2, "price": price})
    return lambda offers: [new if o.offer_id == target.offer_id else o for o in offers]


def in_currency(currency: str) -> Callable[[Offers], Change]:
    return lambda true: (
        lambda offers: [
            o.model_copy(update={"price": Price(amount=o.price.amount, currency=currency, unit=o.price.unit)})
            for o in offers
        ]
    )


def a_third_gone(true: Offers) -> Change | None:
    if len(true) < 9:
        return None
    ids = {o.offer_id for place, o in enumerate(sorted(true, key=lambda o: o.offer_id)) if place % 3 == 1}
    return lambda offers: [o for o in offers if o.offer_id not in ids]


def region_gone(true: Offers) -> Change | None:
    counts = Counter(o.region for o in true)
    large = [name for name, number in counts.items() if number >= 3]
    if not large or len(counts) < 2:
        return None
    return lambda offers: [o for o in offers if o.region != large[0]]


def gpu_gone(true: Offers) -> Change | None:
    counts = Counter(gpu(o) for o in true)
    large = [name for name, number in counts.items() if number >= 3]
    return (lambda offers: [o for o in offers if gpu(o) != large[0]]) if large and len(counts) > 1 else None


def promoted(true: Offers) -> Change | None:
    """A promotion in the place of the list price: one product, wherever it is sold. Spot prices are no list."""
    if all(o.purchase_option is PurchaseOption.SPOT for o in true):
        return None
    target = product(dearest(true))
    return at(lambda o: product(o) == target, "0.55")


def spot_as_list(true: Offers) -> Change | None:
    """Spot prices in the rows of the list prices."""
    spot = {
        (o.sku, gpu(o), o.gpu_count, o.region): o.price
        for o in true
        if o.purchase_option is PurchaseOption.SPOT
    }

    def key(o: Offer) -> object:
        return o.sku, gpu(o), o.gpu_count, o.region

    # A bid that asks nearly the list price is no wrong list price.
    wrong = {
        o.offer_id: spot[key(o)]
        for o in true
        if o.purchase_option is PurchaseOption.ON_DEMAND
        and key(o) in spot
        and spot[key(o)].amount < o.price.amount * Decimal("0.95")
    }

    def change(offers: Offers) -> Offers:
        return [o.model_copy(update={"price": wrong.get(o.offer_id, o.price)}) for o in offers]

    return change if wrong else None


def by_1000_hours(true: Offers) -> Change | None:
    """A commitment divided by 1,000 hours for a month."""
    reserved = [o for o in true if o.term_months is not None]
    return at(lambda o: o.term_months is not None, "0.73") if reserved else None


def shifted(true: Offers) -> Change | None:
    """Each price one row further down."""
    rows = sorted(listed(true), key=lambda o: o.offer_id)
    if len({o.price for o in rows}) < 3 or len({o.price.unit for o in rows}) > 1:
        return None
    terms = {o.offer_id: rows[place - 1] for place, o in enumerate(rows)}

    def change(offers: Offers) -> Offers:
        return [
            o.model_copy(update={"price": terms[o.offer_id].price}) if o.offer_id in terms else o
            for o in offers
        ]

    return change


KINDS: tuple[tuple[int, str, Callable[[Offers], Change | None]], ...] = (
    (1, "a tenth", one_divided(10)),
    (1, "all of them a hundredth", all_times("0.01")),
    (3, "one price / 2.4", one_divided("2.4")),
    (3, "one price / 3", one_divided(3)),
    (3, "one spot price / 4", spot_divided),
    (4, "every third price / 3.6", some_divided),
    (5, "all of them halved", all_times("0.5")),
    (7, "one GPU's price for all GPUs of a machine", by_count),
    (7, "a machine's price for each of its GPUs", times_count),
    (8, "the prices of two products exchanged", swapped),
    (8, "each price one row further down", shifted),
    (9, "one more in another region", also(region="northpole", zone=None)),
    (9, "one more under a new sku", also(sku=lambda o: f"{o.sku}-new")),
    (
        9,
        "in other case and with an invisible character",
        renamed(gpu_label=lambda o: f"{o.gpu_label.upper()}\u200b"),
    ),
    (9, "under a new sku", renamed(sku=lambda o: f"{o.sku}-v2")),
    (9, "twice the GPUs at the same price", recounted),
    (10, "two regions exchanged", regions_swapped),
    (11, "in Australian dollars", in_currency("AUD")),
    (11, "in yuan, of which no rate is known", in_currency("XDR")),
    (13, "a third of the list gone", a_third_gone),
    (13, "a region gone", region_gone),
    (13, "a GPU gone", gpu_gone),
    (14, "a promotion as the list price", promoted),
    (14, "spot prices as list prices", spot_as_list),
    (15, "commitments by 1,000 hours", by_1000_hours),
    *LIKENESSES,
)


WHOLE = ("aws_on_demand", "azure_retail", "coreweave", "lambda_cloud", "runpod")
"""Sources at which every way is tried."""


KIND_NAMES = {
    1: "a decimal point",
    2: "no number where a price was",
    3: "one price divided",
    4: "some prices divided",
    5: "a whole list halved",
    6: "30 % less in every run",
    7: "the price of one GPU for all, or of all for one",
    8: "prices exchanged or shifted",
    9: "a new identity",
    10: "regions exchanged",
    11: "another currency",
    13: "a part of the list gone",
    14: "a promotion or a spot price as the list price",
    15: "term arithmetic",
    **strange.KIND_NAMES,
    **copies.KIND_NAMES,
    **slips.KIND_NAMES,
}


def _each() -> Iterable[Poisoning]:
    for number, source in enumerate(WITH_OFFERS):
        true = true_offers(source)
        for place, (kind, what, make) in enumerate(KINDS):
            # Every other way at each source, so that each way is tried at half of them.
            change = make(true) if (number + place) % 2 == 0 or source in WHOLE else None
            if change is not None and prices(change(true)) != prices(true):
                yield Poisoning(source, kind, what, (named(f"{source}: {what}", change),))
        falling = [
            named(f"{source}: times {0.7**n:.3f}", at(lambda o: True, Decimal("0.7") ** n)) for n in (1, 2, 3)
        ]
        yield Poisoning(source, 6, "30 % less in every run", tuple(falling))
        gone = named(f"{source}: without its dearest", without(dearest(true).offer_id))
        third = named(f"{source}: one price / 2.6", one_divided("2.6")(true))
        yield Poisoning(source, 2, "absent twice, then / 2.6", (gone, gone, third))
    for kind, what, make in (*strange.WAYS, *SIBLINGS, *copies.COPIES, *slips.SLIPS):
        tried = 0
        chosen = strange.chosen(WITH_OFFERS, what)
        if kind in copies.KIND_NAMES:
            # hosts ask what they like, so that least is known of a marketplace
            chosen = [*copies.MARKETPLACES, *(name for name in chosen if name not in copies.MARKETPLACES)]
        for source in chosen:
            true = true_offers(source)
            at_most = strange.TRIED_AT_EACH * (1 if kind < min(copies.KIND_NAMES) else 2)
            change = make(true) if tried < at_most else None
            if change is not None and prices(change(true)) != prices(true):
                tried += 1
                yield Poisoning(source, kind, what, (named(f"{source}: {what}", change),))


def prices(offers: Offers) -> dict[str, Price]:
    return {o.offer_id: o.price for o in offers}


def without(offer_id: str) -> Change:
    return lambda offers: [o for o in offers if o.offer_id != offer_id]


POISONINGS = {poisoning.name: poisoning for poisoning in _each()}
