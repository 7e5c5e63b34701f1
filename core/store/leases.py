"""Leases: who reads a source for longer than one run, so that nobody else reads it meanwhile.

A turn (`gpuledger.core.store.database.turn_of_source`) is held while one run is fetched. A lease is held over many runs
and lapses by itself: a process that died, hangs or was stopped loses it without anybody's help. It is taken under the
source's turn, so that it never begins while somebody else fetches. The leases of a home are a file of it; those of a
shared store are a table of its catalogue, whose clock then says what has lapsed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gpuledger.core.config import LakeAddress
from gpuledger.core.errors import LeasedError, StoreError, UnreachableError
from gpuledger.core.files import write_whole
from gpuledger.core.store import sql
from gpuledger.core.store.home import Home

LASTS = timedelta(seconds=90)
"""From one renewal to the lapse; a living holder renews three times as often."""


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Who reads a source, and until when nobody else may."""

    source: str
    holder: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Leases:
    """The leases of one home, or of the shared store that it follows."""

    home: Home
    clock: Callable[[], datetime]
    lasts: timedelta = LASTS

    def now(self) -> datetime:
        """By the clock that says what has lapsed.

        Raises:
            UnreachableError: the catalogue does not answer.
        """
        if self.home.lake is None:
            return self.clock()
        from gpuledger.core.store.catalogue import query_catalogue

        query = "select extract(epoch from clock_timestamp())::float8 as seconds"
        return datetime.fromtimestamp(query_catalogue(self.home.lake, query)[0][0], UTC)

    def living(self) -> dict[str, Lease]:
        """Those that have not lapsed, by source.

        Raises:
            StoreError: they cannot be read, or the catalogue does not answer.
        """
        return (
            _living_shared(self.home.lake)
            if self.home.lake
            else _living(_read(self._file), self.clock(), self.lasts)
        )

    def check_free(self, source: str) -> None:
        """Make sure that nobody holds the source; only under the source's turn. Where the catalogue does not answer,
        nobody can say, and whoever reads all the same reads for this machine.

        Raises:
            LeasedError: a living lease.
        """
        lease = None
        if self.home.lake is not None:
            with suppress(UnreachableError):
                lease = self.living().get(source)
        elif self._file.exists():
            with self._turn():
                lease = self.living().get(source)
        if lease is not None:
            raise LeasedError(
                f"{source} is read by {lease.holder}, whose lease ends at {lease.until:%Y-%m-%dT%H:%M:%SZ} unless"
                f" renewed"
            )

    def take(self, holder: str, sources: Iterable[str]) -> frozenset[str]:
        """Take those that are free; only under the turns of the sources. Returns those that are held now.

        Raises:
            StoreError: they cannot be written, or the catalogue does not answer.
        """
        names = sorted(sources)
        if self.home.lake is not None:
            _take_shared(self.home.lake, holder, names, self.lasts)
            return self.held_by(holder) & set(names)
        with self._turn():
            at = self.clock()
            living = _living(_read(self._file), at, self.lasts)
            taken = [name for name in names if name not in living or living[name].holder == holder]
            living |= {name: Lease(source=name, holder=holder, until=at + self.lasts) for name in taken}
            _write(self._file, living)
        return frozenset(taken)

    def renew(self, holder: str) -> frozenset[str]:
        """Hold on to what has not lapsed; returns it.

        Raises:
            StoreError: it cannot be written, or the catalogue does not answer.
        """
        if self.home.lake is not None:
            _renew_shared(self.home.lake, holder, self.lasts)
            return self.held_by(holder)
        with self._turn():
            at = self.clock()
            living = _living(_read(self._file), at, self.lasts)
            mine = [name for name, lease in living.items() if lease.holder == holder]
            living |= {name: Lease(source=name, holder=holder, until=at + self.lasts) for name in mine}
            _write(self._file, living)
        return frozenset(mine)

    def held_by(self, holder: str) -> frozenset[str]:
        """Sources that this one holds.

        Raises:
            StoreError: they cannot be read, or the catalogue does not answer.
        """
        return frozenset(name for name, lease in self.living().items() if lease.holder == holder)

    def release(self, holder: str, sources: Iterable[str] | None = None) -> None:
        """Give back some, or all that this one holds.

        Raises:
            StoreError: they cannot be written, or the catalogue does not answer.
        """
        if self.home.lake is not None:
            _release_shared(self.home.lake, holder, None if sources is None else sorted(sources))
            return
        gone = None if sources is None else set(sources)
        with self._turn():
            living = _living(_read(self._file), self.clock(), self.lasts)
            for name, lease in list(living.items()):
                if lease.holder == holder and (gone is None or name in gone):
                    del living[name]
            _write(self._file, living)

    @contextmanager
    def holding(self, holder: str, source: str) -> Generator[None]:
        """The source is held from here to the end: nobody else begins to read it meanwhile. Where the catalogue does
        not answer, nobody can have taken it either.

        Raises:
            LeasedError: the lease has lapsed.
        """
        lost = LeasedError(f"the lease of {source} has lapsed: another may be reading it")
        if self.home.lake is not None:
            with suppress(UnreachableError):
                if source not in self.held_by(holder):
                    raise lost
            yield
            return
        with self._turn():
            if source not in self.held_by(holder):
                raise lost
            yield

    @property
    def _file(self) -> Path:
        return self.home.path / "locks" / "leases.json"

    @contextmanager
    def _turn(self) -> Generator[None]:
        from gpuledger.core.store.database import file_lock

        with file_lock(
            self.home.path / "locks" / "leases.lock", wait_seconds=10, whose="another holder of leases"
        ):
            yield


