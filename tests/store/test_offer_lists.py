"""Lists of offers, their filters and their orders, against the same rules written in Python over the same market."""

import itertools
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from gpuledger.core.provider import may_be_in
from gpuledger.core.store.offers import LatestOffer, OfferQuery, facets, offer_page, offers, without_place
from gpuledger.core.validity import order_gpus, sells_count, state_rank
from tests.store.list_market import NOW, Market, opened


@pytest.fixture(scope="module")
def market(books_in, tmp_path_factory, an_offer) -> Iterator[Market]:
    with opened(books_in(tmp_path_factory.mktemp("market")), an_offer) as market:
        yield market


STATES = {
    **dict.fromkeys(("a1", "a2", "a3", "a4", "r1", "r2", "r4", "r5", "r6", "r7", "r8", "r9"), "fresh"),
    "r3": "sold_out",
    "u1": "unlisted",
    "o1": "stale",
    "o2": "stale",
    "o3": "lapsed",
    "o4": "stale",
}


def test_the_market_has_each_state(market):
    assert {one.sku: one.price_state(NOW) for one in market.page()} == STATES


def of_order(offer: LatestOffer, least: float | None, name: str) -> Any:
    """A value of one order that holds so many accelerators."""
    gpus = order_gpus(offer.gpu_count, offer.min_gpus, offer.max_gpus, least)
    units = gpus / offer.gpu_count
    if name in ("total_gpu_memory", "gpu_count"):
        memory = offer.gpu_memory_gib if name == "total_gpu_memory" else 1
        return None if memory is None else memory * gpus
    fields = {"cpu": "vcpus", "memory": "memory_gib", "price": "usd_per_hour", "disk_size": "local_storage_gb",
              "gpu_memory": "gpu_memory_gib"}  # fmt: skip
    value = getattr(offer, fields[name])
    return value if value is None or name in ("disk_size", "gpu_memory") else value * units


BOUNDS = ("cpu", "memory", "price", "disk_size", "gpu_memory", "total_gpu_memory")


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_hold_at_their_edges(market, name):
    everything = market.page()
    for least in (None, 4.0):
        values = sorted({of_order(one, least, name) for one in everything} - {None})
        assert len(values) > 1
        for value in values:
            for kind, keeps in (
                ("min", lambda one, edge: one >= edge),
                ("max", lambda one, edge: one <= edge),
            ):
                edge = value if name == "price" else float(value)
                found = {one.sku for one in market.page(**{f"{kind}_{name}": edge}, min_gpu_count=least)}
                assert found == {
                    one.sku
                    for one in everything
                    if sells_count(one.gpu_count, one.min_gpus, one.max_gpus, least, None)
                    and of_order(one, least, name) is not None
                    and keeps(of_order(one, least, name), value)
                }, (kind, value, least)


@pytest.mark.parametrize(
    "least, most", [(1, None), (2, None), (8, None), (9, None), (None, 1), (None, 0.5), (3, 4)]
)
def test_counts_are_those_that_can_be_ordered(market, least, most):
    found = {one.sku for one in market.page(min_gpu_count=least, max_gpu_count=most)}
    assert found == {
        one.sku
        for one in market.page()
        if sells_count(one.gpu_count, one.min_gpus, one.max_gpus, least, most)
    }


def test_a_price_per_accelerator_holds_at_its_edge(market):
    for edge in (Decimal("2.5"), Decimal("2.499999")):
        assert {one.sku for one in market.page(max_usd_per_gpu_hour=edge)} == {
            one.sku for one in market.page() if one.usd_per_gpu_hour <= edge
        }


CHOICES: list[tuple[dict[str, Any], str]] = [
    ({"gpu_ids": ["l4-24gb"]}, "r5"),
    ({"gpu_ids": []}, ""),
    ({"gpu_names": ["l4"]}, "r5"),
    ({"gpu_names": ["mystery 9000"]}, "r8"),
    ({"gpu_names": ["mi300x"]}, "r7"),
    ({"gpu_names": ["gh200-96gb"]}, "r6"),
    ({"vendors": ["amd"]}, "r7"),
    ({"providers": ["lambda"]}, "o1 o2"),
    ({"providers": ["lambda", "vast"]}, "o1 o2 o3 o4"),
    ({"regions": ["us-west-2"]}, "a2"),
    ({"regions": ["ie"]}, "a4"),
    ({"regions": ["eu"]}, "a4 o1 o2 r3"),
    ({"regions": ["ca", "us-west-2"]}, "a2 r2 r9"),
    ({"regions": ["nowhere"]}, "r4"),
    ({"tiers": ["community"]}, "r2"),
    ({"purchase_options": ["reserved"]}, "a4"),
    ({"purchase_options": ["reserved", "spot"]}, "a3 a4 o2"),
    ({"sources": ["list"]}, "o1 o2 o3 o4"),
    ({"instance_types": ["p5.big"]}, "a2"),
    ({"availabilities": ["limited"]}, "r2"),
    ({"states": ["sold_out"]}, "r3"),
    ({"states": ["unlisted", "lapsed"]}, "o3 u1"),
    ({"spot": True}, "a3 o2"),
    ({"spot": True, "providers": ["aws"]}, "a3"),
    ({"cpu_arch": "arm"}, "r6"),
    ({"min_compute_capability": 9.0, "sources": ["runpod"], "cpu_arch": "arm"}, "r6"),
    ({"max_compute_capability": 8.0}, "o4 r4"),
    ({"min_compute_capability": 8.9, "max_compute_capability": 8.9}, "r5"),
]


