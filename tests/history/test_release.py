"""A release: the same bytes twice, and every change of them named."""

import base64
import json
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

import gpuledger
from gpuledger.core.errors import ConfigError, CorruptError, StoreError
from gpuledger.release.verify import verify
from gpuledger.release.write import release

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
DAY = date(2026, 3, 1)


@pytest.fixture(scope="session")
def released(list_home, tmp_path_factory) -> Path:
    """Of the bundled list, which is quick. Only to be read."""
    folder = tmp_path_factory.mktemp("release") / "out"
    release(gpuledger.Ledger(list_home.path, clock=lambda: NOW, environ={}), folder)
    return folder


@pytest.fixture
def ledger(list_home) -> gpuledger.Ledger:
    return gpuledger.Ledger(list_home.path, clock=lambda: NOW, environ={})


@pytest.mark.packaging
def test_a_release_of_the_whole_history_is_sound_on_any_day(history_home, tmp_path):
    done = release(gpuledger.Ledger(history_home.path, clock=lambda: NOW, environ={}), tmp_path)
    assert (done.months > 75, done.bytes < 5_000_000) == (True, True)
    for day in (date(2022, 10, 1), date(2024, 6, 1), date(2026, 7, 20)):
        found = verify(str(tmp_path), day=day)
        assert (found.index_day, found.faults) == (day.isoformat(), ())
        assert found.series > 20


@pytest.fixture
def copy(released: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released, tmp_path / "copy"))


def digests(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.slow
def test_made_twice_it_is_the_same_bytes_in_a_new_folder_and_in_its_own(ledger, released, tmp_path):
    release(ledger, tmp_path / "again")
    again = release(ledger, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(released)
    assert (again.written, again.number) == (0, 1)


def test_a_release_is_sound_and_says_what_was_proved(released):
    found = verify(str(released))
    assert (found.faults, found.signature, found.number) == ((), "none", 1)
    assert found.series > 0


def test_the_index_of_a_day_follows_from_its_votes_and_its_votes_from_prices(released):
    found = verify(str(released), day=DAY)
    assert (found.index_day, found.faults) == (DAY.isoformat(), ())
    assert found.series > 5


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def test_a_flipped_byte_is_named(copy):
    flip(copy / "prices" / "2025-06.parquet")
    assert verify(str(copy)).faults == (
        "prices/2025-06.parquet has other bytes than its digest in manifest.json",
    )


def test_a_missing_month_is_named(copy):
    (copy / "prices" / "2023-05.parquet").unlink()
    assert verify(str(copy)).faults == ("prices/2023-05.parquet is missing",)


@pytest.mark.parametrize("name", ["chain.jsonl", "latest.json", "offers.parquet", "index/v2_votes.parquet"])
def test_a_file_that_the_manifest_keeps_silent_about_is_named(copy, name):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = [file for file in manifest["files"] if file["path"] != name]
    path.write_text(json.dumps(manifest))
    assert f"{name} is in no manifest" in verify(str(copy)).faults


def test_a_chain_that_ends_at_another_time_than_its_manifest_is_named(copy):
    lines = (copy / "chain.jsonl").read_text().splitlines()
    lines[-1] = json.dumps({**json.loads(lines[-1]), "published_at": "2020-01-01T00:00:00Z"})
    (copy / "chain.jsonl").write_text("\n".join(lines) + "\n")
    rebind(copy)
    assert any("the last line of chain.jsonl" in fault for fault in verify(str(copy)).faults)


def test_a_month_that_nobody_released_is_named(copy):
    shutil.copy(copy / "prices" / "2023-05.parquet", copy / "prices" / "2031-01.parquet")
    assert verify(str(copy)).faults == ("prices/2031-01.parquet is in no manifest",)


def rebind(folder: Path) -> None:
    """What somebody does who rewrites a month and the manifest with it."""
    from gpuledger.release.layout import digest_of

    manifest = json.loads((folder / "manifest.json").read_text())
    for file in manifest["files"]:
        path = folder / file["path"]
        file |= {"sha256": digest_of(path), "bytes": path.stat().st_size}
        if path.suffix == ".parquet":
            file["rows"] = pq.read_metadata(path).num_rows
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def test_a_rewritten_month_is_named_even_where_the_manifest_agrees(copy):
    month = copy / "prices" / "2025-06.parquet"
    table = pq.read_table(month)
    pq.write_table(table.slice(1), month)
    rebind(copy)
    assert "prices/2025-06.parquet was rewritten after release 1 had closed it" in verify(str(copy)).faults


def test_a_rewritten_chain_does_not_follow(copy):
    chain = copy / "chain.jsonl"
    link = json.loads(chain.read_text())
    link["before"] = "0" * 64
    chain.write_text(json.dumps(link, sort_keys=True) + "\n")
    rebind(copy)
    assert any("does not follow from the one before" in fault for fault in verify(str(copy)).faults)


def rewrite_index(folder: Path, change) -> dict:
    """Change one published row of the last day in the index, and the manifest with it; returns the row before."""
    path = folder / "index" / "v2.parquet"
    whole = pq.read_table(path)
    rows = whole.to_pylist()
    days = [row["price_date"] for row in rows if row["median_usd_per_gpu_hour"] is not None]
    row = next(
        row for row in rows if row["price_date"] == max(days) and row["median_usd_per_gpu_hour"] is not None
    )
    former = dict(row)
    change(rows, row)
    pq.write_table(whole.from_pylist(rows, schema=whole.schema), path)
    rebind(folder)
    return former


FORGED = [
    ("state", "carried"),
    ("reason", "nobody looked"),
    ("price_index", 42.0),
    ("high", 1e6),
    ("chain", 7),
    ("providers", 99),
    ("matched_offers", 99_999),
    ("floor_usd_per_gpu_hour", Decimal("0.01")),
    ("floor_provider", "somebody"),
    ("median_usd_per_gpu_hour", Decimal("0.02")),
    ("usd_per_gpu_hour", Decimal("0.03")),
]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        case if case[0] in ("price_index", "floor_provider") else pytest.param(*case, marks=pytest.mark.deep)
        for case in FORGED
    ],
)
def test_an_index_that_its_votes_do_not_give_is_named(copy, column, value):
    former = rewrite_index(copy, lambda rows, row: row.update({column: value}))
    faults = verify(str(copy), day=former["price_date"]).faults
    name = f"the index of {former['gpu_id']} {former['purchase_option']} {former['segment'] or 'all'}"
    assert any(fault.startswith(name) and f"has {column} " in fault for fault in faults), faults


