"""List prices of storage and transfer, in the currency they are published in."""

from datetime import date, timedelta
from decimal import Decimal

from gpuledger.core.offer import ExchangeRate, StoragePrice, TransferPrice
from gpuledger.core.store import sql

STORAGE = StoragePrice(
    provider="scaleway", sku="block", kind="block", amount_per_gb_month=Decimal("0.10"), currency="EUR"
)
EGRESS = TransferPrice(
    provider="scaleway", sku="egress", direction="egress", amount_per_gb=Decimal("0.01"), currency="EUR"
)


def test_a_price_in_euros_takes_the_rate_that_was_in_force_then(books, an_offer):
    first, second = books.at + timedelta(days=1), books.at + timedelta(days=11)
    for at, usd_per_unit in ((first, "1.10"), (second, "1.20")):
        rate = ExchangeRate(
            currency="EUR",
            usd_per_unit=Decimal(usd_per_unit),
            rate_date=date(at.year, at.month, at.day),
        )
        books.run(an_offer("H100"), at=at, side_facts=(STORAGE, EGRESS, rate))
    with books.writing() as connection:
        asked = [{"as_of": at} for at in (first + timedelta(days=5), second + timedelta(days=5), None)]
        storage = [sql.rows(connection, "queries/storage_list_price", at)[0] for at in asked]
        transfer = [sql.rows(connection, "queries/transfer_list_price", at)[0] for at in asked]
    assert [row["usd_per_gb_month"] for row in storage] == [Decimal("0.11"), Decimal("0.12"), Decimal("0.12")]
    assert [row["usd_per_gb"] for row in transfer] == [Decimal("0.011"), Decimal("0.012"), Decimal("0.012")]
