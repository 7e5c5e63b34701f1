"""How an accelerator is bought, as the ledger writes it and as a sentence says it."""

from __future__ import annotations

import re


def option_word(text: str) -> str:
    """A way to buy or a tier as the ledger writes it: `On-Demand` and `on demand` are `on_demand`."""
    return re.sub(r"[\s-]+", "_", text.strip().lower())


def option_text(*words: str | None) -> str:
    """A tier and a way to buy as a sentence says them: `community` and `on_demand` are `community, on demand`. What is
    not told apart, and the tier that a provider's own machines have, says nothing."""
    return ", ".join(word.replace("_", " ") for word in words if word and word != "secure")
