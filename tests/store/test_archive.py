"""Bytes on disk by their hash: what was put comes back, and what was touched is noticed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import CorruptError, StoreError
from gpuledger.core.store.archive import Archive, FetchFailure, Manifest, run_id

AT = datetime(2026, 10, 7, 12, 0, tzinfo=UTC)


def document(body: bytes = b'{"offers": []}', **more: str) -> Document:
    request = Request(
        url="https://prices.example/list", context={"region": "eu"}, method="POST", payload={"q": 1}
    )
    return Document(source="runpod", request=request, body=body, fetched_at=AT, **more)  # pyright: ignore[reportArgumentType]


def manifest(archive: Archive, *documents: Document, source: str = "runpod", at: datetime = AT) -> Manifest:
    return Manifest(
        run_id=run_id(source, at),
        source=source,
        started_at=at,
        observed_at=at + timedelta(seconds=3),
        documents=tuple(archive.put(one) for one in documents),
    )


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def stored(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.zst"))


@pytest.mark.parametrize("body", [b"", b"a", b"\x00\xff" * 70_000, "Gebühr".encode()])
def test_the_same_bytes_come_back(archive: Archive, body: bytes):
    archive.put(document(body))
    assert archive.body(document(body).sha256) == body


def test_a_document_comes_back_with_its_provenance(archive: Archive):
    kept = document(
        content_type="application/json", etag='"one"', last_modified="Wed, 07 Oct 2026 12:00:00 GMT"
    )
    assert archive.documents(manifest(archive, kept)) == [kept]


def test_equal_bytes_are_kept_once(archive: Archive, tmp_path: Path):
    archive.put(document(etag="one"))
    archive.put(document(etag="two"))
    assert len(stored(tmp_path)) == 1


def test_the_name_is_the_hash(archive: Archive, tmp_path: Path):
    archive.put(document())
    sha256 = document().sha256
    assert stored(tmp_path) == [tmp_path / sha256[:2] / f"{sha256}.zst"]


def test_bytes_are_compressed(archive: Archive, tmp_path: Path):
    archive.put(document(b'{"price": 2.5}' * 10_000))
    assert stored(tmp_path)[0].stat().st_size < 1000


def test_missing_bytes_are_named(archive: Archive):
    with pytest.raises(CorruptError, match="the archive lacks abcdef"):
        archive.body("abcdef")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def _flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0xFF
    path.write_bytes(bytes(body))


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _plain(path: Path) -> None:
    path.write_bytes(b"<html>")


@pytest.mark.parametrize("damage", [_cut, _flip, _empty, _plain])
def test_damaged_bytes_are_named_and_never_read(archive: Archive, tmp_path: Path, damage):
    archive.put(document())
    (path,) = stored(tmp_path)
    damage(path)
    with pytest.raises(CorruptError, match=path.name):
        archive.body(document().sha256)


def test_other_bytes_under_a_name_are_noticed(archive: Archive, tmp_path: Path):
    archive.put(document())
    (path,) = stored(tmp_path)
    archive.put(document(b"other"))
    (other,) = (found for found in stored(tmp_path) if found != path)
    path.write_bytes(other.read_bytes())
    with pytest.raises(CorruptError, match="does not hold the bytes of its name"):
        archive.body(document().sha256)


def test_a_manifest_comes_back_whole(archive: Archive):
    kept = manifest(archive, document(), document(b"second"))
    archive.write_manifest(kept)
    assert archive.manifest(kept.run_id) == kept


def test_a_failed_run_has_a_manifest_too(archive: Archive):
    failure = FetchFailure(kind="TransientFetchError", message="HTTP 500", url="https://prices.example/list")
    kept = Manifest(
        run_id=run_id("runpod", AT),
        source="runpod",
        started_at=AT,
        observed_at=AT,
        documents=(),
        is_complete=False,
        failure=failure,
    )
    archive.write_manifest(kept)
    assert list(archive.manifests()) == [kept]


def test_runs_come_in_the_order_of_their_start(archive: Archive):
    for source, days in (("vast", 40), ("runpod", 0), ("runpod", 41), ("crusoe", 0)):
        archive.write_manifest(manifest(archive, document(), source=source, at=AT + timedelta(days=days)))
    starts = [(one.source, (one.started_at - AT).days) for one in archive.manifests()]
    assert starts == [("crusoe", 0), ("runpod", 0), ("vast", 40), ("runpod", 41)]
    assert [one.source for one in archive.manifests(["runpod"])] == ["runpod", "runpod"]
    assert [one.source for one in archive.manifests(since=AT + timedelta(days=1))] == ["vast", "runpod"]
    assert archive.run_ids(AT + timedelta(days=35)) == [
        run_id("vast", AT + timedelta(days=40)),
        run_id("runpod", AT + timedelta(days=41)),
    ]


def test_the_newest_run_of_a_source_is_found(archive: Archive):
    for days in (0, 1):
        archive.write_manifest(manifest(archive, document(), at=AT + timedelta(days=days)))
    archive.write_manifest(manifest(archive, document(), source="runpod_eu", at=AT + timedelta(days=2)))
    newest = archive.newest("runpod", AT)
    assert newest is not None
    assert newest.started_at == AT + timedelta(days=1)
    assert archive.newest("crusoe", AT) is None


BROKEN = {
    "no JSON": b"{",
    "no manifest": b"{}",
    "a list": b"[]",
    "no bytes": b"",
    "no text": b"\xff\xfe",
    "a bad time": b'{"run_id": "x", "source": "x", "started_at": "yesterday"}',
}


@pytest.mark.parametrize("why", BROKEN)
def test_a_manifest_that_cannot_be_read_is_named(archive: Archive, tmp_path: Path, why: str):
    kept = manifest(archive, document())
    archive.write_manifest(kept)
    (path,) = tmp_path.glob("runs/2026/10/*.json")
    path.write_bytes(BROKEN[why])
    with pytest.raises(CorruptError, match=path.name):
        archive.manifest(kept.run_id)
    with pytest.raises(CorruptError, match=path.name):
        list(archive.manifests())


def test_a_folder_that_cannot_be_written_is_named_and_leaves_no_half_file(tmp_path: Path):
    (tmp_path / document().sha256[:2]).write_text("a file where a folder is needed")
    with pytest.raises(StoreError, match=r"cannot write .*\.zst"):
        Archive(tmp_path).put(document())
    assert [path.name for path in tmp_path.iterdir()] == [document().sha256[:2]]


def test_nothing_temporary_is_left(archive: Archive, tmp_path: Path):
    archive.write_manifest(manifest(archive, document()))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".zst", ".json"}
