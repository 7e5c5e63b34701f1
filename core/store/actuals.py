"""Bills in a home: read set by set, kept as one Parquet file each, and never published.

An import is one pass of DuckDB over the file; account and resource ids are hashed with a salt of this home before
anything is written. Of one provider, account and day the newest import counts, so that a bill that was delivered
again takes the place of the earlier one.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from gpuledger.core.actuals.bill_form import BillForm, assumed_form
from gpuledger.core.actuals.machine import Machines, is_spot
from gpuledger.core.count import instant_text
from gpuledger.core.errors import StoreError, UsageError
from gpuledger.core.files import TEMPORARY, write_whole
from gpuledger.core.provider_name import provider_id
from gpuledger.core.store import sql
from gpuledger.core.store.bill_file import bill_files, read_bill

FOLDER = "actuals"
SALT_LETTERS = 64


@dataclass(frozen=True, kw_only=True)
class LedgerFacts:
    """What an import needs of the ledger."""

    machines: Machines
    rates: Sequence[tuple[str, date, Decimal]]
    """Currency, day, US dollars for one unit."""
    prices: Sequence[tuple[str, str | None, str, datetime, Decimal]]
    """Provider, instance type, accelerator, since when, US dollars per GPU-hour on demand."""


@dataclass(frozen=True, kw_only=True)
class ImportedBill:
    """One import: what was taken and what was not."""

    bill: str
    """16 hex digits of the file's SHA-256; the same file again is the same bill."""
    form: str
    provider: str
    rows: int
    charges: int
    refused: Mapping[str, int]
    since: datetime | None
    until: datetime | None
    usd: Decimal | None
    gpu_hours: float | None
    unpriced: int
    without_hours: int
    """Charges for GPUs whose unit is of no time that is known."""
    replaced_charges: int
    """Charges of other bills that counted until now: of the same provider, account and days."""
    usd_from_ledger: Decimal | None
    imported_at: datetime

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; money as decimal strings."""
        return {
            **vars(self),
            "refused": dict(self.refused),
            "usd": None if self.usd is None else f"{self.usd:.2f}",
            "usd_from_ledger": None if self.usd_from_ledger is None else f"{self.usd_from_ledger:.2f}",
            "gpu_hours": None if self.gpu_hours is None else round(self.gpu_hours, 6),
            "assumed": self.assumed,
        }

    @property
    def assumed(self) -> str | None:
        """What was taken for granted of the bill's form, where its provider has published none."""
        return assumed_form(self.form, self.provider)


def import_bill(
    path: Path, home: Path, ledger: LedgerFacts, *, provider: str | None, imported_at: datetime
) -> ImportedBill:
    """Take a bill into the home.

    Args:
        provider: whose bill it is, where the form does not say, or says it otherwise.

    Raises:
        UsageError: the file is in no form that is known, or names no provider.
        StoreError: it cannot be read, or the home cannot be written.
    """
    files = bill_files(path)
    folder = home / FOLDER
    digest = _digest(files)
    with duckdb.connect(":memory:") as connection, sql.explaining(f"read the bill {path}"):
        sql.prepare(connection)
        connection.execute("set preserve_insertion_order = false")
        connection.execute(sql.text("actuals/00_words"))
        form = read_bill(connection, files, str(path))
        owner = provider_id(provider) if provider else form.provider
        if form.name == "named" and owner is None:
            raise UsageError(f"{path}: its columns do not say whose bill it is; give --provider")
        connection.execute(f"create temp view formed as {sql.text(f'actuals/form/{form.name}')}")
        _facts(connection, ledger)
        connection.execute(sql.text("actuals/05_charge_rate"))
        connection.execute(sql.text("actuals/10_charge"), {"salt": _salt(folder), "provider": owner})
        _machines(connection, ledger.machines)
        connection.execute(sql.text("actuals/30_paid"), {"imported_at": imported_at})
        bill = _imported(connection, digest, form, imported_at, folder)
        if bill.charges:
            _keep(connection, folder, bill)
    return bill


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:16]


def _facts(connection: duckdb.DuckDBPyConnection, ledger: LedgerFacts) -> None:
    names = [
        str(row[0])
        for row in connection.execute("select distinct provider_name from formed").fetchall()
        if row[0]
    ]
    connection.execute(
        "create temp table provider_word as"
        " select unnest($1::varchar[]) as word, unnest($2::varchar[]) as provider",
        [names, [provider_id(_seller(name)) for name in names]],
    )
    connection.execute(
        "create temp table currency_rate as select unnest($1::varchar[]) as currency,"
        " unnest($2::date[]) as rate_date, unnest($3::decimal(18, 9)[]) as usd_per_unit",
        [[rate[n] for rate in ledger.rates] for n in range(3)],
    )
    connection.execute(
        "create temp table ledger_price as select unnest($1::varchar[]) as provider,"
        " unnest($2::varchar[]) as instance_type, unnest($3::varchar[]) as gpu_id,"
        " unnest($4::timestamptz[]) as valid_from, unnest($5::decimal(18, 6)[]) as usd_per_gpu_hour",
        [[price[n] for price in ledger.prices] for n in range(5)],
    )


def _seller(name: str) -> str:
    """`Amazon Web Services, Inc.` and `Microsoft Corporation` are sellers whose short names are known."""
    return re.sub(
        r",? (inc|llc|ltd|corporation|corp|b\.?v|emea sarl)\.?$", "", name.strip(), flags=re.IGNORECASE
    )