def test_a_row_of_the_index_that_is_missing_is_named(copy):
    former = rewrite_index(copy, lambda rows, row: rows.remove(row))
    faults = verify(str(copy), day=former["price_date"]).faults
    assert any("is missing, and its votes give one" in fault for fault in faults)


def test_a_vote_with_a_price_that_nobody_saw_is_named(copy):
    path = copy / "index" / "v2_votes.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    victim = next(row for row in rows if row["price_date"] == DAY)
    victim["cheapest_usd_per_gpu_hour"] = Decimal("0.123457")
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    rebind(copy)
    faults = verify(str(copy), day=DAY).faults
    assert any("with 0.123457 USD per GPU-hour, which no price file has" in fault for fault in faults)


def test_a_closed_month_that_differs_stops_the_next_release(ledger, copy):
    flip(copy / "prices" / "2025-06.parquet")
    with pytest.raises(StoreError, match="is not what release 1 closed; put that file back"):
        release(ledger, copy)


@pytest.mark.parametrize(
    "name", ["README.md", "latest.json", "prices/2025-06.parquet", "index/v2.parquet", "index.html"]
)
def test_somebody_elses_file_is_not_overwritten_and_nothing_is_written_beside_it(ledger, tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(StoreError, match=rf"{name} would be overwritten and is of no release"):
        release(ledger, tmp_path)
    assert digests(tmp_path) == {name: b"mine"}


def test_a_link_in_the_way_is_somebody_elses_too_though_it_leads_nowhere(ledger, tmp_path):
    (tmp_path / "README.md").symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=r"README\.md would be overwritten"):
        release(ledger, tmp_path)
    assert (tmp_path / "README.md").is_symlink()


def test_a_month_of_nobody_among_the_months_is_refused_because_readers_would_take_it(ledger, copy):
    shutil.copy(copy / "prices" / "2023-05.parquet", copy / "prices" / "2031-01.parquet")
    with pytest.raises(
        StoreError, match=r"2031-01.parquet is of no release, and who reads prices/\*.parquet"
    ):
        release(ledger, copy)


@pytest.mark.deep
def test_other_files_are_left_alone_and_named_and_not_published(ledger, copy):
    before = digests(copy)
    others = {"CNAME": b"prices.example", "notes/thesis.txt": b"mine", ".git/config": b"[core]"}
    for name, body in others.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(body)
    done = release(ledger, copy)
    assert (done.written, done.number, done.other_files) == (0, 1, ("CNAME", "notes/thesis.txt"))
    assert digests(copy) == before | others
    found = verify(str(copy))
    assert (found.faults, found.other_files) == ((), ("CNAME", "notes/thesis.txt"))


