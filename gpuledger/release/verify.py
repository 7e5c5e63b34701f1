# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false, reportUnknownParameterType=false
"""Prove a release: its bytes against the manifest, closed months against the chain, the index against its votes and the
votes against the prices."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from gpuledger.core.errors import CorruptError
from gpuledger.core.parquet import parquet_table
from gpuledger.core.price_index import METHOD_VERSION, IndexDay, ProviderDay, chained
from gpuledger.core.store.index_days import SeriesKey
from gpuledger.release.layout import (
    CHAIN,
    MANIFEST,
    PRICES,
    SIGNATURE,
    ReleaseManifest,
    closed_months,
    digest_of_files,
    read_chain,
)
from gpuledger.release.reading import Get, fault_of, is_address, manifest_of, opened
from gpuledger.release.sign import check
from gpuledger.release.tables import INDEX_FILE, VOTES_FILE

CLOSE = 1e-9
"""Relative distance of two floats that are one number."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was looked at, and what is wrong; nothing is, where `faults` is empty."""

    place: str
    number: int
    published_at: str
    files: int
    bytes: int
    index_day: str | None
    """Day whose index was computed again."""
    series: int
    """Series of the index that were computed again."""
    signature: str
    """`good`, `none`, or `not looked at` without a public key."""
    faults: tuple[str, ...]


def verify(place: str, *, day: date | None = None, public_key: Path | None = None) -> Verified:
    """Check everything; what is wrong is collected and named.

    Args:
        place: a folder or an address.
        day: whose index is computed again; the last one of the index without.
        public_key: Ed25519, PEM.

    Raises:
        CorruptError: no release is there.
        UnreachableError: the address does not answer.
    """
    get = opened(place)
    manifest, body = manifest_of(get, place)
    faults: list[str] = []
    signature = _signature(get, body, public_key, faults)
    bodies: dict[str, bytes] = {}
    for file in manifest.files:
        file_body, fault = fault_of(get, file)
        if fault is not None:
            faults.append(fault)
        elif file_body is not None and file.path in (CHAIN, INDEX_FILE, VOTES_FILE):
            bodies[file.path] = file_body
    faults += _chain_faults(manifest, bodies, place)
    if not is_address(place):
        faults += _unlisted(Path(place), manifest)
    series, index_day = 0, None
    if manifest.index_method != METHOD_VERSION:
        faults.append(
            f"the index is of method {manifest.index_method}, this program computes method {METHOD_VERSION}"
        )
    elif INDEX_FILE in bodies and VOTES_FILE in bodies:
        index_day, series, wrong = _index_faults(bodies, day)
        faults += wrong
        if index_day is not None:
            faults += _price_faults(get, manifest, bodies[VOTES_FILE], index_day)
    return Verified(
        place=place,
        number=manifest.number,
        published_at=manifest.published_at,
        files=len(manifest.files),
        bytes=sum(file.bytes for file in manifest.files),
        index_day=None if index_day is None else index_day.isoformat(),
        series=series,
        signature=signature,
        faults=tuple(dict.fromkeys(faults)),
    )


def _signature(get: Get, body: bytes, key: Path | None, faults: list[str]) -> str:
    try:
        signature = get(SIGNATURE, 4096)
    except FileNotFoundError:
        if key is not None:
            faults.append(f"{SIGNATURE} is missing, so the manifest is not signed")
        return "none"
    if key is None:
        return "not looked at"
    try:
        check(body, signature, key)
    except CorruptError as error:
        faults.append(str(error))
        return "wrong"
    return "good"


def _chain_faults(manifest: ReleaseManifest, bodies: Mapping[str, bytes], place: str) -> Iterator[str]:
    if CHAIN not in bodies:
        return
    try:
        links = read_chain(bodies[CHAIN], place)
    except CorruptError as error:
        yield str(error)
        return
    if not links or links[-1].number != manifest.number:
        yield f"{MANIFEST} is release {manifest.number}, {CHAIN} ends with {len(links)}"
    elif links[-1].files_sha256 != digest_of_files(manifest.files):
        yield f"{MANIFEST} lists other files than the last line of {CHAIN} binds"
    for path, (sha256, closed_by) in closed_months(links).items():
        file = manifest.file(path)
        if file is None:
            yield f"{path} is missing: release {closed_by} closed it"
        elif file.sha256 != sha256:
            yield f"{path} was rewritten after release {closed_by} had closed it"


def _unlisted(folder: Path, manifest: ReleaseManifest) -> Iterator[str]:
    listed = {file.path for file in manifest.files}
    for path in sorted((folder / PRICES).glob("*.parquet")):
        name = path.relative_to(folder).as_posix()
        if name not in listed:
            yield f"{name} is in no manifest"


