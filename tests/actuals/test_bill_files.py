"""A bill as it lies on a disk: whoever wrote it, with whatever program, it is read right or refused in words."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.errors import UsageError
from gpuledger.core.store.actuals import import_bill
from tests.actuals import bills
from tests.actuals.conftest import NOW, Taken

ROW = bills.FOCUS_ROW
TEXT = bills.table(ROW)
HEAD, FIRST = TEXT.split("\r\n")[:2]


def parted(delimiter: str, row: dict[str, Any] = ROW) -> str:
    return "".join(
        delimiter.join(f'"{value or ""}"' for value in values) + "\n" for values in (row, row.values())
    )


READ = {
    "with a mark of its byte order": TEXT.encode("utf-8-sig"),
    "UTF-16, as spreadsheets write Unicode text": TEXT.encode("utf-16"),
    "parted by semicolons": parted(";").encode(),
    "parted by tabs": parted("\t").encode(),
    "parted by bars": parted("|").encode(),
    "titles before the head": f"Cost and usage\r\n\r\nOctober\r\n{TEXT}".encode(),
    "blank lines": TEXT.replace("\r\n", "\r\n\r\n").encode(),
    "no end of the last line": TEXT.rstrip().encode(),
    "ends of lines of old Macs": TEXT.replace("\r\n", "\r").encode(),
    "packed, whatever its name": gzip.compress(TEXT.encode()),
    "packed in two parts": gzip.compress(HEAD.encode() + b"\r\n") + gzip.compress(FIRST.encode()),
    "a second column that nobody reads": f"{HEAD},note,note\r\n{FIRST},a,b\r\n".encode(),
    "a line inside of a value": bills.table(ROW | {"ChargeDescription": "p5\n48xlarge"}).encode(),
}


@pytest.mark.parametrize("name", READ)
def test_a_bill_is_read_as_programs_write_it(name: str, take: Taken):
    answer = take("bill.csv", READ[name])
    assert (answer["charges"], answer["usd"], answer["gpu_hours"], answer["refused"]) == (1, "98.32", 8.0, {})


@pytest.mark.parametrize("name", ["BILL.CSV", "bill.tsv", "bill.csv.gz"])
def test_the_name_of_a_file_is_read_in_any_case(name: str, take: Taken):
    assert take(name, TEXT)["charges"] == 1


def test_json_may_be_packed(take: Taken):
    assert take("pods.json.gz", gzip.compress(bills.json_text(bills.RUNPOD).encode()))["usd"] == "11.96"


PACKED = gzip.compress(bills.table(*[ROW | {"ResourceId": f"i-{n}"} for n in range(2000)]).encode())
REFUSED = {
    "is empty": b"\r\n\r\n",
    "ZIP archive or a spreadsheet": b"PK\x03\x04" + bytes(100),
    r"let its name end in \.parquet": b"PAR1" + bytes(100),
    "bytes the other way round": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "bytes of 0": TEXT.encode("utf-16-le"),
    r"line 2 is no UTF-8 \(byte 0xf6\)": bills.table(ROW | {"ServiceName": "Größe"}).encode("latin-1"),
    "line 5003 is no UTF-8": (TEXT + 5000 * f"{FIRST}\r\n").encode()
    + FIRST.encode().replace(b"AWS", b"\xd6WS"),
    "line 3 has 18 values, the head names 21 columns": TEXT + FIRST.rsplit(",", 3)[0],
    "line 3 has 22 values": f"{TEXT}{FIRST},more\r\n",
    "line 3 has a quote that does not end": f'{TEXT}{FIRST.rsplit(",", 1)[0]},"x\r\n',
    "ends its lines in two ways": f"{TEXT}{FIRST}\n",
    "cut off or damaged": PACKED[: len(PACKED) // 2],
    "CRC check failed": PACKED[:2000] + bytes([PACKED[2000] ^ 1]) + PACKED[2001:],
    "columns 'BilledCost' and 'BilledCost'": f"{HEAD},BilledCost\r\n{FIRST},1\r\n",
    "columns 'BilledCost' and 'billed_cost'": f"{HEAD},billed_cost\r\n{FIRST},1\r\n",
}


@pytest.mark.parametrize("words", REFUSED)
def test_a_bill_that_could_be_misread_is_refused_with_its_place(words: str, take: Taken):
    with pytest.raises(UsageError, match=words):
        take("bill.csv", REFUSED[words])


def test_a_record_that_says_something_twice_is_refused(take: Taken):
    with pytest.raises(UsageError, match="'amount' is twice in one record"):
        take("pods.json", '[{"podId": "p", "time": "2026-10-05", "amount": 1, "amount": 2}]')


def test_columns_of_json_that_are_one_are_refused(take: Taken):
    with pytest.raises(UsageError, match="which are one"):
        take("pods.json", '[{"podId": "p", "time": "2026-10-05", "amount": 1, "Amount": 2}]')


def test_a_comma_beside_semicolons_may_part_decimals_and_is_refused(take: Taken):
    """98,320 is ninety-eight dollars there, and ninety-eight thousand elsewhere."""
    row = ROW | {"BilledCost": "98,320", "EffectiveCost": "98,320"}
    assert take("bill.csv", bills.table(row))["usd"] == "98320.00"
    answer = take("bill.csv", parted(";", row))
    assert answer["refused"] == {"has a cost that is no plain number below 1e9, such as 1,234.50": 1}


def test_a_head_without_rows_is_a_bill_of_nothing(take: Taken):
    answer = take("bill.csv", HEAD)
    assert (answer["rows"], answer["charges"], answer["usd"]) == (0, 0, None)


def test_parts_in_different_columns_and_letters_are_one_bill(tmp_path: Path, facts):
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "a.csv").write_bytes(TEXT.encode("utf-16"))
    (parts / "b.csv").write_text(bills.table(bills.AZURE_ROW))
    (parts / "c.csv.gz").write_bytes(gzip.compress(parted(";").encode()))
    answer = import_bill(parts, tmp_path, facts, provider=None, imported_at=NOW)
    assert (answer.charges, answer.provider, f"{answer.usd:.2f}") == (3, "aws azure", "294.96")


YEARS = ("0001", "0000", "1969", "9999", "10000")


@pytest.mark.parametrize("year", YEARS)
def test_a_time_in_which_no_cloud_bills_is_refused(year: str, take: Taken):
    words = "is of a time before 2000 or after 2100"
    begun = ROW | {
        "ChargePeriodStart": f"{year}-01-01T00:00:00Z",
        "ChargePeriodEnd": f"{year}-01-02T00:00:00Z",
    }
    endless = ROW | {"ChargePeriodEnd": "infinity"}
    assert take("bill.csv", bills.table(begun, endless))["refused"] == {words: 2}


@pytest.mark.parametrize(
    ("words", "begun"),
    [
        ("2026-10-05T00:00Z", "2026-10-05T00:00:00+00:00"),
        ("2026-10-05 00:00", "2026-10-05T00:00:00+00:00"),
        ("2026-10-05T02:00+02:00", "2026-10-05T00:00:00+00:00"),
        ("2026-10-05T00:00:00.000Z", "2026-10-05T00:00:00+00:00"),
        ("2026-10-05 00:00:00 UTC", "2026-10-05T00:00:00+00:00"),
        # the hour that Europe has twice
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_a_time_is_read_as_its_zone_says(words: str, begun: str, take: Taken):
    row = ROW | {"ChargePeriodStart": words, "ChargePeriodEnd": "2026-10-26T00:00:00Z"}
    assert take("bill.csv", bills.table(row))["since"].isoformat() == begun


@pytest.mark.parametrize("words", ["05/10/2026", "10/05/2026 00:00", "5 Oct 2026", "soon"])
def test_a_date_that_could_be_two_is_refused(words: str, take: Taken):
    row = ROW | {"ChargePeriodStart": words}
    assert take("bill.csv", bills.table(row))["refused"] == {"has no time that can be read": 1}


@pytest.mark.parametrize(
    ("name", "provider"), [("Größe & Söhne", "grosse_sohne"), ("ACME  Cloud!!", "acme_cloud"), ("北京云", "")]
)
def test_a_seller_of_any_name_is_one_word_or_none(name: str, provider: str, take: Taken):
    answer = take("bill.csv", bills.table(ROW | {"ProviderName": name}))
    assert answer["provider"] == provider
    assert answer["refused"] == ({} if provider else {"names no provider": 1})
