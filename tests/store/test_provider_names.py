"""A ledger of an earlier release that took a tier for a provider keeps its history under the cloud's own name."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

DAY_ONE = datetime(2026, 8, 1, tzinfo=UTC)
HISTORY = (
    "select provider, tier, sku, purchase_option, amount, valid_from, valid_to, last_seen_at"
    " from price_history order by all"
)
COVERED = "select provider, kind, covers_from, covers_until, row_count from price_list order by all"


def seen(an_offer: Any, sku: str, day: int, usd: Any, **terms: Any) -> Any:
    return an_offer(sku, usd, observed_at=DAY_ONE + timedelta(days=day), availability="unknown", **terms)


def rows(
    an_offer: Any, cloud: dict[str, Any], managed: dict[str, Any], spot: dict[str, Any], block: dict[str, Any]
) -> list[Any]:
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
        seen(an_offer, "f", 5, 4, **block),
    ]


@pytest.mark.parametrize("release", ["2", "3"])
def test_tiers_and_products_taken_for_providers_are_folded_with_their_history(
    books, an_offer, books_in, tmp_path, release
):
    before = rows(
        an_offer,
        {"provider": "runpod_community", "tier": "community"},
        {"provider": "aws_sagemaker"},
        {"provider": "azure_spot"},
        {"provider": "aws_capacity_blocks"},
    )
    now = rows(
        an_offer,
        {"provider": "runpod", "tier": "community"},
        {"provider": "aws", "tier": "sagemaker"},
        {"provider": "azure", "purchase_option": "spot"},
        {"provider": "aws", "purchase_option": "capacity_block"},
    )
    fresh = books_in(tmp_path / "fresh")
    for ledger, facts in ((books, before), (fresh, now)):
        ledger.run(*facts, source="list", at=DAY_ONE + timedelta(days=20))
    with books.writing() as connection:
        connection.execute(f"update ledger_setting set value = '{release}' where name = 'identity'")
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


def test_a_row_that_says_otherwise_than_its_providers_name_keeps_that_name(books, an_offer):
    """A commitment of nobody knows how long was made the plain on-demand price of the cloud."""
    books.run(
        seen(an_offer, "a", 0, 2, provider="aws_reserved"),
        seen(an_offer, "b", 0, 2, provider="aws_on_demand", purchase_option="spot"),
        source="list",
        at=DAY_ONE + timedelta(days=20),
    )
    with books.writing() as connection:
        connection.execute("update ledger_setting set value = '3' where name = 'identity'")
    with books.writing() as connection:
        kept = connection.execute("select provider, purchase_option from offer order by 1").fetchall()
    assert kept == [("aws_on_demand", "spot"), ("aws_reserved", "on_demand")]


def test_a_name_that_may_be_a_clouds_has_no_vote_beside_it(books, an_offer):
    for day in (0, 1, 2):
        books.run(
            *(
                seen(an_offer, f"{provider}{day}", day, 2, provider=provider)
                for provider in ("aws", "azure", "aws_outposts", "fluidstack")
            ),
            source="list",
            at=DAY_ONE + timedelta(days=20, hours=day),
        )
    books.publish()
    voted = {row[0] for row in books.read("select distinct provider from gpu_vote_day")}
    assert voted == {"aws", "azure", "fluidstack"}
