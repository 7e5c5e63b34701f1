"""AWS's regional CSV of 300 MB, fetched and filtered on the way, against a plain download of the same bytes.

The list is made up in the real columns and proportions: 840 instance types, 100 of them accelerators, with
the operating systems, tenancies, capacity statuses and commitments that give a real region its length. It
comes from a loopback server; every measurement is a process of its own, plain and filtered in turns.
"""

import json
import shutil
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gpuledger.core.provider import instance_shapes

ROOT = Path(__file__).resolve().parents[2]
MB = 10**6
ROUNDS = 5
TYPES = 840
"""Instance types of the list, accelerators among them; they give it 300 MB."""
PATH = "/offers/v1.0/aws/AmazonEC2/20260910195514/us-east-1/index.csv"

HEAD = """"FormatVersion","v1.0"
"Disclaimer","This pricing list is for informational purposes only."
"Publication Date","2026-09-10T19:55:14Z"
"Version","20260910195514"
"OfferCode","AmazonEC2"
"""

COLUMNS = """
SKU;OfferTermCode;RateCode;TermType;PriceDescription;EffectiveDate;StartingRange;EndingRange;
Unit;PricePerUnit;Currency;RelatedTo;LeaseContractLength;PurchaseOption;OfferingClass;
Product Family;serviceCode;Location;Location Type;Instance Type;Current Generation;
Instance Family;vCPU;Physical Processor;Clock Speed;Memory;Storage;Network Performance;
Processor Architecture;Storage Media;Volume Type;Max Volume Size;Max IOPS/volume;
Max IOPS Burst Performance;Max throughput/volume;Provisioned;Tenancy;EBS Optimized;
Operating System;License Model;Group;Group Description;Transfer Type;From Location;
From Location Type;To Location;To Location Type;usageType;operation;AvailabilityZone;
CapacityStatus;ClassicNetworkingSupport;Dedicated EBS Throughput;ECU;
Enhanced Networking Supported;From Region Code;GPU;GPU Memory;instanceSKU;Intel AVX2 Available;
Intel AVX Available;Intel Turbo Available;MarketOption;Normalization Size Factor;
Physical Cores;Pre Installed S/W;Processor Features;Product Type;Region Code;Resource Type;
serviceName;SnapshotArchiveFeeType;To Region Code;Volume API Name;VPCNetworkingSupport
"""

SYSTEMS = [
    ("Linux", "NA", "RunInstances"),
    ("Linux", "SQL Web", "RunInstances:0200"),
    ("Linux", "SQL Std", "RunInstances:0004"),
    ("Linux", "SQL Ent", "RunInstances:0100"),
    ("RHEL", "NA", "RunInstances:0010"),
    ("SUSE", "NA", "RunInstances:000g"),
    ("Ubuntu Pro", "NA", "RunInstances:0g00"),
    ("Windows", "NA", "RunInstances:0002"),
    ("Windows", "SQL Web", "RunInstances:0202"),
    ("Windows", "SQL Std", "RunInstances:0006"),
    ("Windows", "SQL Ent", "RunInstances:0102"),
]

TERMS = [
    (f"{years}yr", option, offering, unit)
    for years in (1, 3)
    for offering in ("standard", "convertible")
    for option, units in (
        ("No Upfront", ("Hrs",)),
        ("Partial Upfront", ("Hrs", "Quantity")),
        ("All Upfront", ("Hrs", "Quantity")),
    )
    for unit in units
]

STATUSES = [
    ("Shared", "UnusedBox"),
    ("Shared", "Reservation"),
    ("Dedicated", "UnusedDed"),
    ("Dedicated", "DedicatedRes"),
]

OFFERS_PER_TYPE = 12
"""1 and 3 years, standard and convertible, three ways to pay; Linux on shared hardware."""

PLAIN = """
import httpx
def work(url):
    size = 0
    with httpx.Client() as client, client.stream("GET", url) as answer:
        for chunk in answer.iter_bytes(1 << 20):
            size += len(chunk)
    return size
"""

FILTERED = """
from dataclasses import replace
from datetime import UTC, datetime
import httpx
from gpuledger.core.config import FetchSettings
from gpuledger.core.document import Request
from gpuledger.core.offer import Offer
from gpuledger.scrapers.aws_bulk import SOURCE
from gpuledger.scrapers.http.fetch import Fetcher
def work(url):
    origin, path = url[: url.index("/offers")], url[url.index("/offers") :]
    request = Request(url="https://pricing.us-east-1.amazonaws.com" + path, context={"region": "us-east-1"})
    with httpx.Client() as client:
        fetcher = Fetcher(
            client=client,
            settings=FetchSettings(),
            environ={},
            urls={"aws_bulk": origin},
            clock=lambda: datetime.now(UTC),
        )
        fetched = fetcher.fetch(replace(SOURCE, requests=(request,)), keep=lambda document: None)
    return sum(isinstance(fact, Offer) for document in fetched.documents for fact in SOURCE.parse(document))
"""

MEASURE = """
import json, sys, time
from pathlib import Path
started = time.perf_counter()
found = work(sys.argv[1])
seconds = time.perf_counter() - started
# getrusage would begin with the peak of whoever started this process
(line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
peak = int(line.split()[1]) * 1024
print(json.dumps({"found": found, "seconds": seconds, "peak_bytes": peak}))
"""


