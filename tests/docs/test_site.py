"""The pages build into a site in which no link is broken and nothing is loaded from elsewhere."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.page_blocks import ROOT

DOCS = ROOT / "docs"
SETTINGS = Path(".site") / "properdocs.yml"
KINDS = ["Tutorials", "How to", "Reference", "Explanation"]
LOADED = re.compile(r"<(?:script|img|link|source|iframe)\b[^>]*?(?:src|href)=\"((?:https?:)?//[^\"]+)\"")


def build(docs: Path, to: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "properdocs", "build", "--config-file", str(docs / SETTINGS)]
    return subprocess.run([*command, "--site-dir", str(to)], capture_output=True, text=True, timeout=120)


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path):
    built = build(DOCS, tmp_path / "site")
    assert built.returncode == 0, built.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= 30
    assert {
        page.name: LOADED.findall(page.read_text()) for page in pages if LOADED.search(page.read_text())
    } == {}


def test_broken_links_end_the_build(tmp_path: Path):
    docs = tmp_path / "docs"
    shutil.copytree(DOCS / ".site", docs / ".site")
    settings, _, _ = (docs / SETTINGS).read_text().partition("nav:\n")
    (docs / SETTINGS).write_text(f"{settings}nav:\n  - index.md\n  - start.md\n")
    (docs / "start.md").write_text("# Start\n")
    (docs / "index.md").write_text("# Index\n\n[a](gone.md) [b](start.md#lost) [there](start.md#start)\n")
    built = build(docs, tmp_path / "site")
    assert built.returncode != 0
    assert "gone.md" in built.stderr and "#lost" in built.stderr and "#start" not in built.stderr


def test_the_pages_are_of_four_kinds():
    nav = yaml.safe_load((DOCS / SETTINGS).read_text())["nav"]
    assert [next(iter(entry)) for entry in nav] == ["Start", *KINDS]


def test_every_decision_is_listed():
    listed = (DOCS / "decisions" / "README.md").read_text()
    decisions = sorted((DOCS / "decisions").glob("0*.md"))
    assert len(decisions) >= 9
    assert [page.name for page in decisions if f"]({page.name})" not in listed] == []


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_ways_in_lead_to_every_page(page: str):
    text = (ROOT / page).read_text()
    pages = {
        path.relative_to(DOCS).as_posix() for path in (*DOCS.glob("*.md"), *DOCS.glob("notebooks/*.ipynb"))
    }
    prefix = "docs/" if page == "README.md" else ""
    pages -= {page.removeprefix("docs/")}
    assert {name for name in pages if f"]({prefix}{name})" not in text} == set()


def test_the_readme_links_to_files_that_exist():
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / "README.md").read_text())
    assert len(links) >= 20
    assert [link for link in links if not (ROOT / link).exists()] == []
