"""A ledger of an earlier release that took a tier for a provider keeps its history under the cloud's own name."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

DAY_ONE = datetime(2026, 8, 1, tzinfo=UTC)
HISTORY = (
    "select provider, tier, sku, purchase_option, amount, valid_from, valid_to, last_seen_at"
    " from price_history order by all"
)
COVERED = "select provider, kind, covers_from, covers_until, row_count from price_list order by all"


def seen(an_offer: Any, sku: str, day: int, usd: Any, **terms: Any) -> Any:
    return an_offer(sku, usd, observed_at=DAY_ONE + timedelta(days=day), availability="unknown", **terms)


def rows(an_offer: Any, cloud: dict[str, Any], managed: dict[str, Any], spot: dict[str, Any]) -> list[Any]:
    """The same list, as it was read and as it is read."""
    plain = {"provider": "runpod", "tier": "community"}
    return [
        seen(an_offer, "a", 0, 2, **plain),
        seen(an_offer, "a", 1, 2, **cloud),
        seen(an_offer, "a", 5, 2, **cloud),
        seen(an_offer, "a", 9, "2.5", **cloud),
        seen(an_offer, "b", 2, 3, **cloud),
        seen(an_offer, "c", 3, 9, provider="aws"),
        seen(an_offer, "d", 3, 7, **managed),
        seen(an_offer, "e", 4, 1, **spot),
    ]


def test_tiers_and_products_taken_for_providers_are_folded_with_their_history(
    books, an_offer, books_in, tmp_path
):
    before = rows(
        an_offer,
        {"provider": "runpod_community", "tier": "community"},
        {"provider": "aws_sagemaker"},
        {"provider": "azure_spot"},
    )
    now = rows(
        an_offer,
        {"provider": "runpod", "tier": "community"},
        {"provider": "aws", "tier": "sagemaker"},
        {"provider": "azure", "purchase_option": "spot"},
    )
    fresh = books_in(tmp_path / "fresh")
    for ledger, facts in ((books, before), (fresh, now)):
        ledger.run(*facts, source="list", at=DAY_ONE + timedelta(days=20))
    with books.writing() as connection:
        connection.execute("update ledger_setting set value = '2' where name = 'identity'")
    with books.writing():
        pass  # an upgrade
    books.publish()
    fresh.publish()
    assert books.read(HISTORY) == fresh.read(HISTORY)
    assert books.read(COVERED) == fresh.read(COVERED)
    assert books.read("select distinct provider from offer_latest order by 1") == [
        ("aws",),
        ("azure",),
        ("runpod",),
    ]
    assert {row[0] for row in books.read("select distinct provider from gpu_vote_day")} == {
        "aws",
        "azure",
        "runpod",
    }
    # the receipt of an old answer still leads to its offer
    former = before[3].offer_id
    assert books.read(f"select offer_id from former_offer_id where former_id = '{former}'") == [
        (now[3].offer_id,)
    ]
    assert now[4].price.amount == Decimal(3)