def write_list(path: Path) -> int:
    """Writes the CSV; how many accelerator types it has."""
    columns = [name.strip() for name in COLUMNS.replace("\n", "").split(";")]
    shapes = [
        (name, "GPU instance" if name[0] in "pg" else "Machine Learning ASIC Instances", shape.vcpus)
        for (provider, name), shape in instance_shapes().items()
        if provider == "aws" and shape.gpu_count
    ]
    accelerators = len(shapes)
    shapes += [
        (f"m{number % 90}i.{number}xlarge", "General purpose", 4) for number in range(TYPES - accelerators)
    ]
    with path.open("w") as file:
        file.write(HEAD + ",".join(f'"{name}"' for name in columns) + "\n")
        for number, (name, family, vcpus) in enumerate(shapes):
            for row in rows_of(number, name, family, f"{vcpus:f}" if family != "General purpose" else "4"):
                file.write(",".join(f'"{row[name]}"' if name in row else "" for name in columns) + "\n")
    return accelerators


def rows_of(number: int, name: str, family: str, vcpus: str) -> Iterator[dict[str, str]]:
    always = {
        "EffectiveDate": "2026-09-01",
        "Currency": "USD",
        "Product Family": "Compute Instance",
        "serviceCode": "AmazonEC2",
        "Location": "US East (N. Virginia)",
        "Location Type": "AWS Region",
        "Instance Type": name,
        "Current Generation": "Yes",
        "Instance Family": family,
        "vCPU": vcpus,
        "Physical Processor": "Intel Xeon 8375C (Ice Lake)",
        "Clock Speed": "3.5 GHz",
        "Memory": "2048 GiB",
        "Storage": "8 x 3840 GB SSD",
        "Network Performance": "Up to 12500 Megabit",
        "Processor Architecture": "64-bit",
        "License Model": "No License required",
        "AvailabilityZone": "NA",
        "ClassicNetworkingSupport": "false",
        "Dedicated EBS Throughput": "Up to 10000 Mbps",
        "Enhanced Networking Supported": "Yes",
        "Intel AVX2 Available": "Yes",
        "Intel AVX Available": "Yes",
        "Intel Turbo Available": "Yes",
        "MarketOption": "OnDemand",
        "Normalization Size Factor": "4",
        "Processor Features": "Intel AVX; Intel AVX2; Intel AVX512; Intel Turbo",
        "Region Code": "us-east-1",
        "serviceName": "Amazon Elastic Compute Cloud",
        "VPCNetworkingSupport": "true",
    }
    for at, (system, software, operation) in enumerate(SYSTEMS):
        here = always | {"Operating System": system, "Pre Installed S/W": software, "operation": operation}
        for tenancy, usage in (("Shared", "BoxUsage"), ("Dedicated", "DedicatedUsage"), *STATUSES):
            sku = f"{number:06d}{at:02d}{usage[:8].upper():X<8}"
            used = usage in {"BoxUsage", "DedicatedUsage"}
            row = here | {
                "SKU": sku,
                "Tenancy": tenancy,
                "usageType": f"{usage}:{name}",
                "CapacityStatus": "Used" if used else "UnusedCapacityReservation",
            }
            yield row | priced(sku, "JRTCKXETXF", "OnDemand", "Hrs", f"{5 + number / 100:.10f}")
            for length, option, offering, unit in TERMS if used else ():
                price = "159110" if unit == "Quantity" else f"{3 + number / 100:.10f}"
                free = option == "All Upfront" and unit == "Hrs"
                term = f"{length}{option[:2]}{offering[:6]}".upper()
                yield (
                    row
                    | {
                        "LeaseContractLength": length,
                        "PurchaseOption": option,
                        "OfferingClass": offering,
                    }
                    | priced(sku, term, "Reserved", unit, "0.0000000000" if free else price)
                )


def priced(sku: str, term: str, kind: str, unit: str, price: str) -> dict[str, str]:
    rate = "2TG2D8R56U" if unit == "Quantity" else "6YS6EN2CT7"
    bounds = {} if unit == "Quantity" else {"StartingRange": "0", "EndingRange": "Inf"}
    return bounds | {
        "OfferTermCode": term,
        "RateCode": f"{sku}.{term}.{rate}",
        "TermType": kind,
        "PriceDescription": "Upfront Fee"
        if unit == "Quantity"
        else "Linux/UNIX (Amazon VPC), reserved instance",
        "Unit": unit,
        "PricePerUnit": price,
    }


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, int]]:
    """Address, size and accelerator types of the list."""
    path = tmp_path_factory.mktemp("bulk") / "index.csv"
    accelerators = write_list(path)

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/csv")
            self.send_header("Content-Length", str(path.stat().st_size))
            self.end_headers()
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile, 1 << 20)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}{PATH}", path.stat().st_size, accelerators
        server.shutdown()
        thread.join()
    path.unlink()


def measured(work: str, url: str) -> dict[str, float]:
    command = [sys.executable, "-c", work + MEASURE, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.benchmark_suite
def test_a_300_mb_list_is_filtered_in_under_three_downloads_and_150_mb(
    served: tuple[str, int, int], capsys: pytest.CaptureFixture[str]
):
    url, size, accelerators = served
    assert size > 290 * MB
    rounds = [(measured(PLAIN, url), measured(FILTERED, url)) for _ in range(ROUNDS)]
    assert {plain["found"] for plain, _ in rounds} == {size}
    assert {filtered["found"] for _, filtered in rounds} == {accelerators * OFFERS_PER_TYPE}
    plain = statistics.median(plain["seconds"] for plain, _ in rounds)
    filtered = statistics.median(filtered["seconds"] for _, filtered in rounds)
    peak = max(filtered["peak_bytes"] for _, filtered in rounds)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{size / MB:.0f} MB: plain {plain:.2f} s, filtered and parsed {filtered:.2f} s "
            f"({filtered / plain:.2f} x), peak {peak / MB:.0f} MB, "
            f"{accelerators * OFFERS_PER_TYPE} offers of {accelerators} types\n"
        )
    assert filtered < 3 * plain
    assert peak < 150 * MB
