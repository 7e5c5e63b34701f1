"""A release as a source: on a machine that reads no provider, from a plain file server."""

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import gpuledger
from gpuledger.core.document import Document, Request
from gpuledger.core.errors import CorruptError, UnreachableError
from gpuledger.core.store.home import Home
from gpuledger.core.store.publish import reading
from gpuledger.flows.columns import read_columns
from gpuledger.flows.ledger import LedgerWriter as Writer
from gpuledger.flows.replay import replay
from gpuledger.release.fetch import fetch
from gpuledger.release.layout import digest_of, digest_of_files, read_chain, read_manifest
from gpuledger.release.pull import pull
from gpuledger.release.verify import verify
from gpuledger.release.write import release
from gpuledger.scrapers.archives.registry import EVERY_SOURCE
from tests.interface.server.large_ledger import NOW, fill

LATER = NOW + timedelta(hours=6)
DAYS_LATER = NOW + timedelta(days=90)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def market(tmp_path_factory) -> tuple[Home, Path]:
    """A ledger of a live source with ten days of prices, and its release. Only to be read."""
    home = Home(tmp_path_factory.mktemp("market"))
    fill(home, now=NOW, offers=240, days=10)
    folder = tmp_path_factory.mktemp("published") / "out"
    release(gpuledger.Ledger(home.path, clock=lambda: NOW, environ={}), folder)
    return home, folder


