"""Every place that a provider sells in lies on a continent, and a price for everywhere lies on several."""

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb

from gpuledger.core import seeds
from gpuledger.core.store import sql

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CONTINENTS = {"AF", "AS", "EU", "NA", "OC", "SA"}

UNKNOWN = {
    ("vast", "unknown"): "the host does not say",
    ("prime_intellect", "global"): "a market; another project does not name the place",
    ("lium", "global"): "a market; another project does not name the place",
    ("salad", "global"): "a market of home computers",
    ("spheron", "global"): "a market; another project does not name the place",
    ("synteq", "global"): "the provider's places are not known",
}
"""Places that no filter by continent finds, and why."""


def sold_in() -> Iterator[tuple[str, str]]:
    """Provider and region of every golden offer and every bundled price."""
    for path in GOLDEN.glob("*/*.jsonl"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if "gpu_label" in row and "region" in row:
                yield row["provider"], row["region"]
    for row in seeds.rows("bundled_price"):
        yield row["provider"], row["region"] or "global"


def test_every_place_has_a_continent_or_is_known_to_have_none():
    known = {(row["provider"], row["region"]): row["continent"] for row in seeds.rows_of_all("region")}
    without = {place for place in sold_in() if not known.get(place)}
    assert without <= set(UNKNOWN)


def test_continents_are_two_letters_and_no_place_is_listed_twice():
    rows = seeds.rows_of_all("region")
    assert all(set(row["continent"].split()) <= CONTINENTS for row in rows)
    places = [(row["provider"], row["region"]) for row in rows]
    assert len(places) == len(set(places))


def test_a_price_for_everywhere_answers_for_each_of_its_continents():
    connection = duckdb.connect()
    connection.execute(sql.text("views/12_price_state"))
    for provider in ("coreweave", "oci"):
        (row,) = [
            r for r in seeds.rows_of_all("region") if (r["provider"], r["region"]) == (provider, "global")
        ]
        found = connection.execute(
            "select is_in_place(['eu'], 'global', null, $continent), is_in_place(['af'], 'global', null, $continent),"
            " is_in_place([''], 'global', null, $continent)",
            {"continent": row["continent"]},
        ).fetchone()
        assert found == (True, provider == "oci", found[2])


def test_the_region_seeds_have_one_header():
    headers = {path.read_text().partition("\n")[0] for path in seeds.FOLDER.glob("region*.csv")}
    assert headers == {"provider,region,location_name,country,continent,source"}
