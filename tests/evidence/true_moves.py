"""True changes of prices and lists, each of which has to be believed within two intervals of its source."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from gpuledger.core.offer import Offer, PurchaseOption
from tests.evidence.poisonings import at, product
from tests.evidence.stage import WITH_OFFERS, Change, named, priced
from tests.evidence.truth import dearest, gpu, listed, per_gpu, true_offers

Offers = list[Offer]


@dataclass(frozen=True)
class TrueMove:
    """What a source says in its next runs, one interval apart; then the last answer for as long as two intervals."""

    source: str
    what: str
    answers: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.source}: {self.what}"


def product_cut(source: str, share: str) -> TrueMove:
    target = product(dearest(true_offers(source)))
    change = at(lambda o: product(o) == target, 1 - Decimal(share))
    return TrueMove(source, f"one product {share} cheaper", (named(f"{source}: true cut {share}", change),))


def list_cut(source: str, share: str) -> TrueMove:
    change = at(lambda o: True, 1 - Decimal(share))
    return TrueMove(source, f"all {share} cheaper", (named(f"{source}: true list cut {share}", change),))


def new_region(source: str) -> TrueMove:
    """Every product of a region in one more, at its siblings' price."""
    home = listed(true_offers(source))[0].region

    def change(offers: Offers) -> Offers:
        new = [
            o.model_copy(update={"region": "new-region-1", "zone": None}) for o in offers if o.region == home
        ]
        return [*offers, *new]

    return TrueMove(source, "a new region", (named(f"{source}: true new region", change),))


def place_at(source: str, factor: str) -> TrueMove:
    """All of a source in one more region at one factor of its prices, as clouds price their regions."""
    home = max(sorted({o.region for o in true_offers(source)}))

    def change(offers: Offers) -> Offers:
        new = (o for o in offers if o.region == home)
        fields = {"region": f"region-at-{factor}", "zone": None}
        return [*offers, *(priced(o, factor).model_copy(update=fields) for o in new)]

    name = named(f"{source}: true place at {factor}", change)
    return TrueMove(source, f"a new region at {factor} of another's prices", (name,))


def place_of_its_own(source: str) -> TrueMove:
    """One more region of a marketplace, in which each host asks what it likes."""

    def change(offers: Offers) -> Offers:
        fields = {"region": "hosts-of-their-own", "zone": None}
        return [
            *offers,
            *(
                priced(o, Decimal(80 + place * 37 % 50) / 100).model_copy(update=fields)
                for place, o in enumerate(offers)
            ),
        ]

    return TrueMove(source, "a new region at its own prices", (named(f"{source}: true own place", change),))


def fuller_label(source: str, label: str, fuller: str) -> TrueMove:
    """A GPU that was listed by its name alone is listed by all of it, under a sku that follows."""
    target = dearest(true_offers(source))
    here = target.model_copy(update={"gpu_memory_gib": None, "region": "label-1", "zone": None})

    def more(name: str) -> Change:
        return lambda offers: [*offers, here.model_copy(update={"gpu_label": name, "sku": name})]

    short, full = (named(f"{source}: true label {name}", more(name)) for name in (label, fuller))
    return TrueMove(source, f"{label} as {fuller}", (short, short, short, full))


def renamed_plan(source: str) -> TrueMove:
    target = dearest(true_offers(source)).offer_id

    def change(offers: Offers) -> Offers:
        return [o.model_copy(update={"sku": f"{o.sku}-2"}) if o.offer_id == target else o for o in offers]

    return TrueMove(source, "a renamed plan", (named(f"{source}: true renamed plan", change),))


def new_gpu(source: str) -> TrueMove:
    target = dearest(true_offers(source))
    new = priced(target, "2.2").model_copy(
        update={
            "gpu_label": "NVIDIA B300",
            "sku": f"{target.sku}-b300",
            "instance_type": "b300",
            "gpu_memory_gib": None,
        }
    )
    return TrueMove(source, "a new GPU", (named(f"{source}: true new gpu", lambda offers: [*offers, new]),))


