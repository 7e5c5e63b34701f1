"""Settings: flag, environment, file, default, in this order; what is not understood is refused."""

from pathlib import Path
from typing import Any

import pytest

from gpuledger.core.config import FetchSettings, LakeAddress, lake_address, load_settings
from gpuledger.core.errors import ConfigError


def write(folder: Path, text: str, name: str = "gpuledger.toml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_hold(tmp_path: Path):
    settings = load_settings({"HOME": str(tmp_path)})
    assert settings.home == tmp_path / ".local" / "share" / "gpuledger"
    assert settings.store == "duckdb"
    assert settings.source_urls == {}
    assert settings.fetch == FetchSettings(attempts=4, wait_seconds=1, timeout_seconds=30, total_seconds=300)


def test_the_desktop_standard_places_the_default_home(tmp_path: Path):
    environ = {"HOME": "/nowhere", "XDG_DATA_HOME": str(tmp_path)}
    assert load_settings(environ).home == tmp_path / "gpuledger"


def test_a_home_is_a_flag_then_the_environment_then_the_file_then_the_default(tmp_path: Path):
    config = write(tmp_path, 'home = "/from/file"')
    environ = {"HOME": str(tmp_path), "GPULEDGER_CONFIG": str(config)}
    assert load_settings(environ).home == Path("/from/file")
    assert load_settings(environ | {"GPULEDGER_HOME": "/from/environ"}).home == Path("/from/environ")
    flag = Path("/from/flag")
    assert load_settings(environ | {"GPULEDGER_HOME": "/from/environ"}, home=flag).home == flag


def test_the_file_is_a_flag_then_the_environment_then_the_homes_own(tmp_path: Path):
    home = tmp_path / "home"
    write(home, "[fetch]\nattempts = 1")
    by_variable = write(tmp_path, "[fetch]\nattempts = 2", "variable.toml")
    by_flag = write(tmp_path, "[fetch]\nattempts = 3", "flag.toml")
    environ = {"GPULEDGER_HOME": str(home)}
    assert load_settings(environ).fetch.attempts == 1
    environ["GPULEDGER_CONFIG"] = str(by_variable)
    assert load_settings(environ).fetch.attempts == 2
    assert load_settings(environ, config=by_flag).fetch.attempts == 3


def test_the_environment_goes_before_the_file_setting_by_setting(tmp_path: Path):
    write(
        tmp_path,
        '[fetch]\nattempts = 7\ntimeout_seconds = 5.5\n[sources.runpod]\nurl = "https://file.example/a"\n'
        '[sources.crusoe]\nurl = "https://file.example/b"',
    )
    settings = load_settings(
        {
            "GPULEDGER_FETCH_ATTEMPTS": "2",
            "GPULEDGER_FETCH_WAIT_SECONDS": "0.25",
            "GPULEDGER_SOURCE_RUNPOD_URL": "http://127.0.0.1:8000",
        },
        home=tmp_path,
    )
    assert settings.fetch == FetchSettings(attempts=2, wait_seconds=0.25, timeout_seconds=5.5)
    assert settings.source_urls == {"runpod": "http://127.0.0.1:8000", "crusoe": "https://file.example/b"}


def test_a_variable_that_is_empty_is_not_set(tmp_path: Path):
    write(tmp_path, '[fetch]\nattempts = 7\n[sources.runpod]\nurl = "https://file.example"')
    empty = {"GPULEDGER_FETCH_ATTEMPTS": "", "GPULEDGER_SOURCE_RUNPOD_URL": "", "GPULEDGER_STORE": ""}
    assert load_settings(empty, home=tmp_path) == load_settings({}, home=tmp_path)


def test_a_home_in_the_file_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    config = write(tmp_path, 'home = "~/prices"')
    assert load_settings({}, config=config).home == Path("/home/somebody/prices")


def test_a_file_that_was_named_must_be_there(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no settings file .*/missing\.toml"):
        load_settings({}, config=tmp_path / "missing.toml")


REFUSED_FILES = {
    "hoem = 'x'": "unknown setting 'hoem'; known: bundled_history, fetch, home, notify, sources, store",
    "home = 5": "home must be a folder, not 5",
    "store = 'sqlite'": "unknown store 'sqlite'; known: duckdb",
    "sources = 5": "setting 'sources' must be a table, not 5",
    "[sources]\nrunpod = 'x'": "setting 'runpod' must be a table, not 'x'",
    "[sources.runpod]\nverify = false": "unknown setting sources.runpod.verify; known: url",
    "[sources.runpod]\nurl = 5": "sources.runpod.url must be an http or https address, not 5",
    "[sources.runpod]\nurl = 'ftp://x/y'": "must be an http or https address, not 'ftp://x/y'",
    "[sources.runpod]\nurl = 'file:///etc/passwd'": "not 'file:///etc/passwd'",
    "[sources.runpod]\nurl = 'prices.example'": "not 'prices.example'",
    "[fetch]\nretries = 3": "unknown setting fetch.retries; known: attempts, wait_seconds",
    "[fetch]\nverify = false": "unknown setting fetch.verify",
    "[fetch]\nattempts = 0": "fetch.attempts must lie between 1 and 86400, not 0",
    "[fetch]\nattempts = 2.5": "fetch.attempts must be a number, not 2.5",
    "[fetch]\nattempts = true": "fetch.attempts must be a number, not True",
    "[fetch]\nattempts = 'many'": "fetch.attempts must be a number, not 'many'",
    "[fetch]\nwait_seconds = -1": "fetch.wait_seconds must lie between 0 and 86400, not -1",
    "[fetch]\nwait_seconds = nan": "fetch.wait_seconds must lie between 0 and 86400, not nan",
    "[fetch]\ntimeout_seconds = 1e9": "fetch.timeout_seconds must lie between 0 and 86400",
    "home = ": "cannot read ",
    "[fetch": "cannot read ",
}


@pytest.mark.parametrize("text", REFUSED_FILES)
def test_what_a_file_says_wrongly_is_refused_with_the_name_and_the_value(tmp_path: Path, text: str):
    write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings({}, home=tmp_path)
    assert REFUSED_FILES[text] in str(caught.value)


def test_a_file_that_is_not_text_is_refused_by_its_path(tmp_path: Path):
    (tmp_path / "gpuledger.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"cannot read .*gpuledger\.toml"):
        load_settings({}, home=tmp_path)


REFUSED_VARIABLES: dict[str, dict[str, Any]] = {
    "GPULEDGER_SOURCE_RUNPOD_URL must be an http or https address, not 'x'": {
        "GPULEDGER_SOURCE_RUNPOD_URL": "x"
    },
    "GPULEDGER_FETCH_ATTEMPTS must be a number, not 'x'": {"GPULEDGER_FETCH_ATTEMPTS": "x"},
    "unknown setting GPULEDGER_FETCH_VERIFY": {"GPULEDGER_FETCH_VERIFY": "0"},
    "unknown GPULEDGER_STORE 'sqlite'": {"GPULEDGER_STORE": "sqlite"},
    **{
        f"GPULEDGER_STORE: {fault}": {"GPULEDGER_STORE": f"ducklake:{address}"}
        for fault, address in {
            "the catalogue must be postgres://": "mysql://db/prices?data=/shared",
            "host or database are missing": "postgres:///prices?data=/shared",
            "data must be an absolute folder or s3://": "postgres://db/prices",
            "archive must be an absolute folder, since s3:// holds Parquet alone": "postgres://db/p?data=s3://b",
            "unknown option ['user']": "postgres://db/prices?data=/shared&user=me",
            "schema must be a plain name": "postgres://db/prices?data=/shared&schema=a;b",
        }.items()
    },
    "GPULEDGER_STORE names no port that exists": {
        "GPULEDGER_STORE": "ducklake:postgres://db:99999/p?data=/shared"
    },
}


@pytest.mark.parametrize("message", REFUSED_VARIABLES)
def test_what_a_variable_says_wrongly_is_refused(tmp_path: Path, message: str):
    with pytest.raises(ConfigError) as caught:
        load_settings(REFUSED_VARIABLES[message], home=tmp_path)
    assert message in str(caught.value)


def test_a_shared_store_is_named_by_its_catalogue_and_its_folder(tmp_path: Path):
    store = "ducklake:postgres://me@db.example:5433/prices?data=/shared/gpuledger/&schema=gpus"
    assert load_settings({"GPULEDGER_STORE": store}, home=tmp_path).store == store
    write(tmp_path, f'store = "{store}"')
    assert load_settings({}, home=tmp_path).store == store
    assert lake_address(store) == LakeAddress(
        host="db.example",
        port=5433,
        database="prices",
        user="me",
        data="/shared/gpuledger",
        archive=Path("/shared/gpuledger/archive"),
        schema="gpus",
    )
    assert lake_address("duckdb") is None


def test_parquet_in_s3_needs_a_folder_for_the_archive(tmp_path: Path):
    address = lake_address("ducklake:postgresql://db/prices?data=s3://bucket/gpus&archive=/shared/archive")
    assert address is not None
    assert (address.parquet, address.archive) == ("s3://bucket/gpus/parquet/", Path("/shared/archive"))
    assert (address.user, address.port, address.schema) == ("gpuledger", 5432, "gpuledger")


def test_a_password_in_the_setting_is_refused_and_not_shown(tmp_path: Path):
    with pytest.raises(ConfigError, match="set PGPASSWORD or write") as caught:
        load_settings({"GPULEDGER_STORE": "ducklake:postgres://me:hunter2@db/p?data=/shared"}, home=tmp_path)
    assert "hunter2" not in str(caught.value)