@pytest.fixture
def served(market: tuple[Home, Path], tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address and folder of a copy of the release."""
    folder = Path(shutil.copytree(market[1], tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder
    server.shutdown()
    server.server_close()


@pytest.fixture
def laptop(tmp_path: Path) -> Writer:
    return Writer(home=Home(tmp_path / "laptop"), sources=EVERY_SOURCE, clock=lambda: LATER)


# by sku: a pulled offer gets its identity from its terms, and this market made its ids up
SHOWN = "select sku, instance_type, region, amount, usd_per_gpu_hour from offer_latest order by sku"
MOVES = "select sku, valid_from, amount from price_history order by sku, valid_from"


def test_the_prices_of_a_pulled_release_are_those_of_its_ledger(market, served, laptop):
    done = pull(laptop, served[0])
    assert done.rows > done.new_offers > 200
    with reading(market[0]) as theirs, reading(laptop.home) as ours:
        assert ours.execute(SHOWN).fetchall() == theirs.execute(SHOWN).fetchall()
        assert ours.execute(MOVES).fetchall() == theirs.execute(MOVES).fetchall()
        assert ours.execute("select distinct source, confidence from price_history").fetchall() == [
            ("release", "observed")
        ]
        urls = ours.execute("select distinct source_url from offer_latest").fetchall()
    assert urls and all(url.startswith(f"{served[0]}/") and url.endswith("?source=runpod") for (url,) in urls)


def test_nothing_of_the_past_is_recorded_there_that_is_not_here(market, served, laptop):
    """This made-up ledger has two runs, so a price that changed between them was never seen twice: there it ages."""
    pull(laptop, served[0])
    text = "select sku, amount from offers_as_of($1) where is_recorded order by sku"
    at = NOW - timedelta(days=4, hours=3)
    with reading(market[0]) as theirs, reading(laptop.home) as ours:
        found = set(ours.execute(text, [at]).fetchall())
        assert found <= set(theirs.execute(text, [at]).fetchall())
    assert len(found) > 100


@pytest.mark.deep
def test_a_second_pull_fetches_nothing_and_a_replay_gives_the_same(served, laptop):
    pull(laptop, served[0])
    again = pull(laptop, served[0])
    assert (again.files, again.changes) == (0, 0)
    assert (replay(laptop).added, replay(laptop).removed) == (0, 0)


def test_an_address_is_verified_as_a_folder_is(served):
    assert verify(served[0]).faults == ()
    (served[1] / "offers.parquet").write_bytes(b"x" * 100)
    assert any(fault.startswith("offers.parquet has 100 bytes") for fault in verify(served[0]).faults)


def test_bytes_that_are_not_the_manifests_are_refused_and_nothing_is_taken(served, laptop):
    path = sorted((served[1] / "prices").iterdir())[0]
    body = bytearray(path.read_bytes())
    body[200] ^= 1
    path.write_bytes(body)
    with pytest.raises(CorruptError, match=r"has other bytes than its digest.*nothing was taken"):
        pull(laptop, served[0])
    assert list(laptop.archive.manifests(["release"])) == []


def test_rows_of_a_release_that_cannot_be_are_left_out_with_their_error(market):
    """Its manifest says that the bytes are its writer's, not that they are true."""
    table = pq.read_table(market[1] / "offers.parquet").slice(0, 6)
    hostile = {
        "amount": [Decimal(-1), Decimal("1e11"), *table["amount"].to_pylist()[2:]],
        "provider": [*table["provider"].to_pylist()[:2], "Some Cloud", *table["provider"].to_pylist()[3:]],
        "last_seen_at": [*table["last_seen_at"].to_pylist()[:3], datetime(1, 1, 1, tzinfo=UTC), DAYS_LATER, NOW],
    }  # fmt: skip
    for name, values in hostile.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    pq.write_table(table, body := pa.BufferOutputStream())
    document = Document(
        source="release",
        request=Request(url="https://prices.example/offers.parquet", context={"source": "runpod", "table": "offers"}),
        body=body.getvalue().to_pybytes(),
        fetched_at=NOW,
    )  # fmt: skip
    (source,) = (source for source in EVERY_SOURCE if source.name == "release")
    rows, left_out = read_columns(source, [document], NOW)
    assert rows["observed_at"].to_pylist() == [NOW]
    assert [row.reason for row in left_out] == [
        "price.amount: Input should be greater than or equal to 0.000001",
        "price.amount: Input should be less than 1E+11",
        "provider: String should match pattern '^[a-z0-9_]+$'",
        "seen before 2006, when no cloud rented by the hour",
        "seen more than a day after now",
    ]


def change_manifest(folder: Path, **changes: object) -> None:
    """Of the first file it lists, where a name begins with `file_`."""
    content = json.loads((folder / "manifest.json").read_text())
    for name, value in changes.items():
        at = content["files"][0] if name.startswith("file_") else content
        at[name.removeprefix("file_")] = value
    (folder / "manifest.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"3", b"[]", b"{}", b"<html>", b"[" * 100_000, "{}".encode("utf-16"), b'{"format": 1}'],
)
def test_what_is_no_manifest_is_said_to_be_none(served, laptop, tmp_path, body):
    (served[1] / "manifest.json").write_bytes(body)
    for read in (verify, lambda place: pull(laptop, place), lambda place: fetch(place, tmp_path / "copy")):
        with pytest.raises(CorruptError, match=r"manifest.json is no manifest of a release"):
            read(str(served[1]))


@pytest.mark.parametrize(
    "changes",
    [
        {"files": None}, {"files": ["a"]}, {"number": "x"}, {"number": 0}, {"published_at": None},
        {"published_at": "yesterday"}, {"index_method": None}, {"file_path": 5}, {"file_bytes": "many"},
        {"file_bytes": -1}, {"file_sha256": None}, {"file_sha256": "00"}, {"file_rows": -1},
    ],
)  # fmt: skip
def test_a_manifest_with_another_kind_of_value_is_refused(served, laptop, changes):
    change_manifest(served[1], **changes)
    for read in (verify, lambda place: pull(laptop, place)):
        with pytest.raises(CorruptError, match=r"manifest.json is no manifest of a release: \w+"):
            read(str(served[1]))


def test_a_manifest_that_lists_a_file_twice_is_refused(served):
    content = json.loads((served[1] / "manifest.json").read_text())
    change_manifest(served[1], files=[*content["files"], content["files"][0]])
    with pytest.raises(CorruptError, match="2 times"):
        verify(str(served[1]))


def test_what_a_later_program_adds_to_the_manifest_is_not_in_the_way(served, laptop):
    change_manifest(served[1], greeting="hello")
    assert (verify(str(served[1])).faults, pull(laptop, str(served[1])).refused) == ((), ())


@pytest.mark.parametrize(
    "body", [b"", b"null\n", b"[1]\n", b"\xff\xfe\n", b'{"number": 1}\n', b'{"closed": ["x"]}\n']
)
def test_what_is_no_chain_is_named_and_nothing_is_taken(served, laptop, body):
    (served[1] / "chain.jsonl").write_bytes(body)
    rebind(served[1])
    assert any("chain.jsonl" in fault for fault in verify(str(served[1])).faults)
    with pytest.raises(CorruptError, match=r"chain\.jsonl"):
        pull(laptop, str(served[1]))


def rebind(folder: Path) -> None:
    """Let the manifest have the bytes and rows that are there."""
    content = json.loads((folder / "manifest.json").read_text())
    for file in content["files"]:
        path = folder / file["path"]
        file |= {"sha256": digest_of(path), "bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def bind(folder: Path) -> None:
    """What a publisher does who means it: manifest and the only line of the chain follow from the files."""
    rebind(folder)
    manifest = read_manifest((folder / "manifest.json").read_bytes(), "")
    (link,) = read_chain((folder / "chain.jsonl").read_bytes(), "")
    link = replace(
        link,
        files_sha256=digest_of_files(manifest.files),
        closed={path: digest_of(folder / path) for path in link.closed},
    )
    (folder / "chain.jsonl").write_text(link.to_line() + "\n")
    rebind(folder)


def test_a_month_that_was_rewritten_with_its_manifest_is_not_taken(served, laptop):
    month = sorted((served[1] / "prices").iterdir())[0]
    pq.write_table(pq.read_table(month).slice(1), month)
    rebind(served[1])
    with pytest.raises(
        CorruptError, match=r"lists other files than the last line of chain\.jsonl binds; nothing"
    ):
        pull(laptop, served[0])
    assert list(laptop.archive.manifests(["release"])) == []


def with_sources(names: list[object]):
    def change(path: Path) -> None:
        table = pq.read_table(path)
        at = table.column_names.index("source")
        pq.write_table(
            table.set_column(at, "source", pa.array((names * table.num_rows)[: table.num_rows])), path
        )

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_bytes(b""), "offers.parquet is no Parquet file"),
        (lambda path: path.write_bytes(b"PAR1 nothing PAR1"), "offers.parquet is no Parquet file"),
        (lambda path: pq.write_table(pq.read_table(path).drop_columns(["source"]), path), "column source is missing"),
        (lambda path: pq.write_table(pq.read_table(path).slice(1), path), "239 rows, 240 expected"),
        (with_sources([None, "runpod"]), "rows of a source named None"),
        (with_sources(["../x\n'; drop table offer"]), "rows of a source named"),
        (with_sources([7]), "column source is int64, string expected"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_refused_though_its_publisher_bound_it(served, laptop, change, said):
    change(served[1] / "offers.parquet")
    bind(served[1])
    with pytest.raises(CorruptError, match=said):
        pull(laptop, served[0])
    assert list(laptop.archive.manifests(["release"])) == []


def test_a_table_whose_prices_are_words_is_told_of(served, laptop):
    path = served[1] / "offers.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("amount")
    pq.write_table(table.set_column(at, "amount", pa.array(["cheap"] * table.num_rows)), path)
    bind(served[1])
    done = pull(laptop, served[0])
    assert any("no table of a release" in fault for fault in done.refused)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("v2_votes", lambda path: path.write_bytes(b"x"), "v2_votes.parquet is no Parquet file"),
        (
            "v2",
            lambda path: pq.write_table(pq.read_table(path).drop_columns(["gpu_id"]), path),
            "v2.parquet: column gpu_id is missing",
        ),
        (
            "v2_votes",
            lambda path: pq.write_table(pq.read_table(path).rename_columns({"log_change": "change"}), path),
            "v2_votes.parquet: column log_change is missing, double expected",
        ),
    ],
)
def test_an_index_that_is_no_table_of_it_is_named(served, name, change, said):
    change(served[1] / "index" / f"{name}.parquet")
    bind(served[1])
    assert any(said in fault for fault in verify(str(served[1])).faults)


def test_a_chain_that_forgot_what_was_pulled_is_refused(served, laptop):
    pull(laptop, served[0])
    note = laptop.home.path / "pulled.json"
    note.write_text(json.dumps({served[0]: "0" * 64}))
    with pytest.raises(CorruptError, match="its past was rewritten"):
        pull(laptop, served[0])


def test_an_unsigned_release_is_refused_where_a_key_is_asked_for(served, laptop, tmp_path):
    with pytest.raises(CorruptError, match="so nobody signed it"):
        pull(laptop, served[0], public_key=tmp_path / "key.pub")


def test_an_address_that_does_not_answer_is_one_line(laptop):
    with pytest.raises(UnreachableError, match=r"cannot read http://127\.0\.0\.1:9"):
        pull(laptop, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    "path", ["a\0b", "a" * 300, "../../etc/passwd", "/etc/passwd", "prices/../../passwd", "//passwd", "."]
)
def test_a_path_out_of_the_release_is_neither_read_nor_written(served, tmp_path, path):
    manifest = json.loads((served[1] / "manifest.json").read_text())
    manifest["files"][0]["path"] = path
    (served[1] / "manifest.json").write_text(json.dumps(manifest))
    for place in (str(served[1]), served[0]):
        assert any(f"{path!r} lies outside" in fault for fault in verify(place).faults)
        with pytest.raises(CorruptError, match="lies outside"):
            fetch(place, tmp_path / "copy")


def test_the_time_of_the_release_is_that_of_its_ledger(served, laptop):
    assert datetime.fromisoformat(pull(laptop, served[0]).published_at) <= NOW.astimezone(UTC)
