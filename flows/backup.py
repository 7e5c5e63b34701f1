"""One command makes a backup of everything that answers depend on, and one restores it; both prove what they did.

A backup is a folder: the archive, the operator's files and the quotes of the home, and `backup.json` with the hash of
every file. It is made while anything runs: manifests are listed first and their documents copied before them, so that
no run of the backup lacks a byte. The database is not in it: the archive gives it again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gpuledger.core.errors import CorruptError, StoreError, UsageError
from gpuledger.core.files import TEMPORARY, let_go, write_whole
from gpuledger.core.store.archive import Archive
from gpuledger.core.store.database import Home, turn, writing
from gpuledger.core.store.shared.move import contents_of_ledger
from gpuledger.flows.ledger import LedgerWriter
from gpuledger.flows.pipeline import open_ledger
from gpuledger.flows.replay import replay

LIST = "backup.json"
BEGUN = "backup.begun"
"""In a folder that a backup was begun in; it goes when the backup is whole."""
RESTORING = "restore.begun"
"""In a home that a restore was begun in, with the digest of the backup's list; it goes when the ledger is proved."""
OPERATORS_FILES = (
    "gpuledger.toml",
    "gpu_alias.csv",
    "overrides.toml",
    "measurements.jsonl",
    "calibration.json",
)
"""Of the home, beside whatever else lies there as a plain file; named here so that a page can say them."""
_NOT_KEPT = (".duckdb", ".wal", ".lock", ".broken", ".program", ".new")
_OWN = ("quotes", "decisions", "actuals")


@dataclass(frozen=True, kw_only=True)
class BackedUp:
    """What a backup holds, or a restore brought back."""

    files: int
    bytes: int
    runs: int
    digest: str
    """Of the ledger's content, the same for equal ledgers whichever way they were made."""


def back_up(ledger: LedgerWriter, target: Path) -> BackedUp:
    """Write a backup into a folder that is empty, or holds an earlier backup, which it brings up to date.

    Raises:
        UsageError: the folder holds something else.
        CorruptError: the archive lacks or broke bytes.
        StoreError: the disk refused.
    """
    if not _may_hold(target):
        raise UsageError(f"{target} is not empty and holds no backup; name another folder")
    if not ledger.archive.run_ids(None):
        raise UsageError(f"{ledger.home.path} has no archive to back up")
    try:
        write_whole(target / BEGUN, b"")
        before = _listed(target)
        runs = _copy_archive(ledger.archive, target / "archive")
        for path in _own_files(ledger.home):
            _copy(path, target / "home" / path.relative_to(ledger.home.path))
        digest = _digest(ledger)
        listed = {path.relative_to(target).as_posix(): _sha256(path) for path in _files(target)}
        for name in sorted(listed):
            # the archive never changes a file: one that differs from its earlier copy broke in the backup
            if name.startswith("archive/") and before.get(name, listed[name]) != listed[name]:
                _copy(ledger.home.archive / name.removeprefix("archive/"), target / name)
                listed[name] = _sha256(target / name)
        content = {"runs": runs, "digest": digest, "files": listed}
        write_whole(target / LIST, json.dumps(content, indent=1).encode())
        let_go(target / BEGUN)
    except OSError as error:
        raise StoreError(f"cannot write the backup {target}: {error.strerror}") from error
    size = sum((target / name).stat().st_size for name in listed)
    return BackedUp(files=len(listed), bytes=size, runs=runs, digest=digest)


