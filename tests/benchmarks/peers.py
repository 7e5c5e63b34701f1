# ruff: noqa: T201 - speaks to the benchmark through standard output
"""Runs inside a peer's own environment: `python peers.py gpuhunt|skypilot|sc_crawler FOLDER`, prints JSON.

Each peer does the lookup or the insertion in its own way, on the same rows; the benchmark compares the answers.
"""

import csv
import json
import sys
import time
from pathlib import Path


def best(run, count: int = 7) -> tuple[float, object]:
    """Best milliseconds of some rounds after one that does not count, and the last answer."""
    answer = run()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        answer = run()
        times.append((time.perf_counter() - start) * 1000)
    return min(times), answer


def gpuhunt(folder: Path) -> dict:
    from gpuhunt._internal import storage
    from gpuhunt._internal.catalog import Catalog, ProviderCatalog

    catalog = Catalog(balance_resources=False, auto_reload=False)
    for path in sorted(folder.glob("*.csv")):
        with path.open(newline="") as file:
            items = list(storage.load(file, provider=path.stem))
        catalog.catalog[path.stem] = ProviderCatalog(version="1", items=items)
    catalog.loaded_at = time.monotonic()
    names = sorted(catalog.catalog)
    questions = {
        "eight H100 on demand": {"gpu_name": "H100", "min_gpu_count": 8, "max_gpu_count": 8, "spot": False},
        "24 GB or more, at most 10 $/h": {"min_gpu_memory": 24, "max_price": 10},
        "320 GB in all, three providers": {"min_total_gpu_memory": 320, "provider": names[:3]},
        "everything": {},
    }
    found = {}
    for name, question in questions.items():
        asked = {"provider": names, **question}
        milliseconds, items = best(lambda asked=asked: catalog.query(**asked))
        rows = sorted(
            (item.provider, item.instance_name, item.location, round(item.price, 6)) for item in items
        )
        found[name] = {
            "ms": milliseconds,
            "rows": len(rows),
            "cheapest": min(row[3] for row in rows),
            "digest": rows[:50],
        }
    return found


def skypilot(folder: Path) -> dict:
    import pandas
    from sky.catalog import common

    frame = pandas.read_csv(folder / "vms.csv")
    milliseconds, answer = best(
        lambda: common.list_accelerators_impl("AWS", frame, True, "H100", None, None, False, True)
    )
    rows = [item for items in answer.values() for item in items]
    return {"ms": milliseconds, "rows": len(rows), "cheapest": min(item.price for item in rows)}


def sc_crawler(folder: Path) -> dict:
    from sc_crawler.insert import insert_items
    from sc_crawler.tables import ServerPrice
    from sqlmodel import Session, SQLModel, create_engine

    with (folder / "prices.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = []
    for number in range(3):
        engine = create_engine(f"sqlite:///{folder}/crawler{number}.db")
        SQLModel.metadata.create_all(engine)
        items = [
            {
                "vendor_id": row["provider"], "region_id": row["region"], "zone_id": row["region"] + "-a",
                "server_id": row["sku"], "operating_system": "Linux",
                "allocation": "spot" if row["spot"] == "True" else "ondemand", "unit": "hour",
                "price": float(row["price"]), "price_upfront": 0, "price_tiered": [], "currency": "USD",
            }
            for row in rows
        ]  # fmt: skip
        with Session(engine) as session:
            start = time.perf_counter()
            insert_items(ServerPrice, items, session=session)
            session.commit()
            times.append((time.perf_counter() - start) * 1000)
    return {"ms": min(times), "rows": len(rows)}


if __name__ == "__main__":
    run = {"gpuhunt": gpuhunt, "skypilot": skypilot, "sc_crawler": sc_crawler}[sys.argv[1]]
    print(json.dumps(run(Path(sys.argv[2]))))
