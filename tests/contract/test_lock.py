"""The lock agrees with what is declared, and names each file that it installs by hash. No network is needed."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = tomllib.loads((ROOT / "uv.lock").read_text())
(OURS,) = [package for package in LOCK["package"] if package["name"] == "gpuledger"]
FOREIGN = [package for package in LOCK["package"] if package["name"] != "gpuledger"]
EXTRAS = PROJECT["project"]["optional-dependencies"]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def parts(text: str) -> tuple[str, tuple[str, ...], frozenset[str]]:
    """Name, extras and versions of a declared requirement; what it depends on is left out."""
    found = re.fullmatch(r"([\w.-]+)(?:\[([\w,-]+)\])?([^;]*)(;.*)?", text)
    assert found, text
    versions = frozenset(part.strip() for part in found[3].split(",") if part.strip())
    return normal(found[1]), tuple(sorted(filter(None, (found[2] or "").split(",")))), versions


def locked(requirement: dict) -> tuple[str, tuple[str, ...], frozenset[str]]:
    versions = frozenset(filter(None, requirement.get("specifier", "").split(",")))
    return requirement["name"], tuple(sorted(requirement.get("extras", []))), versions


def test_packages_were_found():
    assert len(FOREIGN) > 100


def test_what_is_declared_is_what_was_locked():
    declared = [parts(text) for text in PROJECT["project"]["dependencies"]]
    declared += [parts(text) for texts in EXTRAS.values() for text in texts]
    found = [locked(requirement) for requirement in OURS["metadata"]["requires-dist"]]
    assert sorted(found, key=str) == sorted(declared, key=str)
    assert set(OURS["metadata"]["provides-extras"]) == set(EXTRAS)


def test_what_developers_need_is_what_was_locked():
    declared = [parts(text) for text in PROJECT["dependency-groups"]["dev"]]
    found = [locked(requirement) for requirement in OURS["metadata"]["requires-dev"]["dev"]]
    assert sorted(found, key=str) == sorted(declared, key=str)


def test_the_versions_of_python_agree():
    assert parts(f"python{LOCK['requires-python']}") == parts(
        f"python{PROJECT['project']['requires-python']}"
    )


@pytest.mark.parametrize("package", FOREIGN, ids=lambda package: package["name"])
def test_a_package_comes_from_the_registry_and_each_of_its_files_has_a_hash(package):
    assert set(package["source"]) == {"registry"}, "neither a repository, an address nor a folder"
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    assert files
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", file["hash"]) for file in files)