@pytest.mark.deep
def test_a_release_that_broke_off_is_finished_by_the_next(ledger, released, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "out" / "latest.json"))

    with monkeypatch.context() as patched:
        patched.setattr("gpuledger.release.write._write_words", full)
        with pytest.raises(StoreError, match=r"latest\.json: No space left"):
            release(ledger, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()
    release(ledger, tmp_path / "out")
    assert digests(tmp_path / "out") == digests(released)


@pytest.mark.deep
def test_two_releases_do_not_write_into_one_folder_at_once(ledger, tmp_path):
    from gpuledger.release.folder import one_writer

    with (
        one_writer(tmp_path),
        pytest.raises(StoreError, match="another process writes a release into"),
    ):
        release(ledger, tmp_path)
    assert release(ledger, tmp_path).number == 1


def test_no_release_is_said_to_be_none(tmp_path):
    with pytest.raises(CorruptError, match=r"has no manifest.json: no release is there"):
        verify(str(tmp_path))


@pytest.fixture(scope="session")
def keys(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    private, public = folder / "key.pem", folder / "key.pub"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", private], check=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
    return private, public


def test_a_signature_is_good_by_its_key_alone(copy, keys, tmp_path):
    from gpuledger.release.sign import sign

    private, public = keys
    body = (copy / "manifest.json").read_bytes()
    (copy / "manifest.json.sig").write_text(sign(body, private))
    assert verify(str(copy), public_key=public).signature == "good"
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True)
    (copy / "manifest.json.sig").write_text(sign(body, other))
    found = verify(str(copy), public_key=public)
    assert (found.signature, found.faults) == (
        "wrong",
        (f"the manifest is not signed by the key in {public}",),
    )
    assert len(base64.b64decode((copy / "manifest.json.sig").read_text())) == 64


def test_a_key_that_cannot_sign_is_refused_before_anything_is_written(ledger, tmp_path):
    (tmp_path / "key.pem").write_text("none")
    with pytest.raises(ConfigError, match="cannot read"):
        release(ledger, tmp_path / "out", key=tmp_path / "key.pem")
    assert not (tmp_path / "out").exists()


def test_without_the_signature_that_is_asked_for_it_is_not_sound(released, keys):
    assert verify(str(released), public_key=keys[1]).faults == (
        "manifest.json.sig is missing, so the manifest is not signed",
    )


def test_latest_json_has_the_cheapest_of_each_accelerator_as_the_program_says_it(ledger, released):
    latest = json.loads((released / "latest.json").read_text())
    assert len(latest["gpus"]) > 20
    for gpu in latest["gpus"][::7]:
        for option, offers in gpu["cheapest"].items():
            found = ledger.cheapest(gpu["gpu_id"], purchase_options=(option,), limit=3)
            assert [offer["offer_id"] for offer in offers] == [row["offer_id"] for row in found]
            assert [offer["usd_per_gpu_hour"] for offer in offers] == [
                format(row["usd_per_gpu_hour"].normalize(), "f") for row in found
            ]
    assert (released / "latest.json").stat().st_size < 200_000


def test_feeds_and_card_are_what_their_readers_take(released):
    feed = json.loads((released / "feed.json").read_text())
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    atom = ElementTree.parse(released / "atom.xml").getroot()
    assert len(atom.findall("{http://www.w3.org/2005/Atom}entry")) == len(feed["items"]) > 0
    card = json.loads((released / "croissant.json").read_text())
    assert card["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    digests = {one["@id"]: one.get("sha256") for one in card["distribution"]}
    assert digests["offers.parquet"] == next(
        file["sha256"]
        for file in json.loads((released / "manifest.json").read_text())["files"]
        if file["path"] == "offers.parquet"
    )
    assert (released / "README.md").read_text().startswith("---\nlicense: cc-by-4.0\n")
    assert "# GPU price changes" in (released / "CHANGELOG.md").read_text()


def test_another_days_release_rewrites_the_open_month_alone_and_takes_what_came_late(
    list_home, copy, tmp_path
):
    """A day later the ledger knows one new price, and one of a month that is closed."""
    from gpuledger.core.store.home import Home
    from gpuledger.flows.imports import import_files
    from gpuledger.flows.ledger import LedgerWriter as Writer
    from gpuledger.scrapers.archives.registry import EVERY_SOURCE, archive

    later = NOW + timedelta(days=1)
    home = Home(Path(shutil.copytree(list_home.path, tmp_path / "home")))
    rows = "observed_at,provider,instance_type,region,price\n"
    rows += "2026-11-29,aws,p5.48xlarge,us-east-1,55.04\n2025-06-05,aws,p5.48xlarge,us-west-2,98.32\n"
    (tmp_path / "late.csv").write_text(rows)
    writer = Writer(home=home, sources=EVERY_SOURCE, clock=lambda: later)
    import_files(writer, archive("changes"), [tmp_path / "late.csv"], context={})
    before = digests(copy)
    done = release(gpuledger.Ledger(home.path, clock=lambda: later, environ={}), copy)
    after = digests(copy)
    changed = {name for name in after if before.get(name) != after[name] and name.startswith("prices/")}
    assert changed == {"prices/2026-11.parquet"}
    times = pq.read_table(copy / "prices" / "2026-11.parquet", columns=["observed_at"])[
        "observed_at"
    ].to_pylist()
    assert datetime(2025, 6, 5, tzinfo=UTC) in times
    assert (done.number, verify(str(copy)).faults) == (2, ())
