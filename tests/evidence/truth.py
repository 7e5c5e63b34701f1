"""What the captures of a source say, and how its offers are compared."""

from collections.abc import Iterable
from decimal import Decimal

from gpuledger.core.alias import seed_aliases
from gpuledger.core.offer import Offer, PurchaseOption
from gpuledger.core.published import usd_per_hour
from tests.evidence.stage import facts_of

Offers = list[Offer]


def true_offers(source: str) -> Offers:
    chosen = {fact.offer_id: fact for _, fact in facts_of(source) if isinstance(fact, Offer)}
    return list(chosen.values())


def gpu(offer: Offer) -> str:
    return seed_aliases().resolve(offer.provider, offer.gpu_label, offer.gpu_memory_gib) or offer.gpu_label


def per_gpu(offer: Offer) -> Decimal:
    return usd_per_hour(offer) / offer.gpu_count


def listed(offers: Iterable[Offer]) -> Offers:
    """Offers on demand, of a source that has none all of them."""
    every = list(offers)
    return [o for o in every if o.purchase_option is PurchaseOption.ON_DEMAND] or every


def dearest(offers: Iterable[Offer]) -> Offer:
    """The dearest offer of a GPU: what everybody wants to have for less."""
    return max(listed(offers), key=lambda o: (per_gpu(o), o.offer_id))
