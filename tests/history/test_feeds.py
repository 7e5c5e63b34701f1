"""The change log of a release and its feeds."""

import re
from datetime import date
from decimal import Decimal

from gpuledger.core.store import sql
from gpuledger.release import feeds


def test_no_two_changes_may_stand_either_way_round():
    """Two moves of one day to one price changed places from one release to the next, and with them the digests."""
    text = sql.text("release/recent_change").lower()
    grouped, ordered = text.split("group by")[1].split("order by")
    columns = re.findall(r"[a-z_]+", grouped)
    assert len(columns) == 10
    assert [column for column in columns if not re.search(rf"\b{column}\b", ordered)] == []


def test_a_change_log_that_is_cut_off_says_so():
    row = {
        "price_date": date(2026, 11, 1),
        "provider": "x",
        "instance_type": "y",
        "gpu_count": 1,
        "gpu_id": "h100",
    }
    row |= {
        "purchase_option": "on_demand",
        "term_months": None,
        "regions": 1,
        "region": "z",
        "currency": "USD",
    }
    row |= {"unit": "hour", "before_amount": Decimal(1), "amount": Decimal(2), "change_percent": 100.0}
    assert "Only the newest 500 are told here" in feeds.markdown([row] * feeds.MOST_CHANGES)
    assert "Only the newest" not in feeds.markdown([row])
