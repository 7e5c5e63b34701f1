# pyarrow ships no types of its own.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportMissingTypeStubs=false
"""Write a release: static files that anybody can read, verify and serve from a plain file server."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gpuledger import formats
from gpuledger.core.errors import StoreError
from gpuledger.core.price_index import METHOD_VERSION
from gpuledger.core.store import sql
from gpuledger.ledger import Ledger
from gpuledger.questions.reader import SharedSnapshot
from gpuledger.release import card, feeds, page, tables
from gpuledger.release.folder import Mark, one_writer, other_files, refuse_others
from gpuledger.release.latest import latest
from gpuledger.release.layout import (
    CHAIN,
    LATEST,
    MANIFEST,
    NOT_LISTED,
    OFFERS,
    PRICES,
    SIGNATURE,
    File,
    Link,
    ReleaseManifest,
    closed_months,
    digest,
    digest_of,
    digest_of_files,
    read_chain,
    read_manifest,
)
from gpuledger.release.sign import sign

_WORDS = (LATEST, "CHANGELOG.md", "feed.json", "atom.xml", "README.md", "croissant.json")
_WHOLE = (*_WORDS, OFFERS, tables.INDEX_FILE, tables.VOTES_FILE, CHAIN, *sorted(NOT_LISTED))
"""Files that every release writes anew."""


@dataclass(frozen=True, kw_only=True)
class ReleaseReport:
    """What a release wrote."""

    folder: str
    number: int
    snapshot: int
    published_at: str
    files: int
    written: int
    """Files whose bytes are other than before."""
    bytes: int
    months: int
    closed: int
    """Months whose files no later release may change."""
    is_signed: bool
    other_files: tuple[str, ...]
    """Somebody else's in the folder: left alone, and not listed."""


def release(
    ledger: Ledger, folder: Path, *, key: Path | None = None, address: str = "", vendor: Path | None = None
) -> ReleaseReport:
    """Write the newest snapshot into a folder, or bring the release that is there up to it. Made twice of one snapshot
    it has the same bytes.

    Args:
        key: an Ed25519 private key in PEM, which signs the manifest.
        address: where the folder will be served, for feeds and card.
        vendor: what the page reads Parquet and runs SQL with, see `gpuledger.release.page`.

    Raises:
        StoreError: the folder cannot be written, somebody else's file is in the way, or a closed month in it is not
            what the chain says.
        CorruptError: what is there is no release.
        ConfigError: the key cannot sign; nothing is written.
    """
    if key is not None:
        sign(b"", key)  # refuses a key that cannot sign, before anything is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with one_writer(folder) as mark:
            return _release(ledger, folder, mark, key=key, address=address.rstrip("/"), vendor=vendor)
    except OSError as error:
        raise StoreError(f"cannot write {error.filename or folder}: {error.strerror}") from error


