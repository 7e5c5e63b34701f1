"""Price changes for people and feed readers: Markdown, JSON Feed 1.1 (jsonfeed.org) and Atom (RFC 4287)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from gpuledger import formats
from gpuledger.core.purchase_option import option_text

TITLE = "GPU price changes"
DAYS = 90
"""Of the past that the change log and the feeds tell."""
MOST_CHANGES = 500
"""In the change log and the feeds; who wants all has the price events."""


def sentence(row: Mapping[str, Any]) -> str:
    """One change in words."""
    term = f" {formats.number(row['term_months'])} months" if row["term_months"] else ""
    where = row["region"] if row["regions"] == 1 else f"{row['regions']} regions"
    unit = {"gpu_hour": "GPU-hour"}.get(row["unit"], row["unit"])
    option = option_text(row["purchase_option"])
    return (
        f"{row['provider']} {row['instance_type']} ({formats.number(row['gpu_count'])} x {row['gpu_id']}),"
        f" {option}{term}, {where}:"
        f" {formats.number(row['before_amount'])} to {formats.number(row['amount'])} {row['currency']} per {unit}"
        f" ({row['change_percent']:+.1f} %)"
    )


def markdown(changes: Sequence[Mapping[str, Any]]) -> str:
    """The change log, newest day first."""
    lines = [
        f"# {TITLE}\n",
        f"List prices that moved in the last {DAYS} days, newest first. Spot is in the Parquet.\n",
    ]
    if len(changes) == MOST_CHANGES:
        lines.append(
            f"Only the newest {MOST_CHANGES} are told here; the older ones are in the Parquet too.\n"
        )
    for day, rows in groupby(changes, key=lambda row: row["price_date"]):
        lines += [f"## {day}\n", *(f"- {sentence(row)}" for row in rows), ""]
    if not changes:
        lines.append("No list price moved.\n")
    return "\n".join(lines).rstrip("\n") + "\n"


def json_feed(changes: Sequence[Mapping[str, Any]], *, address: str) -> str:
    """The feed, one item per day and provider."""
    items = [
        {
            "id": key,
            "title": title,
            "content_text": "\n".join(texts),
            "date_published": f"{day}T00:00:00Z",
            **({"url": f"{address}/CHANGELOG.md"} if address else {}),
        }
        for key, title, day, texts in _items(changes)
    ]
    head: dict[str, Any] = {"version": "https://jsonfeed.org/version/1.1", "title": TITLE}
    if address:
        head |= {"home_page_url": f"{address}/", "feed_url": f"{address}/feed.json"}
    return json.dumps(head | {"items": items}, indent=1) + "\n"


def atom(changes: Sequence[Mapping[str, Any]], *, address: str, updated: str) -> str:
    """The same in Atom."""
    link = f'<link rel="self" href={quoteattr(f"{address}/atom.xml")}/>' if address else ""
    entries = "".join(
        f"<entry><id>{escape(key)}</id><title>{escape(title)}</title><updated>{day}T00:00:00Z</updated>"
        f"<content>{escape(chr(10).join(texts))}</content></entry>\n"
        for key, title, day, texts in _items(changes)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">'
        f"<id>urn:gpuledger:price-changes</id><title>{TITLE}</title><updated>{updated}</updated>"
        f"<author><name>gpuledger</name></author>{link}\n{entries}</feed>\n"
    )


def _items(changes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str, list[str]]]:
    for (day, provider), rows in groupby(changes, key=lambda row: (row["price_date"], row["provider"])):
        texts = [sentence(row) for row in rows]
        plural = "s" if len(texts) > 1 else ""
        yield (
            f"urn:gpuledger:{day}:{provider}",
            f"{provider}: {len(texts)} price change{plural}",
            str(day),
            texts,
        )