def _machines(connection: duckdb.DuckDBPyConnection, machines: Machines) -> None:
    words = connection.execute(sql.text("actuals/20_machine_words")).fetchall()
    row_machines = [machines.named(provider, texts) for provider, *texts in words]
    columns: list[list[Any]] = [[word[n] for word in words] for n in range(4)]
    columns += [
        [one.instance_type for one in row_machines],
        [one.gpu_id for one in row_machines],
        [one.gpu_count for one in row_machines],
    ]
    columns.append([is_spot(texts) for _, *texts in words])
    connection.execute(
        "create temp table machine as select unnest($1::varchar[]) as provider, unnest($2::varchar[]) as machine_text,"
        " unnest($3::varchar[]) as meter_text, unnest($4::varchar[]) as other_text,"
        " unnest($5::varchar[]) as instance_type, unnest($6::varchar[]) as gpu_id,"
        " unnest($7::double[]) as gpu_count, unnest($8::boolean[]) as is_spot",
        columns,
    )


def _imported(
    connection: duckdb.DuckDBPyConnection, digest: str, form: BillForm, imported_at: datetime, folder: Path
) -> ImportedBill:
    refused = connection.execute(
        "select refused, count(*) from charge where refused is not null group by all order by 2 desc, 1"
    ).fetchall()
    total = sql.first(connection, sql.text("actuals/imported"))
    assert total is not None
    charges, providers, since, until, usd, gpu_hours, unpriced, without_hours, from_ledger = total
    return ImportedBill(
        bill=digest,
        form=form.name,
        provider=providers or "",
        rows=charges + sum(count for _, count in refused),
        charges=charges,
        refused=dict(refused),
        since=since,
        until=until,
        usd=usd,
        gpu_hours=None if gpu_hours is None else float(gpu_hours),
        unpriced=unpriced,
        without_hours=without_hours,
        replaced_charges=_replaced(connection, folder, digest),
        usd_from_ledger=from_ledger,
        imported_at=imported_at,
    )


def _replaced(connection: duckdb.DuckDBPyConnection, folder: Path, digest: str) -> int:
    paths = [path for path in sorted(folder.glob("*.parquet")) if path.stem != digest]
    if not paths:
        return 0
    _stored(connection, paths)
    row = sql.first(connection, sql.text("actuals/replaced"))
    return int(row[0]) if row else 0


def _stored(connection: duckdb.DuckDBPyConnection, paths: Sequence[Path]) -> None:
    """The view `actual_charge` over these bills."""
    listed = ", ".join(sql.literal(str(path)) for path in paths)
    connection.execute(
        f"create temp view stored_charge as select * from read_parquet([{listed}], union_by_name = true)"
    )
    connection.execute(sql.text("actuals/actual_charge"))


def _salt(folder: Path) -> str:
    """Of this home alone, so that a hash of twelve digits cannot be undone by trying all of them elsewhere."""
    path = folder / "salt"
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            _link_once(path, secrets.token_hex(SALT_LETTERS // 2).encode())
        salt = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"cannot use {path}: {error}") from error
    if len(salt) != SALT_LETTERS:
        raise StoreError(
            f"{path} holds {len(salt)} letters, not {SALT_LETTERS}: put it back from a backup, or remove {folder} and"
            " import its bills again"
        )
    return salt


def _link_once(path: Path, content: bytes) -> None:
    """Whole, and only where there is none: of two imports at once both go on with the salt of the first."""
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}")
    write_whole(temporary, content)
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        pass
    except OSError:
        # a file system without links
        with suppress(FileExistsError), path.open("xb") as file:
            file.write(content)
    finally:
        temporary.unlink()


def _keep(connection: duckdb.DuckDBPyConnection, folder: Path, bill: ImportedBill) -> None:
    """The charges and what is said of them; a bill that is half written is not there."""
    target, temporary = folder / f"{bill.bill}.parquet", folder / f".new-{bill.bill}"
    connection.execute(
        f"copy (select * from paid) to {sql.literal(str(temporary))} (format parquet, compression zstd)"
    )
    try:
        temporary.chmod(0o600)
        temporary.replace(target)
    except OSError as error:
        raise StoreError(f"cannot write {target}: {error.strerror}") from error
    write_whole(folder / f"{bill.bill}.json", json.dumps(bill.to_dict(), default=instant_text).encode())


def bills(home: Path) -> list[dict[str, Any]]:
    """What was imported, the newest last."""
    documents = [json.loads(path.read_bytes()) for path in sorted((home / FOLDER).glob("*.json"))]
    return sorted(documents, key=lambda bill: str(bill["imported_at"]))


@contextmanager
def charges(home: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection with the view `actual_charge`.

    Raises:
        UsageError: no bill was imported.
        StoreError: one cannot be read.
    """
    paths = sorted((home / FOLDER).glob("*.parquet"))
    if not paths:
        raise UsageError("no bill was imported yet; `gpuledger actual import FILE` takes one")
    with duckdb.connect(":memory:") as connection, sql.explaining(f"read the bills in {home / FOLDER}"):
        sql.prepare(connection)
        _stored(connection, paths)
        yield connection


def export_focus(home: Path, target: Path) -> int:
    """Write the charges that count as CSV or Parquet in the columns of FOCUS 1.2; returns how many.

    Raises:
        UsageError: no bill was imported, or the name says neither form.
        StoreError: the file cannot be written.
    """
    form = {".csv": "(format csv, header)", ".parquet": "(format parquet)"}.get(target.suffix)
    if form is None:
        raise UsageError(f"PATH: {target} is neither .csv nor .parquet")
    with charges(home) as connection, sql.explaining(f"write {target}"):
        connection.execute(f"copy ({sql.text('actuals/focus_export')}) to {sql.literal(str(target))} {form}")
        row = sql.first(connection, "select count(*) from actual_charge where usd is not null")
    return int(row[0]) if row else 0