def holder_name(home: Home) -> str:
    """A name that no other process has: host and home, the process, and when it began."""
    from gpuledger.core.store.shared.machines import name_of

    return f"{name_of(home.path)}#{os.getpid()}-{os.urandom(3).hex()}"


def _living(leases: Iterable[Lease], at: datetime, lasts: timedelta) -> dict[str, Lease]:
    """One that ends later than any that is taken now was written by a clock that was ahead."""
    return {lease.source: lease for lease in leases if at < lease.until <= at + lasts}


def _read(path: Path) -> list[Lease]:
    """A file that a power cut broke holds no lease: whoever held one died with it."""
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
        return [
            Lease(source=name, holder=entry["holder"], until=datetime.fromisoformat(entry["until"]))
            for name, entry in content.items()
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error


def _write(path: Path, leases: dict[str, Lease]) -> None:
    content = {
        name: {"holder": lease.holder, "until": lease.until.isoformat()}
        for name, lease in sorted(leases.items())
    }
    write_whole(path, json.dumps(content, indent=1).encode(), is_durable=False)


# The same in the catalogue, by its clock.


def _table(address: LakeAddress) -> str:
    return f'"{address.schema}".gpuledger_lease'


def _until(lasts: timedelta) -> str:
    return f"clock_timestamp() + interval '{lasts.total_seconds():g} seconds'"


def _made(table: str) -> str:
    return (
        f"create table if not exists {table} (source text primary key, holder text not null,"
        " until timestamptz not null);"
    )


def _names(sources: Iterable[str]) -> str:
    return f"array[{', '.join(sql.literal(name) for name in sources)}]::text[]"


def _living_shared(address: LakeAddress) -> dict[str, Lease]:
    from gpuledger.core.store.catalogue import query_catalogue

    table = _table(address)
    if not query_catalogue(address, f"select to_regclass({sql.literal(table)}) is not null")[0][0]:
        return {}
    rows = query_catalogue(
        address,
        f"select source, holder, extract(epoch from until)::float8 as until_seconds from {table}"
        " where until > clock_timestamp()",
    )
    return {
        source: Lease(source=source, holder=holder, until=datetime.fromtimestamp(until, UTC))
        for source, holder, until in rows
    }


def _take_shared(address: LakeAddress, holder: str, sources: list[str], lasts: timedelta) -> None:
    from gpuledger.core.store.catalogue import executed

    table = _table(address)
    executed(
        address,
        f"{_made(table)} insert into {table} as lease select source, {sql.literal(holder)}, {_until(lasts)}"
        f" from unnest({_names(sources)}) as asked_for(source) on conflict (source) do update"
        " set holder = excluded.holder, until = excluded.until"
        " where lease.holder = excluded.holder or lease.until <= clock_timestamp()",
    )


def _renew_shared(address: LakeAddress, holder: str, lasts: timedelta) -> None:
    from gpuledger.core.store.catalogue import executed

    table = _table(address)
    executed(
        address,
        f"{_made(table)} update {table} set until = {_until(lasts)} where holder = {sql.literal(holder)}"
        " and until > clock_timestamp()",
    )


def _release_shared(address: LakeAddress, holder: str, sources: list[str] | None) -> None:
    from gpuledger.core.store.catalogue import executed

    some = "" if sources is None else f" and source = any({_names(sources)})"
    executed(
        address,
        f"{_made(_table(address))} delete from {_table(address)} where holder = {sql.literal(holder)}{some}",
    )
