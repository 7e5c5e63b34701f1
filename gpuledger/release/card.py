"""The data card of a release: Croissant 1.0 (mlcommons.org/croissant) and the README that Hugging Face reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gpuledger.release.layout import OFFERS, PRICES, File
from gpuledger.release.tables import INDEX_FILE, VOTES_FILE

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
DESCRIPTION = (
    "What GPU clouds charged, when: every price change that was seen of on-demand, spot and reserved accelerators,"
    " with its source, and a price index per accelerator."
)
_PLAIN = (
    *(
        "citeAs",
        "column",
        "equivalentProperty",
        "extract",
        "field",
        "fileProperty",
        "fileObject",
        "fileSet",
        "format",
    ),
    *(
        "includes",
        "isLiveDataset",
        "jsonPath",
        "key",
        "md5",
        "parentField",
        "path",
        "recordSet",
        "references",
        "regex",
    ),
    *("repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _PLAIN},
}
"""The terms of Croissant 1.0."""

_TYPES = (
    ("timestamp", "sc:DateTime"),
    ("date", "sc:Date"),
    ("decimal", "sc:Float"),
    ("double", "sc:Float"),
    ("int", "sc:Integer"),
    ("bool", "sc:Boolean"),
)
TABLES = {
    "prices": "One row per offer and time at which a source saw its price become this; amount is null where it went.",
    "offers": "One row per offer on sale when the release was made.",
    "index": "One row per accelerator, purchase option, segment and day: the panel index.",
    "votes": "One row per accelerator, purchase option, segment, provider and day: what the index is chained from.",
}


def croissant(
    files: Sequence[File],
    columns: Mapping[str, Sequence[tuple[str, str]]],
    *,
    published_at: str,
    address: str,
) -> str:
    """The JSON-LD.

    Args:
        columns: name and Arrow type of each column, by table.
    """
    objects: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": file.path,
            "name": file.path,
            "contentUrl": f"{address}/{file.path}" if address else file.path,
            "encodingFormat": "application/vnd.apache.parquet",
            "sha256": file.sha256,
            "contentSize": f"{file.bytes} B",
        }
        for file in files
        if file.path.endswith(".parquet")
    ]
    months: dict[str, Any] = {
        "@type": "cr:FileSet",
        "@id": "prices",
        "name": "prices",
        "encodingFormat": "application/vnd.apache.parquet",
        "includes": f"{PRICES}/*.parquet",
    }
    places = {"prices": {"fileSet": {"@id": "prices"}}}
    places |= {
        table: {"fileObject": {"@id": path}}
        for table, path in (("offers", OFFERS), ("index", INDEX_FILE), ("votes", VOTES_FILE))
    }
    records = [
        {
            "@type": "cr:RecordSet",
            "@id": f"record/{table}",
            "name": table,
            "description": TABLES[table],
            "field": [
                {
                    "@type": "cr:Field",
                    "@id": f"record/{table}/{name}",
                    "name": name,
                    "dataType": next((kind for word, kind in _TYPES if word in arrow), "sc:Text"),
                    "source": {**places[table], "extract": {"column": name}},
                }
                for name, arrow in table_columns
            ],
        }
        for table, table_columns in columns.items()
    ]
    card = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "gpuledger",
        "description": DESCRIPTION,
        "license": LICENCE,
        "url": address or "https://github.com/gpuledger/gpuledger",
        "citeAs": f"gpuledger: GPU cloud prices, release of {published_at[:10]}",
        "isLiveDataset": True,
        "datePublished": published_at,
        "version": published_at[:10].replace("-", "."),
        "distribution": [*objects, months],
        "recordSet": records,
    }
    return json.dumps(card, indent=1) + "\n"


def readme(counts: Mapping[str, int], *, published_at: str, licences: Sequence[tuple[str, str]]) -> str:
    """The Markdown with the front matter that Hugging Face reads.

    Args:
        counts: rows by table.
        licences: sources of prices in it, and their terms.
    """
    configs = "".join(
        f"  - config_name: {table}\n    data_files: {path}\n"
        for table, path in (
            ("prices", f"{PRICES}/*.parquet"),
            ("offers", OFFERS),
            ("index", INDEX_FILE),
            ("votes", VOTES_FILE),
        )
    )
    tables = "".join(f"| `{table}` | {counts[table]:,} | {what} |\n" for table, what in TABLES.items())
    terms = "".join(f"| {source} | {licence} |\n" for source, licence in licences)
    return f"""---
license: cc-by-4.0
pretty_name: GPU cloud prices
tags: [gpu, pricing, cloud, time-series]
configs:
{configs}---

# GPU cloud prices

{DESCRIPTION} As of {published_at}.

| Table | Rows | One row is |
|---|---|---|
{tables}
A price of a live source holds from `observed_at` until the next row of the same `source` and `offer_id`;
`before_seen_at` of that row says when the price before was last seen. A price of an archive is a dated
observation. A month's file does not change any more once the month is over; `manifest.json` and
`chain.jsonl` bind all bytes, and `gpuledger verify` checks them and recomputes the index.

```python
import duckdb

duckdb.sql("select * from 'prices/*.parquet' where gpu_id = 'h100-sxm-80gb' order by observed_at")
```

## Terms

Prices are facts; this collection of them is CC BY 4.0 (gpuledger). Where they were read:

| Source | Terms |
|---|---|
{terms}"""
