"""Lists that come once more under another name, and labels that say another memory, form or card at the old price."""

from decimal import Decimal
from functools import partial

from gpuledger.core.offer import Offer
from tests.evidence.stage import Change, priced
from tests.evidence.strange import Make, only
from tests.evidence.truth import Offers, dearest, gpu

MARKETPLACES = ("akash", "tensordock", "vast")


def once_more(true: Offers, *, factor: str, places: int = 1, **fields: str | None) -> Change:
    """Every row once more at a factor of its price, in so many new regions or as told."""

    def other(offer: Offer, place: int) -> Offer:
        names = fields or {"region": f"atlantis-{place}", "zone": None}
        return priced(offer, factor).model_copy(update=dict(names))

    return lambda offers: [*offers, *(other(o, place) for place in range(places) for o in offers)]


def under_other_skus(true: Offers, *, factor: str) -> Change:
    return lambda offers: [
        *offers,
        *(priced(o, factor).model_copy(update={"sku": f"{o.sku} again"}) for o in offers),
    ]


def one_region_once_more(true: Offers, *, factor: str) -> Change | None:
    """The rows of the largest region alone."""
    regions = [o.region for o in true]
    largest = max(sorted(set(regions)), key=regions.count)
    if len({gpu(o) for o in true if o.region == largest}) < 3:
        return None
    return lambda offers: [
        *offers,
        *(
            priced(o, factor).model_copy(update={"region": "atlantis-9", "zone": None})
            for o in offers
            if o.region == largest
        ),
    ]


def another_label(true: Offers) -> Change | None:
    """Of each GPU with a sibling one row, under the sibling's label and a sku that follows it, at its own price."""
    names = {o.offer_id: _other_label(o) for o in sorted(true, key=lambda o: o.offer_id)}
    first = {gpu(o): o.offer_id for o in reversed(true) if names[o.offer_id]}
    if not first:
        return None
    ids = {*first.values()}

    def other(o: Offer) -> Offer:
        label = names[o.offer_id]
        return o.model_copy(
            update={
                "gpu_label": label,
                "gpu_memory_gib": None,
                "sku": f"{o.sku} {label}",
                "instance_type": f"{o.instance_type} {label}",
            }
        )

    return only(lambda o: o.offer_id in ids, other)


_SIBLINGS = {
    "a100-sxm-80gb": "A100 40GB SXM", "a100-pcie-80gb": "A100 40GB PCIe", "a100-80gb": "A100 40GB",
    "a100-sxm-40gb": "A100 80GB SXM", "h100-sxm-80gb": "H100 PCIe", "h100-pcie-80gb": "H100 NVL",
    "h100-80gb": "H200", "h100-nvl-94gb": "H100 PCIe", "h200-sxm-141gb": "GH200", "gh200-96gb": "H100",
    "l4-24gb": "L40", "l40-48gb": "L40S", "l40s-48gb": "L40", "v100-sxm-16gb": "V100 32GB", "b200-sxm-180gb": "H200",
    "a10-24gb": "A10G", "rtx-4090-24gb": "RTX 4090 D", "a40-48gb": "A100 40GB", "b300-sxm-288gb": "B200",
}  # fmt: skip


def _other_label(offer: Offer) -> str:
    return _SIBLINGS.get(gpu(offer), "")


def counted_by_label(true: Offers) -> Change:
    """One row under a sku that says twice its GPUs, at the price of the whole."""
    target = dearest(true)
    half = target.price.model_copy(update={"amount": (target.price.amount / 2).quantize(Decimal("0.000001"))})
    price = half if target.price.unit == "gpu_hour" else target.price
    fields = {"gpu_count": target.gpu_count * 2, "sku": f"{target.sku} x2", "price": price}
    return only(lambda o: o.offer_id == target.offer_id, lambda o: o.model_copy(update=fields))


COPIES: tuple[tuple[int, str, Make], ...] = (
    (28, "the list once more in a new region, at 0.7", partial(once_more, factor="0.7")),
    (28, "the list once more in three new regions, at 0.8", partial(once_more, factor="0.8", places=3)),
    (28, "the list once more in euros", partial(once_more, factor="0.86")),
    (28, "the list once more as another tier, at 0.75", partial(once_more, factor="0.75", tier="spare")),
    (28, "the list once more under other skus, at 0.72", partial(under_other_skus, factor="0.72")),
    (28, "one region once more in a new one, at 0.71", partial(one_region_once_more, factor="0.71")),
    (29, "each GPU's sibling on one label, at the old price", another_label),
    (29, "twice the GPUs by another sku, at the old price", counted_by_label),
)

KIND_NAMES = {28: "a list once more, times one factor", 29: "another memory, form or card on a label"}
