"""Write `sql/seeds/token_price.csv` from the package genai-prices (MIT), which dates the prices of many APIs.

    uv run --with genai-prices python -m tools.token_prices

The package stays out of what is installed: it brings a second HTTP client and megabytes that are read at every
start, and it knows prices by day only where it saw them change, as the table does. Rows that it does not have,
such as prices of fine-tuning, are in `sql/seeds/token_price_own.csv` with their own sources.
"""

from __future__ import annotations

import csv
from decimal import Decimal
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gpuledger.core import seeds

PROVIDERS = (
    *(
        "anthropic",
        "aws",
        "azure",
        "baseten",
        "cerebras",
        "cohere",
        "deepseek",
        "fireworks",
        "google",
        "groq",
    ),
    *("minimax", "mistral", "moonshotai", "novita", "openai", "together", "x-ai", "zai"),
)
COLUMNS = (
    "provider",
    "model",
    "valid_from",
    "input_usd_per_mtok",
    "output_usd_per_mtok",
    "cached_input_usd_per_mtok",
    "source",
)


def rows(providers: Any, source: str) -> list[tuple[str, ...]]:
    """One row per provider, model and day from which a price holds; the base of prices by tiers."""
    out: list[tuple[str, ...]] = []
    for provider in providers:
        if provider.id not in PROVIDERS:
            continue
        for model in provider.models:
            prices: Any = model.prices
            several: list[Any] = [*prices] if isinstance(prices, list) else [prices]
            for one in several:
                start = getattr(getattr(one, "constraint", None), "start_date", None)
                if getattr(one, "constraint", None) is not None and start is None:
                    # by hour of the day: the price of the other hours is the one that always holds
                    continue
                price = getattr(one, "prices", one)
                inputs = [
                    _base(getattr(price, name, None))
                    for name in ("input_mtok", "output_mtok", "cache_read_mtok")
                ]
                if inputs[0] and inputs[1]:
                    out.append(
                        (provider.id, model.id, "" if start is None else start.isoformat(), *inputs, source)
                    )
    return sorted(set(out))


def _base(price: Any) -> str:
    value = getattr(price, "base", price)
    return "" if value is None else format(Decimal(str(value)).normalize(), "f")


def main() -> None:
    """Write the table again."""
    data = import_module("genai_prices.data")
    source = f"genai-prices {version('genai-prices')} (MIT)"
    path = Path(seeds.FOLDER) / "token_price.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows(data.providers, source))


if __name__ == "__main__":
    main()
