# ruff: noqa: E501 - rows of tables are as long as their archives write them
"""Other people's archives: each form read by name of its columns; what is no observation is refused."""

import io
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gpuledger.core.document import Document, Request
from gpuledger.core.errors import ParseError, UsageError
from gpuledger.core.offer import Offer, Skipped, Withdrawn
from gpuledger.scrapers.archives.registry import ARCHIVES, archive
from gpuledger.scrapers.registry import SOURCES

ARCHIVE_NAMES = [
    "gpuhunt", "skypilot", "cyclenerd", "cloud-gpus", "epoch", "gpurentalprices", "spot-prices", "changes",
]  # fmt: skip


def read(name: str, body: bytes | str, url: str = "file:x", **context: str) -> list:
    document = Document(
        source=name,
        request=Request(url=url, context=context),
        body=body.encode() if isinstance(body, str) else body,
        fetched_at=datetime(2026, 11, 1, tzinfo=UTC),
    )
    return list(archive(name).parse(document))


def offers(facts: list) -> list[Offer]:
    return [fact for fact in facts if isinstance(fact, Offer)]


def reasons(facts: list) -> dict[str, int]:
    return dict(Counter(fact.reason for fact in facts if isinstance(fact, Skipped)))


def zipped(**members: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, text in members.items():
            file.writestr(name.replace("__", "."), text)
    return out.getvalue()


def test_the_archives_are_those_of_the_command_line():
    assert [source.name for source in ARCHIVES] == ARCHIVE_NAMES


def test_an_archive_is_labelled_with_licence_and_confidence_and_is_never_fetched_by_a_refresh():
    for source in ARCHIVES:
        assert source.licence, source.name
        assert source.confidence in {"observed", "reported", "curated", "derived"}, source.name
        assert source.is_dated_list and not source.requests, source.name
    assert not {source.name for source in ARCHIVES} & {source.name for source in SOURCES}


def test_an_unknown_archive_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean gpuhunt"):
        archive("gpuhnt")


V1 = "instance_name,location,price,cpu,memory,gpu_count,gpu_name,gpu_memory,spot"
V2 = f"{V1},disk_size,gpu_vendor,flags,cpu_arch,provider_data"


def test_gpuhunt_of_2023_has_nine_columns_and_its_day_in_the_address():
    body = zipped(aws__csv=f"{V1}\np5.48xlarge,us-east-1,98.32,192,2048,8,H100,80,False\n")
    (offer,) = read("gpuhunt", body, url="https://bucket.example/v1/20231005/catalog.zip")
    assert (offer.sku, offer.price.amount, offer.observed_at) == (
        "p5.48xlarge", Decimal("98.32"), datetime(2023, 10, 5, 1, tzinfo=UTC),
    )  # fmt: skip


def test_gpuhunt_offers_have_the_identity_of_the_live_adapter():
    body = zipped(aws__csv=f"{V1}\np5.48xlarge,us-east-1,98.32,192,2048,8,H100,80,False\n")
    (seen,) = read("gpuhunt", body, url="v1/20231005/catalog.zip")
    (listed,) = read(
        "changes",
        "observed_at,provider,instance_type,region,price_usd_hour\n2025-01-01,aws,p5.48xlarge,us-east-1,98.32",
    )
    assert seen.offer_id == listed.offer_id
    assert (seen.gpu_label, seen.gpu_count) == ("p5.48xlarge", 8)


def test_a_gpuhunt_version_file_dates_the_zip():
    body = zipped(
        version="20250401-4711",
        lambdalabs__csv=f"{V2}\ngpu_1x_h100_pcie,us-west-1,2.49,26,214.7,1,H100,80,False,,nvidia,,x86,\n",
    )
    (offer,) = read("gpuhunt", body)
    assert (offer.provider, offer.observed_at) == ("lambda", datetime(2025, 4, 1, 1, tzinfo=UTC))


def test_gpuhunt_leaves_out_what_has_no_gpu_costs_nothing_or_is_a_calendar_reservation():
    rows = [
        "m5.large,us-east-1,0.096,2,8,0,,,False,,,,x86,",
        "p4d.24xlarge,us-east-1,0,96,1152,8,A100,40,False,,nvidia,,x86,",
        'a3-highgpu-8g,us-central1-a,30.1,208,1872,8,H100,80,False,,nvidia,,x86,"{""is_dws_calendar_mode"": true}"',
    ]
    facts = read("gpuhunt", zipped(aws__csv="\n".join([V2, *rows])), url="v2/20260110-9/catalog.zip")
    assert reasons(facts) == {
        "no accelerator": 1,
        "a price of zero": 1,
        "a reservation for fixed dates among the on-demand rows": 1,
    }


def test_a_gpuhunt_zone_of_google_becomes_a_region():
    body = zipped(gcp__csv=f"{V1}\na2-highgpu-1g,us-central1-f,3.67,12,85,1,A100,40,True\n")
    (offer,) = read("gpuhunt", body, url="v1/20240611/catalog.zip")
    assert (offer.region, offer.purchase_option) == ("us-central1", "spot")


def test_a_gpuhunt_file_without_a_date_is_refused():
    with pytest.raises(ParseError, match="of which day it is"):
        read("gpuhunt", zipped(aws__csv=V1))


@pytest.mark.parametrize("cut", [0, 4, 100])
def test_a_cut_zip_is_an_error_and_not_an_empty_market(cut):
    body = zipped(aws__csv=f"{V1}\np5.48xlarge,us-east-1,98.32,192,2048,8,H100,80,False\n")
    with pytest.raises(ParseError):
        read("gpuhunt", body[: -1 - cut], url="v1/20231005/catalog.zip")


AWS_V8 = (
    "InstanceType,AcceleratorName,AcceleratorCount,vCPUs,MemoryGiB,GpuInfo,Price,SpotPrice,Region,AvailabilityZone,Arch\n"
    "p5.48xlarge,H100,8.0,192.0,2048.0,\"{'Gpus': []}\",55.04,19.2,us-east-1,use1-az6,x86_64\n"
    "m5.large,,,2.0,8.0,,0.096,0.03,us-east-1,use1-az6,x86_64\n"
    "p4d.24xlarge,A100,8.0,96.0,1152.0,,21.9576,,us-east-1,use1-az6,x86_64\n"
)


def test_skypilot_prices_are_per_instance_and_an_empty_one_is_not_offered():
    facts = read("skypilot", AWS_V8, url="catalogs/v8/aws/vms.csv", observed_at="2025-08-01T07:00:00Z")
    assert [(offer.sku, offer.purchase_option, offer.price.amount) for offer in offers(facts)] == [
        ("p5.48xlarge", "on_demand", Decimal("55.04")),
        ("p5.48xlarge", "spot", Decimal("19.2")),
        ("p4d.24xlarge", "on_demand", Decimal("21.9576")),
    ]
    assert [offer.zone for offer in offers(facts)] == [None, "use1-az6", None]
    assert reasons(facts) == {"no accelerator": 1}


GCP_HEAD = "InstanceType,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,AvailabilityZone,Price,SpotPrice\n"
HOST = "a2-highgpu-8g,96.0,680.0,,,,us-central1,us-central1-a,6.0,2.0\n"


ONE = ",,,A100,1.0,,us-central1,us-central1-a,3.0,1.0\n"


@pytest.mark.parametrize(
    ("eight", "totals"),
    [("24.0,8.0", [Decimal(30), Decimal(10)]), ("3.0,1.0", [Decimal(30), Decimal(10)])],
    ids=["a row of eight is the price of eight", "a row of eight is the price of one"],
)
def test_skypilot_prices_google_machines_as_host_plus_gpus(eight, totals):
    rows = f"{GCP_HEAD}{ONE},,,A100,8.0,,us-central1,us-central1-a,{eight}\n{HOST}"
    facts = read("skypilot", rows, url="catalogs/v7/gcp/vms.csv", observed_at="2025-08-01")
    assert [offer.price.amount for offer in offers(facts)] == totals


def test_a_google_machine_is_left_out_where_its_gpus_may_be_counted_once_or_eight_times():
    rows = f"{GCP_HEAD},,,A100,8.0,,us-central1,us-central1-a,24.0,8.0\n{HOST}"
    facts = read("skypilot", rows, url="catalogs/v7/gcp/vms.csv", observed_at="2025-08-01")
    assert offers(facts) == []
    assert reasons(facts)["a machine without the price of its GPUs"] == 2


def test_a_skypilot_file_without_the_time_of_its_commit_is_refused():
    with pytest.raises(ParseError, match="--observed-at"):
        read("skypilot", AWS_V8, url="catalogs/v8/aws/vms.csv")


PRICING_YML = """
about: {generated: "Thu Mar  6 03:53:56 2025", timestamp: 1741233236}
compute:
  instance:
    a3-highgpu-1g:
      h100-80gb: 1
      cpu: 26
      cost:
        us-central1: {hour: 11.061, hour_spot: 4.424, month: 8074.5, month_1y: 5650.2}
    e2-small:
      cost:
        us-central1: {hour: 0.0167}
"""


def test_cyclenerd_hours_are_per_instance_and_commitments_per_month():
    facts = read("cyclenerd", PRICING_YML)
    assert [
        (o.sku, o.purchase_option, o.price.amount, o.price.unit, o.term_months) for o in offers(facts)
    ] == [
        ("a3-highgpu-1g", "on_demand", Decimal("11.061"), "hour", None),
        ("a3-highgpu-1g", "spot", Decimal("4.424"), "hour", None),
        ("a3-highgpu-1g", "reserved", Decimal("5650.2"), "month", 12),
    ]
    assert offers(facts)[0].observed_at == datetime(2025, 3, 6, 3, 53, 56, tzinfo=UTC)
    assert reasons(facts) == {"an instance type without a known accelerator": 1}


FULL_STACK = (
    "Cloud,GPU Type,GPU Arch,GPUs,GPU RAM,vCPUs,RAM,On-demand,Per-GPU,Spot,Name\n"
    "AWS,A100 (40 GB),Ampere,8,320,96,1152,$32.77,$4.10,$9.83,p4d.24xlarge\n"
    "Azure,K80 (12 GB),Kepler,1,12,6,56,0.90,0.90,0.09,NC6\n"
    "Cudo Compute,A6000 (48 GB),Ampere,1,48,2,4,0.79,0.78,,\n"
)


def test_the_hand_kept_table_is_dated_by_its_file_name():
    facts = read("cloud-gpus", FULL_STACK, url="file:cloud-gpus_20220805T040606Z.csv")
    found = offers(facts)
    assert [(o.provider, o.sku, o.purchase_option, o.price.amount) for o in found] == [
        ("aws", "p4d.24xlarge", "on_demand", Decimal("32.77")),
        ("aws", "p4d.24xlarge", "spot", Decimal("9.83")),
        ("azure", "Standard_NC6", "on_demand", Decimal("0.90")),
        ("azure", "Standard_NC6", "spot", Decimal("0.09")),
        ("cudo_compute", "1x A6000 (48 GB), 2 vCPU, 4 GB", "on_demand", Decimal("0.79")),
    ]
    assert {offer.observed_at for offer in found} == {datetime(2022, 8, 5, 4, 6, 6, tzinfo=UTC)}


EPOCH = (
    "Price source,Price date,Hardware model,Manufacturer,Vendor,Location,Price per chip-hour (on-demand),"
    "Price per chip-hour (1-year CUD),Price per chip-hour (3-year CUD),Price (hardware purchase),Notes,"
    "Cloud GPU description,Number of GPUs\n"
    "https://a.example,2019-05-01,NVIDIA V100,NVIDIA,Microsoft Azure,East US,$3.06,,1.32,,,,1\n"
    'https://b.example,2020-02-01,NVIDIA A100,NVIDIA,NVIDIA,,,,,"$12,500",,,1\n'
)


def test_epoch_prices_are_per_chip_and_a_purchase_is_no_rental():
    facts = read("epoch", EPOCH)
    assert [(o.provider, o.price.amount, o.price.unit, o.term_months) for o in offers(facts)] == [
        ("azure", Decimal("3.06"), "gpu_hour", None),
        ("azure", Decimal("1.32"), "gpu_hour", 36),
    ]
    assert reasons(facts) == {"a purchase, not a rental": 1}


DAILY = """{"generated_at": "2026-07-05T23:04:21Z", "providers": {"runpod": {"stale": false}, "oldcloud": {"stale": true}},
 "offers": [
  {"provider": "runpod", "gpu": "h100-sxm", "vram_gb": 80, "usd_hr": 2.69, "kind": "secure", "fetched_at": "2026-07-05T23:04:20Z"},
  {"provider": "modal", "gpu": "h100", "vram_gb": 80, "usd_hr": 3.95, "kind": "serverless", "fetched_at": "2026-07-05T23:04:20Z"},
  {"provider": "oldcloud", "gpu": "a100", "vram_gb": 80, "usd_hr": 1.1, "kind": "on-demand", "fetched_at": "2026-07-05T23:04:20Z"},
  {"provider": "coreweave", "gpu": "b200", "vram_gb": 180, "usd_hr": 8.6, "kind": "on-demand", "min_gpus": 8, "fetched_at": "2026-07-05T23:04:20Z"}
 ]}"""


def test_a_day_of_gpurentalprices_keeps_no_carried_row_and_no_serverless_price():
    facts = read("gpurentalprices", DAILY)
    assert [(o.provider, o.tier, o.price.amount, o.min_gpus) for o in offers(facts)] == [
        ("runpod", "secure", Decimal("2.69"), None),
        ("coreweave", None, Decimal("8.6"), 8),
    ]
    assert reasons(facts) == {
        "priced by the run of a function, not by the machine": 1,
        "carried forward from another day": 1,
    }


def test_spot_prices_are_read_from_parquet_with_their_zones():
    table = pa.table(
        {
            "region": ["us-east-1", "us-east-1"],
            "availability_zone": ["us-east-1a", "us-east-1b"],
            "instance_type": ["p4d.24xlarge", "m5.large"],
            "spot_price": pa.array([Decimal("7.1234"), Decimal("0.0311")], pa.decimal128(7, 4)),
            "timestamp": pa.array([1_714_564_800, 1_714_568_400], pa.timestamp("s")),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out)
    facts = read("spot-prices", out.getvalue())
    assert [(o.sku, o.zone, o.price.amount, o.observed_at) for o in offers(facts)] == [
        ("p4d.24xlarge", "us-east-1a", Decimal("7.1234"), datetime(2024, 5, 1, 12, tzinfo=UTC))
    ]
    assert reasons(facts) == {"an instance type without a known accelerator": 1}


CHANGE_HEAD = "observed_at,event,provider,instance_type,region,price_usd_hour,os,tenancy,source\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2025-06-01,added,aws,p5.48xlarge,us-east-1,98.32,Windows,Shared,", "another operating system"),
        ("2025-06-01,added,aws,p5.48xlarge,us-east-1,98.32,Linux,Dedicated,", "another tenancy"),
        ("2025-06-01,added,aws,p5.48xlarge,us-east-1,0.0,Linux,Shared,", "a price of zero"),
        ("2025-06-01,added,aws,p5.48xlarge,us-east-1,,Linux,Shared,", "no price"),
        ("2025-06-01,added,aws,m5.large,us-east-1,0.09,Linux,Shared,", "an instance type without a known accelerator"),
        (
            "2025-06-01,added,aws,p5.48xlarge,us-east-1,98.32,Linux,Shared,historical_estimate",
            "an estimate or a constant of the archive, not an observation",
        ),
        ("2025-06-01,added,aws,p3.2xlarge,cn-north-1,30.0,Linux,Shared,", "a price in yuan under a heading of dollars"),
        ("soon,added,aws,p5.48xlarge,us-east-1,98.32,Linux,Shared,", "no time of observation"),
        ("2025-06-01,added,,p5.48xlarge,us-east-1,98.32,Linux,Shared,", "no provider or no product is named"),
    ],
)  # fmt: skip
def test_a_row_that_is_no_observation_is_refused_with_its_reason(row, reason):
    assert reasons(read("changes", CHANGE_HEAD + row)) == {reason: 1}


