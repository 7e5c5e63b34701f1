"""The lines of the page's chart are what `cheapest --as-of` the end of each day answers for each provider."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from gpuledger.core.store import sql
from gpuledger.core.store.offers import OfferQuery, offers
from gpuledger.core.store.publish import reading
from gpuledger.core.validity import LAPSED, state_rank

FIRST = date(2026, 1, 14)
EVERY = 44
STEPS = 8


@pytest.mark.parametrize(
    "gpu_id",
    [
        pytest.param("h100-sxm-80gb", marks=pytest.mark.deep),
        "l4-24gb",
        pytest.param("rtx-4090-24gb", marks=pytest.mark.deep),
    ],
)
@pytest.mark.parametrize(
    ("query", "more", "least"),
    [
        ("price_chart_days", {}, 10),
        ("price_chart_days_chosen", {}, 10),
        pytest.param("price_chart_days_chosen", {"region": "eu"}, 5, marks=pytest.mark.deep),
        pytest.param("price_chart_days_chosen", {"region": "us"}, 0, marks=pytest.mark.deep),
        ("price_chart_days_chosen", {"min_count": 1, "max_count": 1}, 5),
        pytest.param("price_chart_days_chosen", {"providers": "runpod"}, 1, marks=pytest.mark.deep),
        pytest.param("price_chart_hours", {"region": "eu"}, 5, marks=pytest.mark.deep),
    ],
)
def test_a_day_of_the_chart_has_the_price_that_an_answer_about_its_end_has_first(
    history_home, gpu_id, query, more, least
):
    """A price between two equal sights had lapsed there, and a stale one below a fresh one was drawn."""
    last_day = FIRST + timedelta(days=EVERY * (STEPS - 1))
    first_end = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=1, microseconds=-1)
    asked: dict[str, Any] = {
        **dict.fromkeys(("providers", "tiers", "region", "max_count")),
        "gpu_ids": gpu_id,
        "purchase_options": "on_demand",
        "min_count": 1,
        **more,
    } | (
        {
            "since": first_end,
            "until": first_end + timedelta(days=EVERY * (STEPS - 1)),
            "step": timedelta(days=EVERY),
        }
        if query == "price_chart_hours"
        else {"first_day": FIRST, "last_day": last_day, "step_days": EVERY}
    )
    if query == "price_chart_days_chosen":
        asked["end_day"] = last_day + timedelta(days=1)
    chosen = OfferQuery(
        gpu_ids=[gpu_id],
        purchase_options=["on_demand"],
        min_gpu_count=1,
        max_gpu_count=more.get("max_count"),
        providers=[more["providers"]] if "providers" in more else [],
        regions=[more["region"]] if "region" in more else [],
    )
    answered: dict[tuple[int, str], tuple[int, float]] = {}
    with reading(history_home) as connection:
        drawn = {
            (row["step_no"], row["provider"]): row["usd_min"]
            for row in sql.rows(connection, f"queries/{query}", asked)
            if row["provider"] is not None
        }
        for step in range(STEPS):
            day = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=EVERY * step + 1)
            at = day - timedelta(microseconds=1)
            for offer in offers(connection, chosen, at=at, as_of=at):
                state = offer.price_state(at)
                if state != LAPSED and offer.usd_per_gpu_hour is not None:
                    price = (state_rank(state), float(offer.usd_per_gpu_hour))
                    key = (step, offer.provider)
                    answered[key] = min(price, answered.get(key, price))
    assert len(answered) >= least
    assert drawn == {key: usd for key, (_, usd) in answered.items()}
