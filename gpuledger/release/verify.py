# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false, reportUnknownParameterType=false
"""Prove a release: its bytes against the manifest, closed months against the chain, the index against its votes and the
votes against the prices."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from gpuledger.core.errors import CorruptError
from gpuledger.core.price_index import METHOD_VERSION, IndexDay, ProviderDay, index_on
from gpuledger.core.purchase_option import option_text
from gpuledger.core.store.index_days import SeriesKey
from gpuledger.release.folder import other_files
from gpuledger.release.layout import (
    CHAIN,
    LATEST,
    OFFERS,
    PRICES,
    SIGNATURE,
    ReleaseManifest,
    chain_faults,
    read_chain,
)
from gpuledger.release.reading import Get, fault_of, is_address, manifest_of, opened, rows_fault, table_of
from gpuledger.release.sign import check_signature
from gpuledger.release.tables import INDEX_FILE, VOTES_FILE

ALWAYS = (CHAIN, LATEST, OFFERS, INDEX_FILE, VOTES_FILE)
"""Files that every release has."""

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
    other_files: tuple[str, ...]
    """In the folder, but in no manifest: nothing is proved of them. Of an address none is known."""


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
        if file_body is not None and file.path.endswith(".parquet"):
            fault = rows_fault(file_body, file)
        if fault is not None:
            faults.append(fault)
        elif file_body is not None and file.path in (CHAIN, INDEX_FILE, VOTES_FILE):
            bodies[file.path] = file_body
    faults += _chain_faults(manifest, bodies, place)
    others, wrong_months = _others(place, manifest)
    faults += wrong_months
    series, index_day = 0, None
    if manifest.index_method != METHOD_VERSION:
        faults.append(
            f"the index is of method {manifest.index_method}, this program computes method {METHOD_VERSION}"
        )
    elif INDEX_FILE in bodies and VOTES_FILE in bodies:
        try:
            index_day, series, wrong = _index_faults(bodies, day)
            faults += wrong
            if index_day is not None:
                faults += _price_faults(get, manifest, bodies[VOTES_FILE], index_day)
        except CorruptError as error:
            faults.append(str(error))
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
        other_files=tuple(others),
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
        check_signature(body, signature, key)
    except CorruptError as error:
        faults.append(str(error))
        return "wrong"
    return "good"


def _chain_faults(manifest: ReleaseManifest, bodies: Mapping[str, bytes], place: str) -> Iterator[str]:
    # Left out of the manifest, a file would be missed by nobody at an address, whose folder cannot be listed.
    yield from (f"{path} is in no manifest" for path in ALWAYS if manifest.file(path) is None)
    if CHAIN not in bodies:
        return
    try:
        links = read_chain(bodies[CHAIN], place)
    except CorruptError as error:
        yield str(error)
        return
    yield from chain_faults(manifest, links)


def _others(place: str, manifest: ReleaseManifest) -> tuple[list[str], list[str]]:
    """Files beside the release, and those of them that a reader of its months would take for its own."""
    if is_address(place):
        return [], []
    others = other_files(Path(place), {file.path for file in manifest.files})
    months = [name for name in others if name.startswith(f"{PRICES}/") and name.endswith(".parquet")]
    return others, [f"{name} is in no manifest" for name in months]


_SERIES_KINDS = dict.fromkeys(("gpu_id", "purchase_option", "segment"), "string") | {
    "price_date": "date32[day]"
}
_MONEY = "decimal128(18, 6)"
_INDEX = _SERIES_KINDS | {
    **dict.fromkeys(("state", "reason", "floor_provider"), "string"),
    **dict.fromkeys(("chain", "providers", "matched_offers"), "int32"),
    **dict.fromkeys(("price_index", "low", "high", "dispersion"), "double"),
    **dict.fromkeys(("usd_per_gpu_hour", "floor_usd_per_gpu_hour", "median_usd_per_gpu_hour"), _MONEY),
}
_VOTES = _SERIES_KINDS | {
    "provider": "string",
    "matched_offers": "int32",
    "log_change": "double",
    "cheapest_usd_per_gpu_hour": _MONEY,
}
_SEEN = {
    **dict.fromkeys(("gpu_id", "purchase_option", "provider"), "string"),
    "usd_per_gpu_hour": _MONEY,
    "observed_at": "timestamp[us, tz=UTC]",
}
"""Columns that are read, by the file they are in, and their Arrow types."""


def _index_faults(bodies: Mapping[str, bytes], day: date | None) -> tuple[date | None, int, list[str]]:
    """Chain the votes of every series again up to a day, and compare that day."""
    import pyarrow.compute as pc

    index = table_of(bodies[INDEX_FILE], INDEX_FILE, _INDEX)
    if not index.num_rows:
        return None, 0, []
    chosen = day or max(index["price_date"].to_pylist())
    published = {_series(row): row for row in index.filter(pc.equal(index["price_date"], chosen)).to_pylist()}
    if not published:
        return None, 0, [f"{INDEX_FILE} has no row of {chosen}"]
    series, levels = len(published), _levels(index)
    faults: list[str] = []
    all_votes = table_of(bodies[VOTES_FILE], VOTES_FILE, _VOTES)
    # a provider of which nothing was to be had that day votes without a price
    for name in _VOTES.keys() - {"segment", "cheapest_usd_per_gpu_hour"}:
        if all_votes[name].null_count:
            raise CorruptError(f"{VOTES_FILE}: a vote has no {name}")
    for key, votes in _votes(all_votes, chosen):
        row = published.pop(key, None)
        computed = index_on(votes, chosen, purchase_option=key[1])
        if row is not None or computed is not None:
            faults += _differences(key, chosen, row, computed)
        if row is not None and computed is not None:
            faults += _price_differences(key, row, levels)
    for key, row in published.items():
        faults += _differences(key, chosen, row, None)
    return chosen, series, faults


_SERIES = ("gpu_id", "purchase_option", "segment")


def _votes(table: Any, chosen: date) -> Iterator[tuple[SeriesKey, list[ProviderDay]]]:
    """The votes of each series up to a day; and one of nobody on the day after it, where the series goes on."""
    import pyarrow.compute as pc

    later = table.filter(pc.greater(table["price_date"], chosen)).group_by(list(_SERIES)).aggregate([])
    goes_on = set(zip(*(later[name].to_pylist() for name in _SERIES), strict=True))
    until = table.filter(pc.less_equal(table["price_date"], chosen))
    keys = zip(*(_values(until[name]) for name in _SERIES), strict=True)
    columns = ("price_date", "provider", "matched_offers", "log_change", "cheapest_usd_per_gpu_hour")
    votes = map(ProviderDay._make, zip(*(_values(until[name]) for name in columns), strict=True))
    series: dict[SeriesKey, list[ProviderDay]] = {}
    for key, group in groupby(zip(keys, votes, strict=True), key=itemgetter(0)):
        series.setdefault(key, []).extend(vote for _, vote in group)
    day_after = chosen + timedelta(days=1)
    for key, rows in series.items():
        if key in goes_on:
            rows.append(ProviderDay(day_after, "", 0, 0.0, rows[-1].cheapest_usd_per_gpu_hour))
        yield key, rows


def _values(column: Any) -> Iterable[Any]:
    """What is in a column. Each distinct value is made once: days and prices repeat, and are dear to make."""
    import pyarrow as pa

    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    coded = whole.dictionary_encode()
    distinct = [*coded.dictionary.to_pylist(), None]
    return map(distinct.__getitem__, coded.indices.fill_null(-1).to_pylist())


def _series(row: Mapping[str, Any]) -> SeriesKey:
    segment = row["segment"]
    return row["gpu_id"], row["purchase_option"], None if segment in (None, "all") else segment


_COMPARED = {"price_index": "index"} | {
    name: name
    for name in (
        *("state", "reason", "chain", "low", "high", "providers", "matched_offers", "dispersion"),
        *("floor_usd_per_gpu_hour", "floor_provider", "median_usd_per_gpu_hour"),
    )
}
"""Column of the index -> field of `IndexDay`."""


def _differences(
    key: SeriesKey, day: date, row: Mapping[str, Any] | None, computed: IndexDay | None
) -> Iterator[str]:
    name = f"the index of {' '.join(word or 'all' for word in key)} on {day}"
    if computed is None or row is None:
        yield (
            f"{name} follows from no vote"
            if computed is None
            else f"{name} is missing, and its votes give one"
        )
        return
    for column, field in _COMPARED.items():
        published, recomputed = row[column], getattr(computed, field)
        if not _is_same(published, recomputed):
            yield f"{name} has {column} {published}, its votes give {recomputed}"


def _levels(index: Any) -> dict[tuple[SeriesKey, int], tuple[date, float]]:
    """By series and chain its last published day, and the dollars of a point of the index then."""
    import pyarrow.compute as pc

    levels: dict[tuple[SeriesKey, int], tuple[date, float]] = {}
    index = index.filter(pc.equal(index["state"], "published"))
    columns = (*_SERIES, "chain", "price_date", "median_usd_per_gpu_hour", "price_index")
    for gpu_id, option, segment, chain, day, median, value in zip(
        *(_values(index[name]) for name in columns), strict=True
    ):
        at = ((gpu_id, option, None if segment == "all" else segment), chain)
        if median and value and (at not in levels or day > levels[at][0]):
            levels[at] = day, float(median) / value
    return levels


def _price_differences(
    key: SeriesKey, row: Mapping[str, Any], levels: Mapping[tuple[SeriesKey, int], tuple[date, float]]
) -> Iterator[str]:
    """The index as a price: the median of the chain's last published day, moved by the index."""
    _, level = levels.get((key, row["chain"]), (None, None))
    usd, value = row["usd_per_gpu_hour"], row["price_index"]
    computed = None if level is None or value is None else level * value
    is_same = (
        abs(float(usd) - computed) <= 1e-6 + CLOSE * computed
        if usd is not None and computed is not None
        else usd is None and computed is None
    )
    if not is_same:
        yield (
            f"the index of {' '.join(word or 'all' for word in key)} on {row['price_date']} has"
            f" usd_per_gpu_hour {usd}, its chain gives {computed}"
        )


