"""Wrong answers as a stranger thinks of them: taxes, units of time, labels of currencies, halves of lists, columns read
from another row. Each is tried at a few sources, chosen so that all sources have some."""

from collections import defaultdict
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from zlib import crc32

from gpuledger.core.money import Price, Unit
from gpuledger.core.offer import Offer, PurchaseOption
from tests.evidence.likenesses import machine
from tests.evidence.stage import Change, priced
from tests.evidence.truth import Offers, dearest, gpu, listed, per_gpu

Make = Callable[[Offers], Change | None]


def only(which: Callable[[Offer], bool], change: Callable[[Offer], Offer]) -> Change:
    return lambda offers: [change(o) if which(o) else o for o in offers]


def product_of(offer: Offer) -> tuple[object, ...]:
    return gpu(offer), offer.gpu_count, offer.purchase_option, offer.term_months, offer.tier


def at_one_region(factor: str) -> Make:
    def made(true: Offers) -> Change | None:
        counts: dict[str, int] = defaultdict(int)
        for offer in true:
            # spot prices of a place move so by themselves
            counts[offer.region] += offer.purchase_option is not PurchaseOption.SPOT
        region = max(counts, key=lambda name: (counts[name], name))
        if len(counts) < 2 or not counts[region]:
            return None
        return only(
            lambda o: o.region == region and o.purchase_option is not PurchaseOption.SPOT,
            lambda o: priced(o, factor),
        )

    return made


def at_one_product(factor: object) -> Make:
    def made(true: Offers) -> Change | None:
        target = product_of(dearest(true))
        return only(lambda o: product_of(o) == target, lambda o: priced(o, factor))  # pyright: ignore[reportArgumentType]

    return made


def at_all(factor: str) -> Make:
    return lambda true: (
        only(lambda o: True, lambda o: priced(o, factor)) if len({gpu(o) for o in true}) > 1 else None
    )


def in_unit(unit: Unit) -> Make:
    """The amount as before, said to buy something else."""

    def made(true: Offers) -> Change | None:
        target = product_of(dearest(true))
        if dearest(true).price.unit in (unit, Unit.TERM) or dearest(true).gpu_count == 1:
            return None

        def other(o: Offer) -> Offer:
            price = Price(amount=o.price.amount, currency=o.price.currency, unit=unit)
            return o.model_copy(update={"price": price})

        return only(lambda o: product_of(o) == target, other)

    return made


def counts_doubled(true: Offers) -> Change:
    """One product with twice its GPUs wherever it is sold, at the price of the whole."""
    target = product_of(dearest(true))

    def doubled(o: Offer) -> Offer:
        half = o.price.model_copy(update={"amount": (o.price.amount / 2).quantize(Decimal("0.000001"))})
        price = half if o.price.unit == "gpu_hour" else o.price
        return o.model_copy(update={"gpu_count": o.gpu_count * 2, "price": price})

    return only(lambda o: product_of(o) == target, doubled)


def ways_exchanged(true: Offers) -> Change | None:
    """Spot rows as on demand and the reverse, the whole list."""
    names = {
        PurchaseOption.SPOT: PurchaseOption.ON_DEMAND,
        PurchaseOption.ON_DEMAND: PurchaseOption.SPOT,
    }
    both = {machine(o) for o in true if o.purchase_option is PurchaseOption.SPOT} & {
        machine(o) for o in true if o.purchase_option is PurchaseOption.ON_DEMAND
    }
    if len(both) < 2:
        return None
    return only(
        lambda o: o.purchase_option in names,
        lambda o: o.model_copy(update={"purchase_option": names[o.purchase_option]}),
    )