def falling_spot(source: str) -> TrueMove:
    """Spot prices that halve within a day, by the hour, each at its own pace."""
    spot = sorted(o.offer_id for o in true_offers(source) if o.purchase_option is PurchaseOption.SPOT)

    def step(hours: int) -> Change:
        def change(offers: Offers) -> Offers:
            return [
                priced(o, 1 - (Decimal("0.47") + Decimal(spot.index(o.offer_id) % 5) / 100) * hours / 24)
                if o.offer_id in spot
                else o
                for o in offers
            ]

        return change

    answers = tuple(named(f"{source}: true spot after {hours} h", step(hours)) for hours in range(4, 25, 4))
    return TrueMove(source, "spot that halves within a day", answers)


def falling_market(source: str) -> TrueMove:
    """A list that halves over a month, a few products at a time."""
    ids = {o.offer_id: place for place, o in enumerate(sorted(true_offers(source), key=lambda o: o.offer_id))}

    def step(number: int) -> Change:
        def change(offers: Offers) -> Offers:
            return [
                priced(o, Decimal("0.84") ** (max(0, number - ids[o.offer_id] % 3) // 3 + 1)) for o in offers
            ]

        return change

    answers = tuple(named(f"{source}: true fall {number}", step(number)) for number in range(12))
    return TrueMove(source, "a list that halves, step by step", answers)


def fifth(source: str) -> TrueMove:
    change = at(lambda o: True, "0.2")
    return TrueMove(source, "a fifth from one day on", (named(f"{source}: true fifth", change),))


def region_left(source: str) -> TrueMove:
    regions = sorted({o.region for o in true_offers(source)})
    gone = regions[-1]
    change: Change = lambda offers: [o for o in offers if o.region != gone]  # noqa: E731
    return TrueMove(source, f"leaves {gone}", (named(f"{source}: true leave", change),))


def spot_step(source: str) -> TrueMove:
    spot = [o for o in true_offers(source) if o.purchase_option is PurchaseOption.SPOT]
    target = gpu(max(spot, key=per_gpu))
    change = at(lambda o: o.purchase_option is PurchaseOption.SPOT and gpu(o) == target, "0.45")
    return TrueMove(source, "one spot market halves at once", (named(f"{source}: true spot step", change),))


def _each() -> Iterable[TrueMove]:
    for source in ("lambda_cloud", "runpod", "azure_retail", "aws_on_demand"):
        for share in ("0.2", "0.5", "0.6"):
            yield product_cut(source, share)
    for source in ("coreweave", "nebius", "scaleway"):
        for share in ("0.2", "0.5"):
            yield list_cut(source, share)
    for source in ("azure_retail", "vultr", "runpod"):
        yield new_region(source)
    for source in ("aws_on_demand", "azure_retail", "gcp_page", "vast", "tensordock"):
        for factor in ("1", "1.2", "0.9"):
            yield place_at(source, factor)
    for source in ("vast", "tensordock", "akash"):
        yield place_of_its_own(source)
    yield fuller_label("lambda_cloud", "H100", "H100 SXM")
    yield fuller_label("runpod", "A100", "A100 SXM 80GB")
    for source in ("lambda_cloud", "verda", "crusoe"):
        yield renamed_plan(source)
    for source in ("coreweave", "hyperstack", "lambda_cloud"):
        yield new_gpu(source)
    for source in ("aws_spot", "runpod", "verda"):
        yield falling_spot(source)
        yield spot_step(source)
    yield falling_market("hyperstack")
    yield falling_market("lambda_cloud")
    for source in ("aws_spot", "azure_retail", "vultr"):
        if len({o.region for o in true_offers(source)}) > 1:
            yield region_left(source)
    for source in WITH_OFFERS:
        yield fifth(source)


TRUE_MOVES = {move.name: move for move in _each()}
