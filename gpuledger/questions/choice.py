"""From the words of a question to the offers that it chooses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gpuledger import parse
from gpuledger.core.count import counted
from gpuledger.core.errors import UnknownGPUError, UsageError
from gpuledger.core.provider import place_code
from gpuledger.core.provider_name import cloud_in, is_known, named_provider, provider_asked
from gpuledger.core.purchase_option import option_text
from gpuledger.core.validity import ALL_STATES, LAPSED, order_gpus

if TYPE_CHECKING:
    import duckdb

    from gpuledger.core.store.offers import LatestOffer, OfferPage, OfferQuery, Unplaced

LISTS = (
    *("gpu_names", "vendors", "providers", "regions", "tiers", "purchase_options", "sources"),
    *("instance_types", "availabilities", "states"),
)
MONEY = ("min_price", "max_price", "max_usd_per_gpu_hour")
LISTED_STATES = tuple(state for state in ALL_STATES if state != LAPSED)
"""What a list of offers shows unless it is told otherwise: lapsed prices are history."""


def offer_query(gpu: str | None = None, *, limit: int | None = None, **filters: Any) -> OfferQuery:
    """The offers that a SPEC and filters choose.

    Args:
        limit: at most so many rows.
        filters: other fields of `OfferQuery`; `None` and empty do not filter.

    Raises:
        UnknownGPUError: no such accelerator.
        UsageError: the SPEC cannot be understood, or a filter does not exist.
    """
    from gpuledger.core.spec import parse_spec
    from gpuledger.core.store.offers import OfferQuery

    spec = None if gpu is None else parse_spec(gpu)
    existing = {one.name for one in fields(OfferQuery)} - {"gpu_ids", "max_rows"}
    unknown = [name for name in filters if name not in existing]
    if unknown:
        import difflib

        nearest = difflib.get_close_matches(unknown[0], existing, n=3)
        hint = f"; did you mean {', '.join(nearest)}?" if nearest else ""
        raise UsageError(f"{unknown[0]}: no such filter{hint}")
    chosen = {name: value for name, value in filters.items() if value is not None}
    for name in LISTS:
        if name in chosen:
            chosen[name] = parse.names(chosen[name])
    if "providers" in chosen:
        chosen["providers"] = [provider_asked(name) for name in chosen["providers"]]
    if "regions" in chosen:
        chosen["regions"] = [place_code(name) for name in chosen["regions"]]
    for name in MONEY:
        if name in chosen:
            chosen[name] = parse.dollars(chosen[name], name)
    if spec is not None:
        least = (chosen.get("min_gpu_count"), spec.min_count)
        most = (chosen.get("max_gpu_count"), spec.max_count)
        chosen["min_gpu_count"] = max((count for count in least if count is not None), default=None)
        chosen["max_gpu_count"] = min((count for count in most if count is not None), default=None)
    return OfferQuery(gpu_ids=None if spec is None else spec.gpu_ids, max_rows=limit, **chosen)


def cards_named(names: str | Sequence[str] | None) -> tuple[list[str], UnknownGPUError | None]:
    """What gpuhunt's `gpu_name` means by the names; the error of those that mean nothing.

    NVL is a name of its own there (`H100NVL`), and a name of several cards (`RTX6000`) is the one that it has without
    a memory. A provider's own label means no accelerator and may match all the same.
    """
    from gpuledger.core.alias import seed_aliases
    from gpuledger.core.gpu import gpus
    from gpuledger.core.spec import gpu_ids_named, parse_spec

    meant: list[str] = []
    unknown: UnknownGPUError | None = None
    for name in parse.names(names):
        ids = gpu_ids_named(name)
        if len({gpus()[gpu_id].architecture for gpu_id in ids}) > 1:
            plain = seed_aliases().resolve("", name, None)
            ids = ids if plain is None else (plain,)
        if "nvl" not in name.lower():
            ids = tuple(gpu_id for gpu_id in ids if gpus()[gpu_id].form_factor != "nvl")
        meant += ids or [name]
        if not ids:
            try:
                parse_spec(name)
            except UnknownGPUError as error:
                unknown = error
    return meant, unknown


_OF_ONE_ORDER = ("usd_per_hour", "upfront_usd", "vcpus", "memory_gib")
"""What grows with the GPUs of an order where an offer is sold per GPU."""


def offer_row(offer: LatestOffer, moment: datetime, least: float | None = None) -> dict[str, Any]:
    """One offer for output: every field, and how fresh its price is at that time. `gpu_count` and `usd_per_hour` are
    those of one order: of what is sold per GPU the smallest that holds `least` accelerators. `amount` stays as
    published."""
    row = {name: getattr(offer, name) for name in offer.__slots__}
    row["gpu_count"] = order_gpus(offer.gpu_count, offer.min_gpus, offer.max_gpus, least)
    if row["gpu_count"] != offer.gpu_count:
        units = row["gpu_count"] / offer.gpu_count
        row |= {name: None if row[name] is None else row[name] * units for name in _OF_ONE_ORDER}
    row["price_state"] = offer.price_state(moment)
    row["price_age_hours"] = round(offer.age(moment).total_seconds() / 3600, 2)
    return row


def add_survival(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]], as_of: datetime | None
) -> None:
    """Give each row the key `survival`: of a stale one, the share of prices like it that held longer than its age."""
    from gpuledger.core.store.older_price import survival

    cases = {
        place: (row["provider"], row["purchase_option"], row["price_age_hours"])
        for place, row in enumerate(rows)
        if row["price_state"] == "stale"
    }
    texts = survival(connection, cases.values(), as_of=as_of)
    for place, row in enumerate(rows):
        row["survival"] = texts.get(cases[place]) if place in cases else None


def provider_hints(connection: duckdb.DuckDBPyConnection, named: Iterable[str]) -> list[str]:
    """A line for each provider that the ledger does not know, with the nearest that it does."""
    import difflib

    from gpuledger.core.store import sql

    chosen = list(named)
    if not chosen:
        return []
    existing: list[str] = [row["provider"] for row in sql.rows(connection, "queries/provider_names")]
    hints: list[str] = []
    for name in chosen:
        meant = named_provider(name)
        if provider_asked(name) in existing:
            continue
        if meant.provider in existing:
            terms = [
                f"{what} {word}"
                for what, word in (("tier", meant.tier), ("option", meant.purchase_option))
                if word is not None
            ]
            hints.append(
                f"{name!r} is not a provider but what {meant.provider} sells: ask for provider {meant.provider},"
                f" {' and '.join(terms)}"
            )
        else:
            nearest = difflib.get_close_matches(name.lower(), existing, n=3) or existing
            hints.append(f"no provider {name!r} here; did you mean {', '.join(nearest)}?")
    return hints


def unknown_providers(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """A line for each provider of the ledger whose name is not known, and what is made of it."""
    from gpuledger.core.store import sql

    lines: list[str] = []
    for row in sql.rows(connection, "queries/provider_names"):
        name, cloud = row["provider"], cloud_in(row["provider"])
        if cloud is not None:
            meaning = f"it holds the name of {cloud}, which may sell it: no vote in the index"
        elif not is_known(name):
            meaning = "taken for a provider of its own"
        else:
            continue
        lines.append(f"unknown provider {name} ({counted(row['offers'], 'offer')}): {meaning}")
    return lines


def region_hints(connection: duckdb.DuckDBPyConnection, named: Iterable[str]) -> list[str]:
    """A line for each region, country or continent that no offer of the ledger ever had, with the nearest that one
    had: by the code, or by the name of the place (`germany`, `frankfurt`)."""
    import difflib

    from gpuledger.core.store import sql

    chosen = list(named)
    if not chosen:
        return []
    places = sql.rows(connection, "queries/places")
    codes = {row["code"] for row in places}
    hints: list[str] = []
    for name in chosen:
        word = " ".join(name.casefold().replace("-", " ").replace("_", " ").split())
        if name.casefold() in codes or place_code(name).casefold() in codes:
            continue
        whole = re.compile(rf"\b{re.escape(word)}\b")
        called = [row["code"] for row in places if whole.search((row["place_names"] or "").casefold())]
        nearest = [
            *called[:3],
            *difflib.get_close_matches(name.casefold(), codes, n=3),
        ]
        hint = f"; did you mean {', '.join(dict.fromkeys(nearest))}?" if nearest else ""
        hints.append(
            f"no region, country or continent {name!r} here{hint or '; `gpuledger regions` lists them'}"
        )
    return hints


def unplaced_hint(connection: duckdb.DuckDBPyConnection, query: OfferQuery) -> list[str]:
    """Lines where offers are left out that may be where it was asked for; after the question itself."""
    from gpuledger.core.store.offers import without_place

    return _left_out(without_place(connection, query))


def unplaced_ever_hint(connection: duckdb.DuckDBPyConnection, query: OfferQuery) -> list[str]:
    """The same after a question about history."""
    from gpuledger.core.store.offers import without_place_ever

    return _left_out(without_place_ever(connection, query))


def _left_out(unplaced: Unplaced) -> list[str]:
    lines: list[str] = []
    if unplaced.nowhere:
        lines.append(f"{counted(unplaced.nowhere, 'offer')} left out: their place is not known")
    if unplaced.countryless:
        lines.append(
            f"{counted(unplaced.countryless, 'offer')} left out: their continent is known, their country is not"
        )
    return lines


def lapsed_hint(
    connection: duckdb.DuckDBPyConnection, query: OfferQuery, *, moment: datetime, as_of: datetime | None
) -> list[str]:
    """A line where only lapsed prices match."""
    from gpuledger.core.store.offers import offer_page

    lapsed = offer_page(connection, replace(query, states=(LAPSED,), max_rows=1), at=moment, as_of=as_of)
    return [f"only lapsed prices match ({lapsed.total}); --state lapsed lists them"] if lapsed.total else []


def is_read_at_once(query: OfferQuery) -> bool:
    """Whether one answer holds the whole list and, behind it, the lapsed prices that are spoken of beside a list: of
    chosen accelerators all offers, the best first. Planning a second question takes a third of a command."""
    return (
        query.gpu_ids is not None
        and query.order_by == "best"
        and query.max_rows is None
        and not (query.states or query.best_per_provider or query.descending or query.skip_rows)
    )


def parted(page: OfferPage, moment: datetime) -> tuple[OfferPage, list[LatestOffer]]:
    """The list of an answer that holds lapsed prices too, and these, which come last."""
    listed = sum(offer.price_state(moment) != LAPSED for offer in page.offers)
    return replace(
        page, offers=page.offers[:listed], total=listed, derived=page.derived[:listed]
    ), page.offers[listed:]


def older_hints(
    connection: duckdb.DuckDBPyConnection,
    query: OfferQuery,
    page: OfferPage,
    lapsed: Sequence[LatestOffer] | None,
    *,
    moment: datetime,
    as_of: datetime | None,
) -> list[str]:
    """What `cheapest` says on older prices, of each purchase option of an accelerator: that none is live, or that an
    older one would be cheaper. Nothing of later pages, and nothing where states were chosen without the fresh.

    Args:
        page: the answer to the query: where it holds every offer with the best first, only lapsed prices are asked for.
        lapsed: where they were read with the page, the lapsed prices that can be the cheapest of those remembered.
    """
    from gpuledger.core.cheapest import on_older_prices
    from gpuledger.core.store.offers import offers

    if query.gpu_ids is None or query.skip_rows or (query.states and "fresh" not in query.states):
        return []
    ordered = replace(query, order_by="best", descending=False, max_rows=None)
    is_whole = len(page.offers) == page.total and not query.states and not query.best_per_provider
    if is_whole and query.order_by == "best" and not query.descending:
        firsts, older_states = page.offers, (LAPSED,)
    else:
        best = replace(ordered, best_per_provider=True, states=query.states or LISTED_STATES)
        firsts, older_states = offers(connection, best, at=moment, as_of=as_of), ("stale", LAPSED)
    other = replace(ordered, best_per_provider=False, states=older_states)
    older = offers(connection, other, at=moment, as_of=as_of) if lapsed is None else lapsed
    options = list(dict.fromkeys(offer.purchase_option for offer in firsts))
    remarks: list[str] = []
    for option in sorted(options):
        of_option = [
            offer
            for offer in (*firsts, *older)
            if offer.purchase_option == option and offer.usd_per_gpu_hour is not None
        ]
        if of_option:
            lines = on_older_prices(of_option[0], of_option, moment)
            name = option_text(option)
            remarks += [f"{name}: {line}" if len(options) > 1 else line for line in lines]
    return remarks