@pytest.mark.parametrize("chosen, skus", CHOICES, ids=[str(case[0]) for case in CHOICES])
def test_a_filter_chooses(market, chosen, skus):
    assert {one.sku for one in market.page(**chosen)} == set(skus.split())


@pytest.mark.parametrize("chosen", [{"spot": False}, {"cpu_arch": "x86"}])
def test_a_filter_and_its_opposite_are_everything(market, chosen):
    opposite = {"spot": True} if "spot" in chosen else {"cpu_arch": "arm"}
    parts = [{one.sku for one in market.page(**one_of)} for one_of in (chosen, opposite)]
    assert parts[0] | parts[1] == set(STATES) and not parts[0] & parts[1]


NUMBERS = {
    "usd_per_gpu_hour": lambda one: one.usd_per_gpu_hour,
    "usd_per_hour": lambda one: of_order(one, None, "price"),
    "gpu_count": lambda one: of_order(one, None, "gpu_count"),
    "gpu_memory_gib": lambda one: one.gpu_memory_gib,
    "vcpus": lambda one: of_order(one, None, "cpu"),
    "memory_gib": lambda one: of_order(one, None, "memory"),
    "last_seen_at": lambda one: one.last_seen_at,
    "gpu_id": lambda one: one.gpu_id,
    "provider": lambda one: one.provider,
    "instance_type": lambda one: one.instance_type.lower(),
    "region": lambda one: one.region.lower(),
    "availability": lambda one: one.availability,
}


def tie(one: LatestOffer) -> tuple[Any, ...]:
    """To which equal values of all other orders go."""
    return (
        one.usd_per_gpu_hour,
        of_order(one, None, "price"),
        one.provider,
        one.region,
        one.tier or "~",
        one.offer_id,
    )


@pytest.mark.parametrize("order", NUMBERS)
@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
def test_an_order_puts_equal_values_by_price_and_nothing_last(market, order, descending):
    found = market.page(order_by=order, descending=descending)
    value = NUMBERS[order]
    known = sorted((one for one in found if value(one) is not None), key=tie)
    known.sort(key=value, reverse=descending)
    unknown = sorted((one for one in found if value(one) is None), key=tie)
    assert [one.sku for one in found] == [one.sku for one in (*known, *unknown)]


@pytest.mark.parametrize("order", ["usd_per_peak_petaflop_hour", "usd_per_gib_hour"])
def test_an_order_by_what_a_dollar_buys(market, order):
    page = offer_page(market.connection, OfferQuery(order_by=order), at=NOW)
    values = [one[order] for one in page.derived if one[order] is not None]
    assert values == sorted(values) and len(values) >= 15
    tflops = {"h100-sxm-80gb": Decimal("989.5"), "l4-24gb": Decimal("121")}
    for offer, one in zip(page.offers, page.derived, strict=True):
        if offer.gpu_id in tflops:
            usd = offer.usd_per_gpu_hour
            assert float(one["usd_per_peak_petaflop_hour"]) == pytest.approx(
                float(usd * 1000 / tflops[offer.gpu_id]), rel=0.01
            )
            assert float(one["usd_per_gib_hour"]) == pytest.approx(
                float(usd / offer.gpu_memory_gib), abs=1e-5
            )


def test_the_best_is_what_can_be_relied_on_first(market):
    found = market.page()
    ranks = [state_rank(one.price_state(NOW)) for one in found]
    assert ranks == sorted(ranks)
    for _, group in itertools.groupby(found, key=lambda one: state_rank(one.price_state(NOW))):
        same = list(group)
        assert same == sorted(same, key=tie)


