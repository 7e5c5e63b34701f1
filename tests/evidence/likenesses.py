"""Wrong answers that hide behind a likeness: another name, another label, another way to buy, another place."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from gpuledger.core.offer import Offer, PurchaseOption
from tests.evidence.stage import Change, priced
from tests.evidence.truth import Offers, dearest, gpu, listed, per_gpu

CYRILLIC = str.maketrans(
    "ABCEHKMOPTXaceopxy",
    "\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425\u0430\u0441\u0435\u043e\u0440\u0445\u0443",
)
"""Latin letters to those that are drawn alike."""


def machine(offer: Offer) -> tuple[object, ...]:
    return offer.provider, offer.sku, gpu(offer), offer.gpu_count, offer.region, offer.zone, offer.tier


def lowest_spot_divided(true: Offers) -> Change | None:
    """The lowest spot price of a GPU, by less than spot prices move in a day."""
    spot = [o for o in true if o.purchase_option is PurchaseOption.SPOT]
    if not spot:
        return None
    dear = gpu(max(spot, key=lambda o: (per_gpu(o), o.offer_id)))
    target = min((o for o in spot if gpu(o) == dear), key=lambda o: (per_gpu(o), o.offer_id)).offer_id
    return lambda offers: [priced(o, "0.6") if o.offer_id == target else o for o in offers]


def spot_pair_halved(true: Offers) -> Change | None:
    """The price of one GPU for a spot machine of two."""
    ids = {o.offer_id for o in true if o.purchase_option is PurchaseOption.SPOT and o.gpu_count == 2}
    return (lambda offers: [priced(o, "0.5") if o.offer_id in ids else o for o in offers]) if ids else None


def spot_and_list_exchanged(true: Offers) -> Change | None:
    """One machine's spot price in the row of its list price, and the reverse."""
    spot = {machine(o): o for o in true if o.purchase_option is PurchaseOption.SPOT}
    pairs = [(o, spot[machine(o)]) for o in listed(true) if machine(o) in spot]
    pairs = [(one, other) for one, other in pairs if per_gpu(other) < per_gpu(one) * Decimal("0.95")]
    if not pairs:
        return None
    # of all, those that moved least
    one, other = max(pairs, key=lambda pair: (per_gpu(pair[1]) / per_gpu(pair[0]), pair[0].offer_id))
    prices = {one.offer_id: other.price, other.offer_id: one.price}
    return lambda offers: [
        o.model_copy(update={"price": prices[o.offer_id]}) if o.offer_id in prices else o for o in offers
    ]


def mislabelled(true: Offers) -> Change | None:
    """The cheapest machine under the dearest one's label."""
    dear, cheap = dearest(true), min(listed(true), key=lambda o: (per_gpu(o), o.offer_id))
    if gpu(dear) == gpu(cheap):
        return None
    label = {"gpu_label": dear.gpu_label, "gpu_memory_gib": dear.gpu_memory_gib}
    return lambda offers: [o.model_copy(update=label) if o.offer_id == cheap.offer_id else o for o in offers]


def in_cyrillic(true: Offers) -> Change:
    """One more row whose label looks like a true one, at 0.4 of its price."""
    target = dearest([o for o in true if gpu(o) != o.gpu_label] or true)
    label = target.gpu_label.translate(CYRILLIC)
    return lambda offers: [*offers, priced(target, "0.4").model_copy(update={"gpu_label": label})]


def all_under_new_skus(true: Offers) -> Change:
    """Every row under another sku, at 0.6 of its price."""
    return lambda offers: [priced(o, "0.6").model_copy(update={"sku": f"{o.sku}-n"}) for o in offers]


def half_under_new_skus(true: Offers) -> Change | None:
    """Every other row under another sku, at 0.6 of its price."""
    if len(true) < 8:
        return None
    ids = {o.offer_id for place, o in enumerate(sorted(true, key=lambda o: o.offer_id)) if place % 2 == 0}
    return lambda offers: [
        priced(o, "0.6").model_copy(update={"sku": f"{o.sku}-n"}) if o.offer_id in ids else o for o in offers
    ]


