"""Quotes kept by their id, and the chain from a quote's dollars to stored bytes: from the quote kept and what the
ledger still holds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gpuledger.core.cost.receipt import plan_fingerprint
from gpuledger.core.count import counted, decimal_text, instant_text
from gpuledger.core.errors import CorruptError, NoOfferError, UsageError
from gpuledger.core.files import write_whole
from gpuledger.core.plan import TrainingPlan
from gpuledger.core.seeds import constants_version
from gpuledger.core.store.home import Home

# Quotes by their id, so that each can be explained later.

_ID = re.compile(r"^[0-9a-f]{16}$")


def save_quote(home: Home, quote_id: str, content: Mapping[str, Any]) -> None:
    """Save a quote. The same id holds the same dollars, so the first stays.

    Raises:
        StoreError: the disk refused.
    """
    path = _path(home, quote_id)
    if not path.exists():
        write_whole(path, json.dumps(content, indent=1).encode(), is_durable=False)


def saved_quote(home: Home, quote_id: str) -> dict[str, Any]:
    """A quote saved earlier.

    Raises:
        UsageError: not the form of an id.
        NoOfferError: no such quote was saved here.
        CorruptError: the file cannot be read.
    """
    if not _ID.match(quote_id):
        raise UsageError(f"QUOTE_ID: {quote_id!r} is not 16 hex digits, as in 7a4e9db9fb1d84fd")
    path = _path(home, quote_id)
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NoOfferError(f"no quote {quote_id} was made in {home.path}") from None
    except (OSError, ValueError) as error:
        raise CorruptError(f"{path} is not a quote: {error}") from error


def saved_quotes_of(home: Home, plan: str) -> list[tuple[datetime, dict[str, Any]]]:
    """The first quotes of the rankings that were made of a plan of that name, with the time that they judged prices at;
    the newest first. Files that are no quote are no reason to know none of the others."""
    quotes: list[tuple[datetime, dict[str, Any]]] = []
    for path in (home.path / "quotes").glob("*.json"):
        try:
            quote = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if quote.get("plan") == plan and quote.get("rank") == 1 and quote.get("as_of"):
            quotes.append((datetime.fromisoformat(quote["as_of"]), quote))
    return sorted(quotes, key=lambda one: (one[0], one[1]["quote_id"]), reverse=True)


def plan_hash(plan: TrainingPlan) -> str:
    """What tells a plan from another of the same name: 16 hex digits of its keys as given."""
    return hashlib.sha256(plan_fingerprint(plan).encode()).hexdigest()[:16]


def _path(home: Home, quote_id: str) -> Path:
    return home.path / "quotes" / f"{quote_id}.json"


ObservationLookup = Callable[[str, str, int], Mapping[str, Any] | None]
"""(source, offer id, time of the change in microseconds) -> a row of sql/queries/explain_price.sql."""


def explanation(
    stored: Mapping[str, Any], body: Callable[[str], bytes], ledger: ObservationLookup
) -> dict[str, Any]:
    """The quote with its chain, one step per link: dollars, price, observation, document.

    Args:
        stored: a quote as `Quote.to_dict` wrote it, with the name of its plan.
        body: the archived bytes of a hash; raises `CorruptError` where there are none or they are wrong.
    """
    receipt = stored["receipt"]
    chain = [_dollars(stored), _price(receipt), _observation(receipt, ledger), _document(receipt, body)]
    if receipt["overrides"]:
        chain.insert(1, {"link": "own terms", "what": "; ".join(receipt["overrides"]), "state": "as given"})
    now = constants_version()
    chain.append(
        {
            "link": "constants",
            "what": f"version {receipt['constants_version']}",
            "state": "the same now" if now == receipt["constants_version"] else f"now {now}",
        }
    )
    return {
        "quote_id": stored["quote_id"],
        "plan": stored["plan"],
        "usd_total": stored["usd_total"],
        "snapshot": receipt["snapshot"],
        "chain": chain,
        "lines": stored["lines"],
        "receipt": receipt,
    }


def _dollars(stored: Mapping[str, Any]) -> dict[str, str]:
    inputs = [line for line in stored["lines"] if line["usd"] is not None]
    what = " + ".join(f"{line['usd']} {line['name']}" for line in inputs)
    return {
        "link": "dollars",
        "what": f"{what} = {stored['usd_total']['mid']}",
        "state": "lines sum to the total",
    }


def _price(receipt: Mapping[str, Any]) -> dict[str, str]:
    what = (
        f"{receipt['price_id']}: {receipt['amount']} {receipt['currency']} per {receipt['unit']}, "
        f"{receipt['usd_per_hour']} USD per hour"
    )
    return {"link": "price", "what": what, "state": f"last seen {receipt['observed_at']}"}


def _observation(receipt: Mapping[str, Any], ledger: ObservationLookup) -> dict[str, str]:
    source, _, changed = str(receipt["price_id"]).rpartition(":")
    row = (
        ledger(receipt["source"], receipt["offer_id"], int(changed)) if source and changed.isdigit() else None
    )
    if row is None:
        return {"link": "observation", "what": receipt["source"], "state": "not in this ledger"}
    same = decimal_text(row["amount"]) == receipt["amount"]
    return {
        "link": "observation",
        "what": f"run {row['run_id']} of {receipt['source']}, parser {row['parser_version']}, "
        f"price first seen {instant_text(row['changed_at'])}",
        "state": "the ledger says the same" if same else f"the ledger now says {decimal_text(row['amount'])}",
    }


def _document(receipt: Mapping[str, Any], body: Callable[[str], bytes]) -> dict[str, str]:
    sha256 = receipt["document_sha256"]
    if sha256 is None:
        return {"link": "document", "what": str(receipt["source_url"]), "state": "no document belongs to it"}
    try:
        state = f"{counted(len(body(sha256)), 'byte')} in the archive, hash verified"
    except CorruptError as error:
        state = str(error)
    return {"link": "document", "what": f"{receipt['source_url']} sha256 {sha256}", "state": state}
