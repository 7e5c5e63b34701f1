"""A quote as a usage file of Infracost: hours a month of the instances that the job runs on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gpuledger.core.errors import UsageError
from gpuledger.core.money import HOURS_PER_MONTH
from gpuledger.core.purchase_option import option_text

RESOURCES = {
    "aws": "aws_instance",
    "azure": "azurerm_linux_virtual_machine",
    "gcp": "google_compute_instance",
}
"""Terraform's resource by provider; Infracost prices no other provider (its own list of resources, 2026-11-30)."""
_RESERVED_TERMS = {12: "1_year", 36: "3_year"}
_NOT_A_NAME = re.compile(r"[^a-z0-9_]+")


def usage_file(answer: Mapping[str, Any]) -> str:
    """YAML of the best quote of a provider that Infracost knows, with the resource named after the plan.

    Args:
        answer: of `gpuledger.core.cost.quote_set.QuoteSet.to_dict`.

    Raises:
        UsageError: no quote is of such a provider.
    """
    quote = next((one for one in answer["quotes"] if one["provider"] in RESOURCES), None)
    if quote is None:
        seen = ", ".join(sorted({one["provider"] for one in answer["quotes"]}))
        raise UsageError(
            f"infracost: it prices {', '.join(RESOURCES)} alone, and the quotes are of {seen}; ask for one of them, "
            "as --provider aws does"
        )
    hours = float(quote["wall_hours"]["mid"])
    # as many hours a month as Infracost counts, its default of `monthly_hrs`
    month = float(HOURS_PER_MONTH)
    name = _NOT_A_NAME.sub("_", str(answer["plan"]).lower()).strip("_") or "training"
    every = "[*]" if quote["nodes"] > 1 else ""
    monthly = min(hours, month)
    lines = [
        f"# quote {quote['quote_id']}: {quote['nodes']} x {quote['instance_type']} in {quote['region']}, "
        f"{option_text(quote['purchase_option'])}, {hours:.2f} hours in all, as of {answer['as_of']}",
        *([f"# {hours / month:.1f} months of {month:g} hours"] if hours > month else []),
        *(
            ["# Infracost counts on-demand hours: it has no key for spot"]
            if quote["purchase_option"] == "spot"
            else []
        ),
        "version: 0.1",
        "resource_usage:",
        f"  {RESOURCES[quote['provider']]}.{name}{every}:",
        f"    monthly_hrs: {monthly:.2f}",
    ]
    term = _RESERVED_TERMS.get(quote["term_months"] or 0)
    if quote["provider"] == "aws" and quote["purchase_option"] == "reserved" and term:
        lines += [
            "    reserved_instance_type: standard",
            f"    reserved_instance_term: {term}",
            "    reserved_instance_payment_option: no_upfront",
        ]
    return "\n".join(lines) + "\n"