def new_spot(true: Offers) -> Change | None:
    """A fifth of the list price as the first spot price of a GPU that its provider has."""
    spot = {(o.provider, gpu(o)) for o in true if o.purchase_option is PurchaseOption.SPOT}
    without = [o for o in listed(true) if (o.provider, gpu(o)) not in spot and o.term_months is None]
    if not without:
        return None
    target = dearest(without)
    terms = {"purchase_option": PurchaseOption.SPOT}
    return lambda offers: [*offers, priced(target, "0.2").model_copy(update=terms)]


def providers_exchanged(true: Offers) -> Change | None:
    """The prices of two providers for one machine, each in the other's row, where one answer speaks for several."""
    same: dict[object, Offers] = defaultdict(list)
    for offer in true:
        same[machine(offer)[1:], offer.purchase_option, offer.term_months, offer.price.unit].append(offer)
    pairs = [
        (one, other)
        for several in same.values()
        for one in several
        for other in several
        if one.provider != other.provider and per_gpu(one) > per_gpu(other) * Decimal("1.05")
    ]
    if not pairs:
        return None
    # of all, those that moved least
    one, other = min(pairs, key=lambda pair: (per_gpu(pair[0]) / per_gpu(pair[1]), pair[0].offer_id))
    prices = {one.offer_id: other.price, other.offer_id: one.price}
    return lambda offers: [
        o.model_copy(update={"price": prices[o.offer_id]}) if o.offer_id in prices else o for o in offers
    ]


def short_commitment(true: Offers) -> Change:
    """A commitment of a month at a third of the list price."""
    target = dearest(true)
    terms = {"purchase_option": PurchaseOption.RESERVED, "term_months": Decimal(1)}
    return lambda offers: [*offers, priced(target, "0.3").model_copy(update=terms)]


def rotated(true: Offers) -> Change | None:
    """Every region's rows under the next one's name."""
    regions = sorted({o.region for o in true})
    places: dict[object, set[str]] = defaultdict(set)
    for offer in true:
        places[offer.sku, offer.gpu_count, offer.purchase_option, offer.term_months].add(offer.region)
    elsewhere = sum(len(each) < len(regions) for each in places.values())
    if len(regions) < 3 or elsewhere < 3:
        return None
    following = dict(zip(regions, [*regions[1:], regions[0]], strict=True))
    return lambda offers: [o.model_copy(update={"region": following[o.region]}) for o in offers]


def commitments_gone(true: Offers) -> Change | None:
    """No row of one term any more, as where a table of the page is not found."""
    counts: dict[object, int] = defaultdict(int)
    for offer in true:
        counts[offer.term_months] += offer.term_months is not None
    large = [term for term, number in counts.items() if number >= 3]
    return (lambda offers: [o for o in offers if o.term_months != large[0]]) if large else None


LIKENESSES: tuple[tuple[int, str, Callable[[Offers], Change | None]], ...] = (
    (3, "the lowest spot price x 0.6", lowest_spot_divided),
    (7, "one GPU's price for a spot machine of two", spot_pair_halved),
    (8, "spot and list price of a machine exchanged", spot_and_list_exchanged),
    (8, "the cheapest machine under the dearest's label", mislabelled),
    (9, "one more in Cyrillic letters", in_cyrillic),
    (9, "all under new skus, 40 % cheaper", all_under_new_skus),
    (9, "a commitment of a month at a third", short_commitment),
    (10, "regions rotated", rotated),
    (13, "the commitments of one term gone", commitments_gone),
    (9, "half of the list under new skus, 40 % cheaper", half_under_new_skus),
    (9, "a first spot price at a fifth of the list's", new_spot),
    (8, "prices of two providers exchanged", providers_exchanged),
)
