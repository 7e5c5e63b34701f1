"""Siblings of the kinds: the same mistakes in another place of the list, or two of them at once."""

from collections import defaultdict
from decimal import Decimal
from zlib import crc32

from gpuledger.core.offer import Offer, PurchaseOption
from tests.evidence.stage import Change, priced
from tests.evidence.strange import Make, more, only, product_of
from tests.evidence.truth import Offers, dearest, gpu, listed


def is_spot(offer: Offer) -> bool:
    return offer.purchase_option is PurchaseOption.SPOT


def at_spot(factor: object) -> Make:
    """All spot prices, and no others."""
    return lambda true: only(is_spot, lambda o: priced(o, factor)) if any(map(is_spot, true)) else None  # pyright: ignore[reportArgumentType]


def at_every_second(factor: str) -> Make:
    def made(true: Offers) -> Change | None:
        ids = {o.offer_id for o in sorted(true, key=lambda o: o.offer_id)[::2] if not is_spot(o)}
        return only(lambda o: o.offer_id in ids, lambda o: priced(o, factor)) if len(ids) > 2 else None

    return made


def at_two_products(factor: str) -> Make:
    """Two GPUs wherever they are sold, the rest as before."""

    def made(true: Offers) -> Change | None:
        names = sorted({gpu(o) for o in listed(true)})
        if len(names) < 4:
            return None
        return only(lambda o: gpu(o) in names[:2] and not is_spot(o), lambda o: priced(o, factor))

    return made


def by_eight(true: Offers) -> Change | None:
    """The price of one GPU in every row of a machine of eight."""
    eights = {o.offer_id for o in true if o.gpu_count == 8 and o.price.unit == "hour"}
    return only(lambda o: o.offer_id in eights, lambda o: priced(o, "0.125")) if eights else None


def one_as_eight(true: Offers) -> Change | None:
    """Machines of one GPU said to have eight, at the price of one."""
    ones = {o.offer_id for o in true if o.gpu_count == 1 and o.price.unit == "hour"}
    return (
        only(lambda o: o.offer_id in ones, lambda o: o.model_copy(update={"gpu_count": Decimal(8)}))
        if ones
        else None
    )


def renamed_and_cut(true: Offers) -> Change:
    """All under new skus, each cheaper by another share, a fifth to two fifths."""

    def other(o: Offer) -> Offer:
        factor = Decimal(60 + crc32(o.offer_id.encode()) % 20) / 100
        return priced(o, factor).model_copy(update={"sku": f"{o.sku}.v3"})

    return lambda offers: [other(o) for o in offers]


def region_renamed_and_cut(true: Offers) -> Change | None:
    """The largest region under another name, at 0.6 of its prices."""
    region = largest_region(true)
    if region is None:
        return None
    return only(
        lambda o: o.region == region,
        lambda o: priced(o, "0.6").model_copy(update={"region": f"{o.region}-2", "zone": None}),
    )


def region_gone_and_the_rest_cut(true: Offers) -> Change | None:
    region = largest_region(true)
    if region is None:
        return None
    return lambda offers: [priced(o, "0.6") for o in offers if o.region != region]


def largest_region(true: Offers) -> str | None:
    counts: dict[str, int] = defaultdict(int)
    for o in true:
        counts[o.region] += 1
    return max(counts, key=lambda name: (counts[name], name)) if len(counts) > 1 else None


def terms_shortened(true: Offers) -> Change | None:
    """Commitments of the longest term said to be of one month, at the same rate."""
    longest = max((o.term_months for o in true if o.term_months), default=None)
    if longest is None or longest <= 1:
        return None
    return only(
        lambda o: o.term_months == longest and o.price.unit != "term",
        lambda o: o.model_copy(update={"term_months": Decimal(1), "sku": f"{o.sku}-1mo"}),
    )


def upfront_forgotten(true: Offers) -> Change | None:
    """Commitments without what is paid at their start."""
    ids = {o.offer_id for o in true if o.upfront_amount and o.price.amount}
    return (
        only(lambda o: o.offer_id in ids, lambda o: o.model_copy(update={"upfront_amount": None}))
        if ids
        else None
    )


def two_regions_of_one_product(true: Offers) -> Change | None:
    """One product's prices in two regions, each in the other's row."""
    target = dearest(true)
    alike = [o for o in true if product_of(o) == product_of(target) and o.sku == target.sku]
    rows = {o.region: o for o in alike if not is_spot(o)}
    pairs = sorted(rows.values(), key=lambda o: (o.price.amount, o.region))
    if len(pairs) < 2 or pairs[-1].price.amount < pairs[0].price.amount * Decimal("1.05"):
        return None
    prices = {pairs[0].offer_id: pairs[-1].price, pairs[-1].offer_id: pairs[0].price}
    return only(lambda o: o.offer_id in prices, lambda o: o.model_copy(update={"price": prices[o.offer_id]}))


def all_in_other_letters(true: Offers) -> Change:
    """Every region with a mark of direction before it, every price halved."""
    return lambda offers: [
        priced(o, "0.5").model_copy(update={"region": f"\u200f{o.region}"}) for o in offers
    ]


GREEK = str.maketrans("AHBETXM", "ΑΗΒΕΤΧΜ")

SIBLINGS: tuple[tuple[int, str, Make], ...] = (
    (1, "spot prices by ten", at_spot("0.1")),
    (17, "spot prices of a minute", at_spot(Decimal(1) / 60)),
    (5, "two GPUs halved wherever they are sold", at_two_products("0.5")),
    (18, "pounds as dollars in every second row", at_every_second("0.75")),
    (7, "one GPU's price in every row of eight", by_eight),
    (20, "machines of one GPU said to have eight", one_as_eight),
    (9, "all under new skus, each cheaper by another share", renamed_and_cut),
    (9, "a region under another name, at 0.6", region_renamed_and_cut),
    (13, "a region gone, the rest at 0.6", region_gone_and_the_rest_cut),
    (15, "the longest commitments as ones of a month", terms_shortened),
    (15, "commitments without what is paid at the start", upfront_forgotten),
    (10, "one product's prices of two regions exchanged", two_regions_of_one_product),
    (9, "all regions with a mark of direction, at half", all_in_other_letters),
    (23, "one more in Greek letters", more(gpu_label=lambda o: o.gpu_label.translate(GREEK))),
    (23, "one more with a soft hyphen in its sku", more(sku=lambda o: f"{o.sku[:2]}\u00ad{o.sku[2:]}")),
    (
        23,
        "one more in a region of full width",
        more(region=lambda o: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in o.region)),
    ),
    (23, "one more with a joiner of no width in its region", more(region=lambda o: f"{o.region}\u200d")),
)