def half_list_at_half(true: Offers) -> Change | None:
    """The second half of the list is missing, and the first is at half its price."""
    if len(true) < 8 or len({gpu(o) for o in true}) < 2:
        return None
    kept = {o.offer_id for o in sorted(true, key=lambda o: o.offer_id)[: len(true) // 2]}
    return lambda offers: [priced(o, "0.5") for o in offers if o.offer_id in kept]


def said_twice(true: Offers) -> Change:
    """One offer twice in one answer, the second time for 0.4 of its price."""
    target = dearest(true)
    return lambda offers: [*offers, priced(target, "0.4")]


def said_twice_before(true: Offers) -> Change:
    target = dearest(true)
    return lambda offers: [priced(target, "0.4"), *offers]


def more(**fields: Callable[[Offer], object]) -> Make:
    """One more row like the dearest, at 0.4 of its price."""

    def made(true: Offers) -> Change | None:
        target = dearest([o for o in true if gpu(o) != o.gpu_label] or true)
        values = {name: value(target) for name, value in fields.items()}
        if all(getattr(target, name) == value for name, value in values.items()):
            return None
        return lambda offers: [*offers, priced(target, "0.4").model_copy(update=values)]

    return made


def other_for(target_is_dear: bool) -> Make:
    """All rows of a GPU under another GPU's label, at their own price."""

    def made(true: Offers) -> Change | None:
        dear, cheap = dearest(true), min(listed(true), key=lambda o: (per_gpu(o), o.offer_id))
        if gpu(dear) == gpu(cheap):
            return None
        one, other = (cheap, dear) if target_is_dear else (dear, cheap)
        label = {"gpu_label": other.gpu_label, "gpu_memory_gib": other.gpu_memory_gib}
        return only(lambda o: gpu(o) == gpu(one), lambda o: o.model_copy(update=label))

    return made


def cut_to_dollars(true: Offers) -> Change | None:
    """Prices without what comes after the point."""

    def cut(o: Offer) -> Offer:
        whole = o.price.amount.quantize(Decimal(1), ROUND_DOWN)
        return o.model_copy(update={"price": o.price.model_copy(update={"amount": whole})})

    ids = {
        o.offer_id
        for o in true
        if o.price.amount >= 1 and cut(o).price.amount / o.price.amount < Decimal("0.7")
    }
    return only(lambda o: o.offer_id in ids, cut) if ids else None


def longest_as_list(true: Offers) -> Change | None:
    """The price of the longest commitment in the row of the list price."""
    reserved = {machine(o): o for o in sorted(true, key=lambda o: o.term_months or 0) if o.term_months}
    pairs = {
        o.offer_id: reserved[machine(o)].price
        for o in true
        if o.purchase_option is PurchaseOption.ON_DEMAND
        and machine(o) in reserved
        and reserved[machine(o)].price.unit == o.price.unit
        and reserved[machine(o)].price.amount < o.price.amount * Decimal("0.75")
    }
    return (
        only(lambda o: o.offer_id in pairs, lambda o: o.model_copy(update={"price": pairs[o.offer_id]}))
        if pairs
        else None
    )


def terms_forgotten(true: Offers) -> Change | None:
    """Commitments as offers of their own on demand: the column of the term was not read."""
    ids = {o.offer_id for o in true if o.term_months}
    fields = {
        "purchase_option": PurchaseOption.ON_DEMAND,
        "term_months": None,
        "payment": None,
        "upfront_amount": None,
    }
    return (
        only(lambda o: o.offer_id in ids, lambda o: o.model_copy(update={**fields, "sku": f"{o.sku}-plan"}))
        if ids
        else None
    )


def from_price(true: Offers) -> Change | None:
    """`From`: each row has the lowest price per GPU of any machine on the page."""
    rows = listed(true)
    least = min(per_gpu(o) for o in rows)
    ids = {o.offer_id for o in rows if per_gpu(o) > least * Decimal("1.5")}
    if not ids:
        return None
    return only(lambda o: o.offer_id in ids, lambda o: priced(o, least / per_gpu(o)))


def tiers_exchanged(true: Offers) -> Change | None:
    tiers = sorted({o.tier for o in true if o.tier})
    if len(tiers) < 2:
        return None
    names = {tiers[0]: tiers[1], tiers[1]: tiers[0]}
    return only(lambda o: o.tier in names, lambda o: o.model_copy(update={"tier": names[o.tier or ""]}))


def below_the_row(true: Offers) -> Change | None:
    """Half of the rows carry the price of the row below."""
    rows = sorted(listed(true), key=lambda o: (o.region, o.sku, o.offer_id))
    if len(rows) < 6 or len({o.price.unit for o in rows}) > 1:
        return None
    half = rows[: len(rows) // 2]
    after = {o.offer_id: rows[place + 1].price for place, o in enumerate(half)}
    changed = {
        name: price
        for name, price in after.items()
        if any(o.offer_id == name and o.price != price for o in half)
    }
    if len(changed) < 3:
        return None
    return only(
        lambda o: o.offer_id in changed, lambda o: o.model_copy(update={"price": changed[o.offer_id]})
    )


LOOKALIKE = str.maketrans("0O1lI5S", "O0lIl5S")
FULLWIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})

WAYS: tuple[tuple[int, str, Make], ...] = (
    (16, "20 % of tax on all", at_all("1.2")),
    (16, "19 % of tax taken off all", at_all("0.840336")),
    (16, "tax of a half on one region", at_one_region("1.6")),
    (17, "a price of a minute, of one product", at_one_product(Decimal(1) / 60)),
    (17, "a price of a month in hours, of one product", at_one_product(730)),
    (17, "a price of a day in hours, of all", at_all("24")),
    (18, "euros as dollars, all", at_all("0.86")),
    (18, "yen as dollars in one region", at_one_region("150")),
    (18, "rupees for dollars, of one product", at_one_product(Decimal(1) / 88)),
    (19, "spot rows as on demand and the reverse", ways_exchanged),
    (20, "one product with twice its GPUs", counts_doubled),
    (20, "the whole machine's price for each GPU", in_unit(Unit.GPU_HOUR)),
    (20, "an hour's price as a month's", in_unit(Unit.MONTH)),
    (21, "half of the list, at half its price", half_list_at_half),
    (22, "one offer twice, the second time for less", said_twice),
    (22, "one offer twice, the first time for less", said_twice_before),
    (
        23,
        "the same with twice the memory",
        more(gpu_memory_gib=lambda o: (o.gpu_memory_gib or Decimal(48)) * 2),
    ),
    (23, "the same in a region with another case", more(region=lambda o: f" {o.region.upper()}-X ")),
    (23, "the same in a zone more", more(zone=lambda o: f"{o.region}-zz")),
    (23, "the same as another tier", more(tier=lambda o: None if o.tier else "community")),
    (
        23,
        "the same under an operating system",
        more(operating_system=lambda o: None if o.operating_system else "Windows"),
    ),
    (23, "the same via somebody else", more(via=lambda o: None if o.via else "resellers")),
    (23, "O for 0 and l for 1", more(gpu_label=lambda o: o.gpu_label.translate(LOOKALIKE))),
    (
        23,
        "in letters of full width",
        more(gpu_label=lambda o: o.gpu_label.translate(FULLWIDTH), sku=lambda o: f"{o.sku}-w"),
    ),
    (24, "the cheapest GPU's rows with the dearest's label", other_for(True)),
    (24, "the dearest GPU's rows with the cheapest's label", other_for(False)),
    (25, "prices cut to dollars", cut_to_dollars),
    (25, "cents as dollars, of one product", at_one_product(100)),
    (26, "the longest commitment's price as list price", longest_as_list),
    (26, "commitments as offers on demand", terms_forgotten),
    (27, "the page's lowest price in every row", from_price),
    (27, "half of the rows with the price of the row below", below_the_row),
    (27, "the two tiers exchanged", tiers_exchanged),
)

KIND_NAMES = {
    16: "tax added or taken off",
    17: "another unit of time",
    18: "another currency under the same label",
    19: "spot and on demand exchanged",
    20: "a count of GPUs, or what the price buys",
    21: "half of a list, and that for less",
    22: "one offer twice in one answer",
    23: "one more identity that resembles a true one",
    24: "another GPU's label on all rows of one",
    25: "rounding",
    26: "commitments read as list prices",
    27: "prices of other rows",
}

TRIED_AT_EACH = 3
"""Sources at which each way is tried, chosen by its name."""


def chosen(sources: tuple[str, ...], what: str) -> list[str]:
    return sorted(sources, key=lambda source: crc32(f"{source} {what}".encode()))