def _index_faults(bodies: Mapping[str, bytes], day: date | None) -> tuple[date | None, int, list[str]]:
    """Chain the votes of every series again up to a day, and compare that day."""
    import pyarrow.compute as pc

    index = parquet_table(bodies[INDEX_FILE])
    if not index.num_rows:
        return None, 0, []
    chosen = day or max(index["price_date"].to_pylist())
    published = {_series(row): row for row in index.filter(pc.equal(index["price_date"], chosen)).to_pylist()}
    if not published:
        return None, 0, [f"{INDEX_FILE} has no row of {chosen}"]
    faults: list[str] = []
    left = dict(published)
    for key, votes in _votes(parquet_table(bodies[VOTES_FILE]), chosen):
        row = left.pop(key, None)
        if row is not None:
            days = chained(votes, purchase_option=key[1])
            faults += _differences(key, row, next((one for one in days if one.day == chosen), None))
    for key, row in left.items():
        faults += _differences(key, row, None)
    return chosen, len(published), faults


_ANY_PRICE = Decimal(1)
"""Of a vote: the level of the index is not compared, only how it moved."""


_SERIES = ("gpu_id", "purchase_option", "segment")
_VOTE = ("price_date", "provider", "matched_offers", "log_change")


def _votes(table: Any, chosen: date) -> Iterator[tuple[SeriesKey, list[ProviderDay]]]:
    """The votes of each series up to a day; and one of nobody on the day after it, where the series goes on."""
    import pyarrow.compute as pc

    later = table.filter(pc.greater(table["price_date"], chosen)).group_by(list(_SERIES)).aggregate([])
    goes_on = set(zip(*(later[name].to_pylist() for name in _SERIES), strict=True))
    until = table.filter(pc.less_equal(table["price_date"], chosen))
    until = until.sort_by([(name, "ascending") for name in (*_SERIES, "price_date")])
    rows = zip(*(until[name].to_pylist() for name in (*_SERIES, *_VOTE)), strict=True)
    for key, group in groupby(rows, key=itemgetter(0, 1, 2)):
        votes = [_vote(day, provider, matched, change) for _, _, _, day, provider, matched, change in group]
        if key in goes_on:
            votes.append(_vote(chosen + timedelta(days=1), "", 0, 0.0))
        yield key, votes


def _vote(day: date, provider: str, matched_offers: int, log_change: float) -> ProviderDay:
    return ProviderDay(
        day=day,
        provider=provider,
        matched_offers=matched_offers,
        log_change=log_change,
        cheapest_usd_per_gpu_hour=_ANY_PRICE,
    )


def _series(row: Mapping[str, Any]) -> SeriesKey:
    segment = row["segment"]
    return row["gpu_id"], row["purchase_option"], None if segment in (None, "all") else segment


_COMPARED = {"state": "state", "price_index": "index", "low": "low", "high": "high", "providers": "providers"}


def _differences(key: SeriesKey, row: Mapping[str, Any], computed: IndexDay | None) -> Iterator[str]:
    name = " ".join(word or "all" for word in key)
    if computed is None:
        yield f"the index of {name} on {row['price_date']} follows from no vote"
        return
    for column, field in _COMPARED.items():
        published, recomputed = row[column], getattr(computed, field)
        if not _is_same(published, recomputed):
            yield f"the index of {name} on {row['price_date']} has {column} {published}, its votes give {recomputed}"


def _is_same(published: Any, recomputed: Any) -> bool:
    if isinstance(published, float) and isinstance(recomputed, float):
        return math.isclose(published, recomputed, rel_tol=CLOSE)
    return published == recomputed


def _price_faults(get: Get, manifest: ReleaseManifest, votes: bytes, day: date) -> Iterator[str]:
    """Every cheapest price that a provider voted with on the day must be a price that was seen of it by then."""
    import pyarrow.compute as pc

    table = parquet_table(votes)
    table = table.filter(pc.equal(table["price_date"], day))
    columns = ["gpu_id", "purchase_option", "provider", "cheapest_usd_per_gpu_hour"]
    unseen_prices = {tuple(row.values()) for row in table.select(columns).to_pylist()}
    end = datetime.combine(day + timedelta(days=1), time(), UTC)
    months = sorted(
        (file for file in manifest.files if file.path.startswith(f"{PRICES}/")),
        key=lambda file: file.path,
        reverse=True,
    )
    for file in months:
        if not unseen_prices:
            return
        body, fault = fault_of(get, file)
        if body is None or fault is not None:
            continue
        seen = parquet_table(
            body, ["gpu_id", "purchase_option", "provider", "usd_per_gpu_hour", "observed_at"]
        )
        seen = seen.filter(pc.less(seen["observed_at"], end)).drop_columns(["observed_at"])
        distinct = seen.group_by(seen.column_names).aggregate([])
        unseen_prices -= {tuple(row.values()) for row in distinct.to_pylist()}
    for gpu_id, option, provider, usd in sorted(unseen_prices):
        yield f"{provider} voted for {gpu_id} {option} on {day} with {usd} USD per GPU-hour, which no price file has"