def restore(source: Path, ledger: LedgerWriter) -> BackedUp:
    """Bring a backup into an empty home, rebuild the database from its archive, and compare with what was backed up.

    A restore that was cut off, or refused for a broken file, is gone on with by the same command.

    Raises:
        UsageError: no backup, or a home that holds something else.
        CorruptError: a file of the backup is not what was written, or the ledger is not the same.
        StoreError: the disk refused.
    """
    home = ledger.home
    try:
        text = (source / LIST).read_bytes()
        content = json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"{source} is no backup: {error}") from error
    _begin_restore(home, hashlib.sha256(text).hexdigest())
    size = 0
    try:
        for name, expected in content["files"].items():
            body = (source / name).read_bytes()
            if hashlib.sha256(body).hexdigest() != expected:
                raise CorruptError(f"{source / name} is not what was backed up")
            top, _, rest = name.partition("/")
            target = (home.archive if top == "archive" else home.path) / rest
            write_whole(target, body, is_durable=False)
            size += len(body)
    except OSError as error:
        raise StoreError(f"cannot restore {source}: {error}") from error
    replay(ledger)
    digest = _digest(ledger)
    if digest != content["digest"]:
        raise CorruptError(
            f"the restored ledger differs from what was backed up ({digest[:12]}, not {content['digest'][:12]}):"
            " it was rebuilt by another release, prices were recorded here while it was restored, or the backup was"
            " made while it was behind its archive"
        )
    let_go(home.path / RESTORING)
    return BackedUp(files=len(content["files"]), bytes=size, runs=content["runs"], digest=digest)


def _begin_restore(home: Home, backup: str) -> None:
    """Mark a home as one that is restored from the backup whose list has this digest: it is empty, or has this mark."""
    marker = home.path / RESTORING
    if marker.exists():
        if (begun := marker.read_text(encoding="utf-8")) != backup:
            raise UsageError(
                f"{home.path} holds the begin of a restore from another backup, or from this one as it was before"
                f" ({begun[:12]}, not {backup[:12]}); delete that home, or name an empty one"
            )
        return
    if home.database.exists() or (home.archive.exists() and any(home.archive.iterdir())):
        raise UsageError(f"{home.path} holds a ledger; a restore needs an empty home")
    home.create()
    write_whole(marker, backup.encode())


def _copy_archive(archive: Archive, target: Path) -> int:
    """Documents before the manifest that names them; returns how many manifests there are."""
    copy = Archive(target)
    runs = archive.run_ids(None)
    for run in runs:
        if copy.has_run(run):
            continue
        manifest = archive.manifest(run)
        for entry in (*manifest.documents, *manifest.superseded):
            path = archive.path(entry["sha256"])
            if path.exists():
                _copy(path, copy.path(entry["sha256"]))
        copy.write_manifest(manifest)
    return len(runs)


def _own_files(home: Home) -> Iterator[Path]:
    for path in sorted(home.path.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name not in ("store-id", RESTORING):
            if not path.name.endswith(_NOT_KEPT):
                yield path
        elif path.is_dir() and path.name in _OWN:
            yield from (one for one in sorted(path.rglob("*")) if one.is_file())


def _files(target: Path) -> list[Path]:
    return sorted(
        path
        for path in target.rglob("*")
        if path.is_file() and path.name not in (LIST, BEGUN) and not path.name.startswith(TEMPORARY)
    )


def _may_hold(target: Path) -> bool:
    """Whether a backup may be written there: nothing is there, a backup, or one that was begun and not ended."""
    if not target.exists():
        return True
    names = {path.name for path in target.iterdir() if not path.name.startswith(TEMPORARY)}
    return not names or LIST in names or BEGUN in names


def _listed(target: Path) -> dict[str, str]:
    """Hashes of the earlier backup's files, of one that can be read."""
    with suppress(OSError, ValueError, KeyError):
        return json.loads((target / LIST).read_text(encoding="utf-8"))["files"]
    return {}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _copy(path: Path, target: Path) -> None:
    """All of it or nothing, and flushed to disk; a file that is there with this content stays."""
    body = path.read_bytes()
    if target.exists() and target.read_bytes() == body:
        return
    write_whole(target, body)
    shutil.copystat(path, target)


def _digest(ledger: LedgerWriter) -> str:
    """Of all tables of the log, in words that do not depend on numbers."""
    with turn(ledger.home), writing(ledger.home) as connection:
        open_ledger(ledger, connection)
        contents = contents_of_ledger(connection)
    text = "\n".join(f"{one.table} {one.rows} {one.digest}" for one in contents)
    return hashlib.sha256(text.encode()).hexdigest()