def test_a_removed_row_is_a_withdrawal_of_the_same_offer():
    offer, gone = read(
        "changes",
        CHANGE_HEAD
        + "2025-06-01,added,aws,p5.48xlarge,us-east-1,98.32,,,\n2025-07-01,removed,aws,p5.48xlarge,us-east-1,,,,",
    )
    assert isinstance(gone, Withdrawn)
    assert gone.offer_id == offer.offer_id


def test_json_lines_and_the_command_line_may_say_what_the_rows_do_not():
    (offer,) = read(
        "changes",
        '{"observed_at": "2026-01-01T00:00:00+02:00", "sku": "h100", "gpu": "H100 SXM", "usd_per_gpu_hour": 2.5}',
        provider="nebius",
        tier="secure",
    )
    assert (offer.provider, offer.gpu_count, offer.price.unit) == ("nebius", 1, "gpu_hour")
    assert offer.observed_at == datetime(2025, 12, 31, 22, tzinfo=UTC)


def test_a_row_with_too_few_cells_ends_the_file():
    with pytest.raises(ParseError, match="line 2"):
        read("changes", "observed_at,provider,sku\n2025-01-01,aws\n")


@pytest.mark.parametrize("name", ARCHIVE_NAMES)
@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b"\xff\xfe\x00", b"PAR1", b"{", b"PK\x03\x04"], ids=repr
)
def test_what_is_no_archive_is_a_parse_error(name, body):
    document = Document(
        source=name,
        request=Request(url="catalogs/v8/aws/vms.csv", context={"observed_at": "2025-01-01"}),
        body=body,
        fetched_at=datetime(2026, 11, 1, tzinfo=UTC),
    )
    with pytest.raises(ParseError):
        list(archive(name).parse(replace(document)))
