"""The disk fills up, the home cannot be written, files break: the past stays, the next refresh succeeds."""

import errno
import os
import resource
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir

import pytest

from gpuledger.core.errors import CorruptError, GPULedgerError, StoreError
from gpuledger.core.store.database import turn
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import current, publish, reading
from gpuledger.flows.pipeline import LedgerWriter
from gpuledger.flows.replay import replay
from tests.faults.cases import first_quick
from tests.faults.hostile import plain
from tests.faults.market import listing
from tests.faults.soundness import assert_nothing_lost, committed

MEBIBYTE = 1 << 20


def in_a_child(work: Callable[[], None]) -> str:
    """Run it in a forked process, whose limits end with it; returns the name of the error, or nothing."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receive)
        try:
            work()
        except GPULedgerError as error:
            os.write(send, f"{type(error).__name__}: {error}".encode()[:500])
        except BaseException as error:
            os.write(send, f"not ours: {type(error).__name__}: {error}".encode()[:500])
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        said = pipe.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "the process did not end by itself"
    return said


@pytest.mark.parametrize("kibibytes", first_quick([1, 256, 0, 2, 64, 1024, 2048, 2500]))
def test_a_file_that_may_not_grow_ends_a_refresh_with_one_clear_error(trial, kibibytes):
    """A limit on the size of files fails writes at any place, as a full disk or a quota does."""
    trial.good()
    before = committed(trial.ledger)
    trial.provider.always(plain(listing(77)))

    def refresh_in_little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kibibytes << 10, resource.RLIM_INFINITY))
        trial.refresh()

    said = in_a_child(refresh_in_little_room)
    assert said == "" or said.startswith("StoreError: cannot "), said
    trial.assert_survived(before)


@pytest.mark.faults
def test_a_full_disk_at_any_moment_loses_nothing(trial, tally, tmp_path):
    """A small file system of its own, filled to leave less and less room for one refresh."""
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", place], check=False).returncode:
        pytest.skip("needs to mount a small file system; run as root")
    try:
        trial.ledger = replace(trial.ledger, home=Home(place / "home"))
        failed = 0
        trial.good()
        trial.good()
        filler = place / "filler"
        for room in range(0, 6 * MEBIBYTE, 96 * 1024):
            before = committed(trial.ledger)
            free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
            filler.write_bytes(bytes(max(0, free - room)))
            trial.number += 1
            trial.provider.always(plain(listing(trial.number)))
            try:
                trial.refresh()
            except StoreError:
                failed += 1
            finally:
                filler.unlink()
            after = committed(trial.ledger)
            assert_nothing_lost(before, after)
            trial.assert_survived(after, replayed=room % (12 * 96 * 1024) == 0)
        assert failed > 10
        tally.note("Disk", "full disk, refresh failed and recovered", str(failed))
    finally:
        subprocess.run(["umount", place], check=True)


def as_nobody(work: Callable[[], None]) -> str:
    """Root may write everywhere, so the work is done by somebody who may not."""

    def done_by_nobody() -> None:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        work()

    return in_a_child(done_by_nobody if os.geteuid() == 0 else work)


@pytest.mark.parametrize("part", first_quick([".", "archive", "snapshots"]))
@pytest.mark.recovery
def test_a_home_that_may_not_be_written_is_named_and_stays_readable(trial, part):
    trial.good()
    before = committed(trial.ledger)
    home = trial.ledger.home.path
    allow(home, writable=True)
    folder = home / part
    folder.chmod(0o555)
    if part == ".":
        for path in (home / "archive", home / "snapshots", home / "ledger.duckdb", home / "writer.lock"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        (home / "locks" / "runpod").chmod(0o444)
    trial.provider.always(plain(listing(78)))
    try:
        said = as_nobody(trial.refresh)
        read = as_nobody(lambda: read_prices(trial.ledger))
    finally:
        allow(home, writable=True)
    assert said.startswith("StoreError: cannot "), said
    assert read == ""
    trial.assert_survived(before)


def read_prices(ledger: LedgerWriter) -> None:
    with reading(ledger.home) as connection:
        assert connection.execute("select count(*) from offer_latest").fetchone() == (3,)


def allow(home: Path, *, writable: bool) -> None:
    """Open a tree, and the way to it, to everybody."""
    for path in [home, *home.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    for parent in home.parents:
        with suppress(OSError):
            if parent.is_relative_to(gettempdir()) and parent != Path(gettempdir()):
                parent.chmod(0o755)


def document_files(home: Home) -> list[Path]:
    found = sorted(home.archive.glob("[0-9a-f][0-9a-f]/*.zst"))
    assert found
    return found


def newest_manifest(home: Home) -> Path:
    return max((home.archive / "runs").glob("*/*/*.json"), key=lambda path: path.name)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "gone": lambda path: path.unlink(),
    "emptied": lambda path: path.write_bytes(b""),
    "one bit": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "something else": lambda path: path.write_bytes(b"\x00garbage" * 9),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", first_quick(name for name in DAMAGE if name != "a folder"))
def test_broken_bytes_are_fetched_again_where_the_provider_still_says_them(trial, damage):
    trial.provider.always(plain(listing(5), 'etag: "five"'))
    trial.refresh()
    before = committed(trial.ledger)
    (path,) = document_files(trial.ledger.home)
    DAMAGE[damage](path)
    (run,) = trial.refresh().runs
    assert run.outcome == "accepted"
    assert "if-none-match" not in trial.provider.headers[-1], "half an answer was asked for"
    trial.assert_survived(before)


@pytest.mark.parametrize("damage", first_quick(DAMAGE))
@pytest.mark.recovery
def test_a_broken_manifest_of_the_last_run_does_not_stop_the_next(trial, damage):
    trial.good()
    trial.good()
    before = committed(trial.ledger)
    DAMAGE[damage](newest_manifest(trial.ledger.home))
    trial.good()
    assert_nothing_lost(before, committed(trial.ledger))


@pytest.mark.parametrize("damage", first_quick(["cut", "gone"]))
def test_a_run_that_broke_before_it_was_recorded_is_named_and_the_others_go_on(trial, damage):
    from gpuledger.flows.pipeline import fetch_source

    trial.good()
    trial.clock.forward(hours=1)
    trial.provider.always(plain(listing(900)))
    manifest, _ = fetch_source(trial.ledger, trial.ledger.sources[0], trial.fetcher)
    DAMAGE[damage](trial.ledger.archive.path(manifest.documents[0]["sha256"]))
    trial.number += 1
    trial.provider.always(plain(listing(trial.number)))
    broken, good = sorted(trial.refresh().runs, key=lambda run: run.outcome, reverse=True)
    assert (broken.run_id, broken.outcome, good.outcome) == (manifest.run_id, "failed", "accepted")
    assert manifest.documents[0]["sha256"][:12] in broken.error


@pytest.mark.parametrize("damage", first_quick(DAMAGE))
def test_a_broken_snapshot_is_named_to_readers_and_replaced_by_the_next_refresh(trial, damage):
    trial.good()
    before = committed(trial.ledger)
    DAMAGE[damage](current(trial.ledger.home))
    with suppress(CorruptError), reading(trial.ledger.home) as connection:
        connection.execute("select 1")
    trial.assert_survived(before)
    read_prices(trial.ledger)


@pytest.mark.parametrize("damage", first_quick(DAMAGE))
@pytest.mark.recovery
def test_a_broken_pointer_is_named_to_readers_and_replaced_by_the_next_refresh(trial, damage):
    trial.good()
    before = committed(trial.ledger)
    DAMAGE[damage](trial.ledger.home.snapshots / "CURRENT")
    with pytest.raises(GPULedgerError), reading(trial.ledger.home):
        pass
    if damage == "a folder":
        (trial.ledger.home.snapshots / "CURRENT").rmdir()
    trial.assert_survived(before)
    read_prices(trial.ledger)


@pytest.mark.parametrize("damage", first_quick(["cut", "something else", "emptied"]))
@pytest.mark.recovery
def test_a_database_that_broke_is_rebuilt_from_the_archive(trial, damage):
    for _ in range(3):
        trial.good()
    before = committed(trial.ledger)
    DAMAGE[damage](trial.ledger.home.database)
    with suppress(GPULedgerError):
        trial.refresh()
    trial.ledger.home.remove_database()
    replay(trial.ledger)
    trial.assert_survived(before)


def torn(path: Path) -> None:
    """A block half old and half new, as a kill in the middle of a write leaves it."""
    content = bytearray(path.read_bytes())
    content[12288 + 4096 : 12288 + 32768] = os.urandom(32768 - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize("broken", first_quick([torn, Path.unlink, DAMAGE["emptied"], DAMAGE["cut"]], 2))
@pytest.mark.recovery
def test_a_torn_or_missing_database_is_restored_from_the_newest_snapshot(trial, broken):
    from gpuledger.flows.pipeline import record_runs

    trial.good()
    trial.good()
    trial.provider.always(plain(listing(500)))
    record_unpublished(trial)
    before = committed(trial.ledger)
    broken(trial.ledger.home.database)
    # a young run is in the hands of the process that fetched it
    trial.clock.forward(hours=1)
    # What is not read when the file is opened is found by the writer, who fails; the next one has a whole file.
    with suppress(StoreError):
        record_runs(trial.ledger, [])
    record_runs(trial.ledger, [])
    trial.assert_survived(before)


def record_unpublished(trial) -> None:
    """A run that is in the database and the archive, and in no snapshot."""
    from gpuledger.flows.pipeline import fetch_source, read_run, record_runs

    trial.clock.forward(hours=1)
    manifest, _ = fetch_source(trial.ledger, trial.ledger.sources[0], trial.fetcher)
    record_runs(trial.ledger, [read_run(trial.ledger, manifest)], do_publish=False)


def test_a_broken_database_without_a_snapshot_is_left_as_it_is_and_named(trial):
    trial.good()
    torn(trial.ledger.home.database)
    seen = trial.ledger.home.database.read_bytes()
    for snapshot in trial.ledger.home.snapshots.glob("prices-*"):
        snapshot.unlink()
    with pytest.raises(StoreError, match="`gpuledger replay` rebuilds it"):
        trial.refresh()
    assert trial.ledger.home.database.read_bytes() == seen


@pytest.mark.recovery
def test_a_disk_that_takes_nothing_any_more_is_one_clear_error(trial, monkeypatch):
    """A file system that became read-only refuses to delete as well: clearing up must not hide the first error."""
    trial.good()
    before = committed(trial.ledger)

    def refuse(path, *args, **more):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", refuse)
        patch.setattr(os, "replace", refuse)
        for work in (trial.refresh, lambda: replay(trial.ledger), lambda: publish_anew(trial.ledger)):
            with pytest.raises(StoreError, match="Read-only file system"):
                work()
    trial.assert_survived(before)


def publish_anew(ledger: LedgerWriter) -> None:
    with turn(ledger.home):
        publish(ledger.home, now=ledger.clock())
