"""Commands about published editions: release, verify and pull."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gpuledger.cli import context, table
from gpuledger.cli.options import FormatOption
from gpuledger.core.count import counted

PublicKey = Annotated[
    Path | None, typer.Option(help="Ed25519 public key (PEM) of the publisher; default: none is checked.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    for command in (release, verify, pull):
        app.command()(command)


def release(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Empty, or an earlier release, which goes on.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(help="Ed25519 private key (PEM) that signs the manifest; default: not signed."),
    ] = None,
    address: Annotated[
        str, typer.Option(help="Where the folder will be served, for feeds and data card; default: relative.")
    ] = "",
    vendor: Annotated[
        Path | None,
        typer.Option(
            help="Folder of `make page-vendor`: what the page reads Parquet and runs SQL with; default: none."
        ),
    ] = None,
    format: FormatOption = None,
) -> None:
    """Write the ledger as static files: Parquet by month, index, manifest, data card, change log, feeds and a page."""
    with context.answering():
        from gpuledger.release.write import release as write

        _require_signing(key)
        done = write(context.ledger(), folder, key=key, address=address, vendor=vendor)
        table.emit(vars(done) | {"other_files": list(done.other_files)}, format)
        _tell_others(done.other_files)


def verify(
    place: Annotated[str, typer.Argument(metavar="DIR|URL", help="Of a release.")],
    day: Annotated[
        str | None, typer.Option(help="Day whose index is computed again, ISO 8601; default: the last one.")
    ] = None,
    public_key: PublicKey = None,
    format: FormatOption = None,
) -> None:
    """Check a release: every byte, the chain of releases, and the index of a day. Exits 2 when something is wrong."""
    with context.answering():
        from gpuledger.release.verify import verify as prove

        _require_signing(public_key)
        at = context.instant(day, "--day")
        result = prove(place, day=None if at is None else at.date(), public_key=public_key)
        row = vars(result) | {"faults": list(result.faults), "other_files": list(result.other_files)}
        table.emit(row, format)
        _tell_others(result.other_files)
        for fault in result.faults:
            context.say(f"error: {fault}")
        if result.faults:
            raise typer.Exit(context.USAGE)


def pull(
    place: Annotated[
        str, typer.Argument(metavar="[URL]", help="Of a release; a folder may be named as well.")
    ] = "",
    public_key: PublicKey = None,
    format: FormatOption = None,
) -> None:
    """Take a published release into the ledger, so that nothing has to be scraped here."""
    with context.answering():
        from gpuledger.release.pull import pull as take
        from gpuledger.scrapers.release import SOURCE

        _require_signing(public_key)
        done = take(context.begun_writer(), place or SOURCE.homepage, public_key=public_key)
        lists = {"refused": list(done.refused), "evidence": list(done.evidence)}
        table.emit(vars(done) | lists, format)
        if done.disputed:
            context.say(
                f"warning: what this ledger knows contradicts {counted(done.disputed, 'price')} of the release, which"
                " does not count: `gpuledger disputes release` lists them,"
                f" `gpuledger accept OFFER_OR_SOURCE --reason TEXT` takes them; the first: {done.evidence[0]}"
            )
        for fault in done.refused:
            context.say(f"error: {fault}")
        if done.refused:
            raise typer.Exit(context.SOURCE_FAILED)


def _tell_others(names: Sequence[str]) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        context.say(f"not of the release, left alone: {', '.join(names[:3])}{more}")


def _require_signing(key: Path | None) -> None:
    if key is not None:
        context.require("cryptography", extra="sign")