def _is_same(published: Any, recomputed: Any) -> bool:
    if isinstance(published, float) and isinstance(recomputed, float):
        return math.isclose(published, recomputed, rel_tol=CLOSE)
    return published == recomputed


def _price_faults(get: Get, manifest: ReleaseManifest, votes: bytes, day: date) -> Iterator[str]:
    """Every cheapest price that a provider voted with on the day must be a price that was seen of it by then."""
    import pyarrow.compute as pc

    table = table_of(votes, VOTES_FILE, _VOTES)
    table = table.filter(pc.equal(table["price_date"], day))
    columns = ["gpu_id", "purchase_option", "provider", "cheapest_usd_per_gpu_hour"]
    named = pc.is_valid(table["cheapest_usd_per_gpu_hour"])
    unseen_prices = {tuple(row.values()) for row in table.filter(named).select(columns).to_pylist()}
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
        seen = table_of(body, file.path, _SEEN)
        seen = seen.filter(pc.less(seen["observed_at"], end)).drop_columns(["observed_at"])
        distinct = seen.group_by(seen.column_names).aggregate([])
        unseen_prices -= {tuple(row.values()) for row in distinct.to_pylist()}
    for gpu_id, option, provider, usd in sorted(unseen_prices):
        vote = f"{provider} voted for {gpu_id}, {option_text(option)}, on {day} with {usd} USD per GPU-hour"
        yield f"{vote}, which no price file has"