def test_the_best_of_each_provider_goes_by_state_and_price_alone(market):
    found = {one.sku for one in market.page(best_per_provider=True, order_by="usd_per_hour")}
    best: dict[Any, LatestOffer] = {}
    for one in market.page():
        best.setdefault((one.gpu_id or one.gpu_label, one.provider, one.purchase_option), one)
    assert found == {one.sku for one in best.values()}


def test_pages_follow_each_other_and_know_how_many_there_are(market):
    whole = [one.sku for one in market.page(order_by="usd_per_hour")]
    parts = [
        offer_page(market.connection, OfferQuery(order_by="usd_per_hour", skip_rows=skip, max_rows=4), at=NOW)
        for skip in range(0, 20, 4)
    ]
    assert [one.sku for part in parts for one in part.offers] == whole
    assert {part.total for part in parts if part.offers} == {len(STATES)}


def test_a_spot_price_says_what_it_saves_against_the_cheapest_on_demand(market):
    page = offer_page(market.connection, OfferQuery(), at=NOW)
    saved = {one.sku: derived["spot_saving"] for one, derived in zip(page.offers, page.derived, strict=True)}
    # a3 is 1 against a1 with 2.5 and a2 with 20 for eight, u1 with 2.1 is unlisted; o2 is 0.8 against o1 with 2
    assert {sku: value for sku, value in saved.items() if value is not None} == {"a3": 0.6, "o2": 0.6}


def test_what_has_no_place_is_counted_where_a_place_is_asked_for(market):
    def left_out(**named: Any) -> int:
        query = OfferQuery(**named)
        offers(market.connection, query, at=NOW)
        return without_place(market.connection, query).nowhere

    nowhere = {one.sku for one in market.page() if one.country is None and one.continent is None}
    assert "r4" in nowhere and "a1" not in nowhere
    shown = {sku for sku in nowhere if STATES[sku] != "lapsed"}
    assert left_out(regions=["eu"]) == len(shown)
    assert left_out() == 0
    assert left_out(regions=["nowhere"]) == len(shown - {"r4"})
    assert left_out(regions=["eu"], gpu_ids=["a100-sxm-80gb"]) == 1
    assert left_out(regions=["eu"], providers=["aws"]) == 0


COUNTRYLESS = {
    # what is asked for: r3, o1 and o2 are sold in several continents, by providers that name no country
    ("de",): {"r3", "o1", "o2"},
    ("us",): {"r3", "o1", "o2"},
    ("za",): set(),
    ("au",): {"r3"},
    ("eu",): set(),
    ("eu", "us"): set(),
    # of aws and of lambda, which sells both without saying where
    ("us-east-1",): {"o1", "o2"},
    # a region of one provider: what that provider sells on its continent without saying where
    ("eu-ro-1",): {"r3"},
}


@pytest.mark.parametrize("places", COUNTRYLESS)
def test_what_names_no_country_is_counted_where_a_country_of_its_continents_is_asked_for(market, places):
    query = OfferQuery(regions=list(places))
    there = {one.sku for one in offers(market.connection, query, at=NOW)}
    assert without_place(market.connection, query).countryless == len(COUNTRYLESS[places])
    assert not there & COUNTRYLESS[places]
    of_lambda = OfferQuery(regions=list(places), providers=["lambda"], purchase_options=["spot"])
    assert without_place(market.connection, of_lambda).countryless == len(COUNTRYLESS[places] & {"o2"})


@pytest.mark.parametrize("places", COUNTRYLESS)
def test_who_may_be_in_a_place_is_the_same_in_sql_and_in_python(market, places):
    asked = "select may_be_in_place($places::varchar[], $provider, $country, $continent)"
    continents = (None, "EU", "NA EU AS OC", "AF", "SA")
    for provider, country, continent in itertools.product(("aws", "runpod"), (None, "DE", "US"), continents):
        named = {"places": list(places), "provider": provider, "country": country, "continent": continent}
        (row,) = market.connection.execute(asked, named).fetchall()
        assert row[0] == may_be_in(places, provider, country, continent), named


def test_facets_count_what_the_other_filters_leave(market):
    chosen = {"providers": ["aws"], "gpu_ids": ["h100-sxm-80gb"]}
    shown = {
        (row["facet"], row["value"]): row["offers"]
        for row in facets(market.connection, OfferQuery(**chosen), at=NOW)
    }
    own = {"gpu": "gpu_ids", "provider": "providers", "purchase_option": "purchase_options"}
    for facet, filter_name in own.items():
        others = {name: value for name, value in chosen.items() if name != filter_name}
        values = Counter(
            one.gpu_id if facet == "gpu" else getattr(one, facet) for one in market.page(**others)
        )
        assert {value: count for (name, value), count in shown.items() if name == facet} == {
            value: count for value, count in values.items() if value is not None
        }
