"""One command makes a backup, one restores it, and the restored ledger is the one that was backed up."""

import hashlib
import shutil
from dataclasses import replace

import pytest

from gpuledger.core.errors import CorruptError, StoreError, UsageError
from gpuledger.core.store.home import Home
from gpuledger.flows.backup import LIST, RESTORING, back_up, restore
from gpuledger.flows.replay import price_history


@pytest.fixture
def backed_up(world, listing, tmp_path):
    world.refresh(listing(a=2.5, b=3, c=4))
    world.refresh(b"<html>")
    world.refresh(listing(a=2.6, b=(3, "sold_out")))
    home = world.ledger.home.path
    (home / "gpu_alias.csv").write_text(
        "provider,gpu_label,gpu_memory_gib,gpu_id\nrunpod,Foo,,h100-sxm-80gb\n"
    )
    (home / "overrides.toml").write_text("[[discount]]\nprovider = 'runpod'\npercent = 30\n")
    (home / "quotes").mkdir()
    (home / "quotes" / "0123456789abcdef.json").write_text("{}")
    return tmp_path / "backup", back_up(world.ledger, tmp_path / "backup")


@pytest.mark.recovery
def test_a_restored_home_has_the_same_history_quotes_and_terms(backed_up, world, tmp_path):
    folder, made = backed_up
    other = replace(world.ledger, home=Home(tmp_path / "restored"))
    assert restore(folder, other) == made
    assert price_history(other) == price_history(world.ledger)
    for name in ("gpu_alias.csv", "overrides.toml", "quotes/0123456789abcdef.json"):
        assert (other.home.path / name).read_bytes() == (world.ledger.home.path / name).read_bytes()
    assert not list((folder / "home").rglob("*.duckdb"))


def test_a_backup_is_brought_up_to_date(backed_up, world, listing):
    folder, before = backed_up
    world.refresh(listing(a=2.7, b=3))
    after = back_up(world.ledger, folder)
    assert after.runs == before.runs + 1
    assert after.digest != before.digest


@pytest.mark.recovery
def test_a_byte_that_broke_ends_a_restore(backed_up, world, tmp_path):
    folder, made = backed_up
    victim = next((folder / "archive").rglob("*.zst"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    other = replace(world.ledger, home=Home(tmp_path / "restored"))
    with pytest.raises(CorruptError, match="is not what was backed up"):
        restore(folder, other)
    victim.write_bytes(whole)
    assert restore(folder, other) == made
    with pytest.raises(UsageError, match="holds a ledger"):
        restore(folder, other)


@pytest.mark.recovery
@pytest.mark.parametrize("stage", ["after some files", "after all files", "after the replay"])
def test_a_restore_that_was_killed_is_gone_on_with(backed_up, world, tmp_path, stage):
    """What a kill leaves at each stage: the mark with some files, with all, with a ledger that nothing proved."""
    folder, made = backed_up
    whole = replace(world.ledger, home=Home(tmp_path / "whole"))
    restore(folder, whole)
    other = replace(world.ledger, home=Home(tmp_path / "restored"))
    shutil.copytree(whole.home.path, other.home.path)
    (other.home.path / RESTORING).write_text(hashlib.sha256((folder / LIST).read_bytes()).hexdigest())
    if stage != "after the replay":
        other.home.database.unlink()
        shutil.rmtree(other.home.snapshots)
    if stage == "after some files":
        next(other.home.archive.rglob("*.zst")).unlink()
        (other.home.path / "overrides.toml").write_bytes(b"[[disc")
    assert restore(folder, other) == made
    assert price_history(other) == price_history(world.ledger)
    assert not (other.home.path / RESTORING).exists()


@pytest.mark.recovery
def test_a_restore_goes_on_with_its_own_backup_alone(backed_up, world, listing, tmp_path):
    folder, _ = backed_up
    other = replace(world.ledger, home=Home(tmp_path / "restored"))
    victim = next((folder / "archive").rglob("*.zst"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    with pytest.raises(CorruptError):
        restore(folder, other)
    victim.write_bytes(whole)
    world.refresh(listing(a=2.7, b=3))
    back_up(world.ledger, folder)
    with pytest.raises(UsageError, match="begin of a restore from another backup"):
        restore(folder, other)


def test_nothing_is_written_over(backed_up, world, tmp_path):
    folder, _ = backed_up
    with pytest.raises(UsageError, match="holds a ledger"):
        restore(folder, world.ledger)
    (folder / LIST).unlink()
    with pytest.raises(UsageError, match="holds no backup"):
        back_up(world.ledger, folder)
    with pytest.raises(UsageError, match="is no backup"):
        restore(folder, replace(world.ledger, home=Home(tmp_path / "restored")))


@pytest.mark.recovery
def test_a_backup_that_was_cut_off_is_gone_on_with(world, listing, tmp_path, monkeypatch):
    """A full disk or a kill leaves a folder without its list; the same command makes it whole."""
    world.refresh(listing(a=2.5, b=3))
    folder = tmp_path / "backup"

    def full(path, content, **more):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr("gpuledger.flows.backup._digest", lambda ledger: full(folder, b""))
        with pytest.raises(StoreError, match="No space left on device"):
            back_up(world.ledger, folder)
    assert not (folder / LIST).exists()
    made = back_up(world.ledger, folder)
    assert made.runs == 1
    assert sorted(path.name for path in folder.iterdir()) == ["archive", LIST]


@pytest.mark.recovery
def test_a_file_that_broke_in_the_backup_is_copied_anew(backed_up, world, tmp_path):
    folder, before = backed_up
    victim = next((folder / "archive").rglob("*.zst"))
    whole = victim.read_bytes()
    victim.write_bytes(whole[:-1])
    assert back_up(world.ledger, folder).digest == before.digest
    assert victim.read_bytes() == whole
