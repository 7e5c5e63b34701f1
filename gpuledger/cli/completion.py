"""What a shell may complete beside commands and options: presets, plan files, accelerators, providers, sources.

Each function takes what is typed so far. Nothing found is no answer: a shell must not see an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PLAN_FILES = (".toml", ".json", ".jsonl")


def plans(incomplete: str) -> list[str]:
    """Presets, and files and folders that may hold plans."""
    from gpuledger.core.plan import presets

    folder, _, begun = incomplete.rpartition("/")
    place = Path(folder or ("/" if incomplete.startswith("/") else "."))
    prefix = incomplete[: len(incomplete) - len(begun)]
    try:
        result = [entry for entry in place.iterdir() if entry.name.startswith(begun)]
    except OSError:
        result = []
    files = [f"{prefix}{entry.name}" for entry in result if entry.suffix in PLAN_FILES]
    folders = [
        f"{prefix}{entry.name}/" for entry in result if entry.is_dir() and not entry.name.startswith(".")
    ]
    return [*_beginning(presets(), incomplete), *sorted(files), *sorted(folders)]


def accelerators(incomplete: str) -> list[str]:
    """Ids of accelerators."""
    from gpuledger.core.gpu import gpus

    return _beginning(gpus(), incomplete)


def providers(incomplete: str) -> list[str]:
    """Providers of the newest snapshot."""
    from gpuledger.core.config import load_settings
    from gpuledger.core.errors import GPULedgerError
    from gpuledger.core.store import sql
    from gpuledger.core.store.home import Home
    from gpuledger.core.store.publish import reading

    try:
        with reading(Home(load_settings(os.environ).home)) as connection:
            return _beginning(
                (row["provider"] for row in sql.rows(connection, "queries/providers")), incomplete
            )
    except GPULedgerError:
        return []


def sources(incomplete: str) -> list[str]:
    """Sources that can be refreshed."""
    from gpuledger.scrapers.registry import SOURCES

    return _beginning((source.name for source in SOURCES if source.requests), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    """Names in any case; what is typed stays as it is, as typer drops what does not begin with it."""
    typed = incomplete.lower()
    return [incomplete + name[len(typed) :] for name in names if name.startswith(typed)]