def _release(
    ledger: Ledger, folder: Path, mark: Mark, *, key: Path | None, address: str, vendor: Path | None
) -> ReleaseReport:
    links = read_chain(_bytes(folder / CHAIN), str(folder))
    former_files = _former_files(folder)
    page_files = page.sources(vendor)
    with ledger.reading() as snapshot:
        at = snapshot.edition.published_at.astimezone(UTC)
        number = snapshot.edition.number
        pinned = Ledger(
            ledger.home, clock=lambda: at, environ=ledger.environ, snapshots=SharedSnapshot(snapshot)
        )
        counts = tables.begin_tables(snapshot.connection)
        _check_closed(folder, links)
        if not mark.is_begun:
            names = {*_WHOLE, *page_files, *(tables.month_file(month) for month in (*counts, _month(at)))}
            bound = {CHAIN, *NOT_LISTED} if links or former_files else set[str]()
            refuse_others(folder, names, former_files.keys() | bound)
        mark.begin()
        (folder / PRICES).mkdir(exist_ok=True)
        rows = dict(_write_tables(folder, snapshot.connection, counts, links, at, former_files))
        since = (at - timedelta(days=feeds.DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
        changes = sql.rows(
            snapshot.connection, "release/recent_change", {"since": since, "most": feeds.MOST_CHANGES}
        )
        licences = _licences(snapshot.connection)
        content = latest(pinned, snapshot=number, published_at=_text(at))
    _write_words(folder, rows, changes, content, licences, at=_text(at), address=address)
    page.write(folder, page_files)
    own = {*former_files, *rows, *page_files, *_WORDS} - {CHAIN}
    return _bind(folder, own, links, former_files, rows, number=number, at=at, key=key)


def _month(at: datetime) -> str:
    return at.strftime("%Y-%m")


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _former_files(folder: Path) -> dict[str, File]:
    body = _bytes(folder / MANIFEST)
    return {file.path: file for file in read_manifest(body, str(folder)).files} if body else {}


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _check_closed(folder: Path, links: Sequence[Link]) -> None:
    for path, (sha256, closed_by) in closed_months(links).items():
        if not (folder / path).exists() or digest_of(folder / path) != sha256:
            raise StoreError(f"{folder / path} is not what release {closed_by} closed; put that file back")


def _write_tables(
    folder: Path,
    connection: Any,
    counts: dict[str, int],
    links: Sequence[Link],
    at: datetime,
    former_files: dict[str, File],
) -> Iterator[tuple[str, int]]:
    """Write the Parquet files that may have changed; yields all of them with their rows.

    Args:
        counts: events by month.
    """
    closed = closed_months(links)
    this_month = _month(at)
    paths = [folder / path for path in closed]
    held = tables.rows_by_month(connection, paths)
    late = [
        month
        for month, rows in counts.items()
        if tables.month_file(month) in closed and held.get(month, 0) < rows
    ]
    open_months = [month for month in counts if tables.month_file(month) not in closed]
    if this_month not in open_months and late:
        open_months.append(this_month)
    for month in sorted(counts.keys() - set(open_months)):
        path = tables.month_file(month)
        yield path, former_files[path].rows or 0 if path in former_files else held.get(month, 0)
    for month in open_months:
        path = tables.month_file(month)
        takes = (late, paths) if month == max(open_months) else None
        yield path, tables.write_month(connection, month, folder / path, late=takes)
    yield from tables.write_whole_files(connection, folder)


def _licences(connection: Any) -> list[tuple[str, str]]:
    text = (
        "select source, licence from source where source in (select distinct source from offer) and licence <> ''"
        " order by source"
    )
    return connection.execute(text).fetchall()


def _write_words(
    folder: Path,
    rows: dict[str, int],
    changes: Sequence[dict[str, Any]],
    content: dict[str, Any],
    licences: Sequence[tuple[str, str]],
    *,
    at: str,
    address: str,
) -> None:
    _put(folder / LATEST, formats.json_text(content) + "\n")
    _put(folder / "CHANGELOG.md", feeds.markdown(changes))
    _put(folder / "feed.json", feeds.json_feed(changes, address=address))
    _put(folder / "atom.xml", feeds.atom(changes, address=address, updated=at))
    events = sum(count for path, count in rows.items() if path.startswith(f"{PRICES}/"))
    counts = {
        "prices": events,
        "offers": rows[OFFERS],
        "index": rows[tables.INDEX_FILE],
        "votes": rows[tables.VOTES_FILE],
    }
    _put(folder / "README.md", card.readme(counts, published_at=at, licences=licences))
    parquet = [
        File(path=path, sha256=digest_of(folder / path), bytes=(folder / path).stat().st_size, rows=count)
        for path, count in sorted(rows.items())
    ]
    _put(
        folder / "croissant.json",
        card.croissant(parquet, _columns(folder, rows), published_at=at, address=address),
    )


def _columns(folder: Path, rows: dict[str, int]) -> dict[str, list[tuple[str, str]]]:
    import pyarrow.parquet as pq

    months = [path for path in sorted(rows) if path.startswith(f"{PRICES}/")]
    single_files = {"offers": OFFERS, "index": tables.INDEX_FILE, "votes": tables.VOTES_FILE}
    places = {"prices": months[-1]} if months else {}
    return {
        table: [(field.name, str(field.type)) for field in pq.read_schema(folder / path)]
        for table, path in (places | single_files).items()
    }


def _put(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


def _bind(
    folder: Path,
    own: Collection[str],
    links: Sequence[Link],
    former_files: dict[str, File],
    rows: dict[str, int],
    *,
    number: int,
    at: datetime,
    key: Path | None,
) -> ReleaseReport:
    """Write chain and manifest over what is in the folder now."""
    listed = [
        File(
            path=name,
            sha256=digest_of(folder / name),
            bytes=(folder / name).stat().st_size,
            rows=rows.get(name),
        )
        for name in sorted(own)
        if (folder / name).is_file()
    ]
    files_sha256 = digest_of_files(listed)
    chain = list(links)
    if not chain or chain[-1].files_sha256 != files_sha256:
        done, this_month = closed_months(chain), _month(at)
        closing = {
            file.path: file.sha256
            for file in listed
            if file.path.startswith(f"{PRICES}/")
            and Path(file.path).stem < this_month
            and file.path not in done
        }
        before = digest(chain[-1].to_line().encode()) if chain else None
        chain.append(
            Link(
                number=len(chain) + 1,
                snapshot=number,
                published_at=_text(at),
                files_sha256=files_sha256,
                closed=closing,
                before=before,
            )
        )
    _put(folder / CHAIN, "".join(link.to_line() + "\n" for link in chain))
    body = (folder / CHAIN).read_bytes()
    listed.append(File(path=CHAIN, sha256=digest(body), bytes=len(body), rows=len(chain)))
    manifest = ReleaseManifest(
        number=len(chain),
        snapshot=number,
        published_at=_text(at),
        program=version("gpuledger"),
        index_method=METHOD_VERSION,
        files=tuple(sorted(listed, key=lambda file: file.path)),
    )
    _put(folder / MANIFEST, manifest.to_json().decode())
    if key is not None:
        _put(folder / SIGNATURE, sign(manifest.to_json(), key))
    else:
        (folder / SIGNATURE).unlink(missing_ok=True)
    months = [file for file in listed if file.path.startswith(f"{PRICES}/")]
    return ReleaseReport(
        folder=str(folder),
        number=len(chain),
        snapshot=number,
        published_at=_text(at),
        files=len(listed) + 1,
        written=sum(file != former_files.get(file.path) for file in listed),
        bytes=sum(file.bytes for file in listed),
        months=len(months),
        closed=len(closed_months(chain)),
        is_signed=key is not None,
        other_files=tuple(other_files(folder, own)),
    )
