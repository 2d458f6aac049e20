"""The database's address: what it makes of the settings, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from supportdesk.database import POSTGRESQL, SQLITE, database_settings


def test_without_an_address_it_is_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    made = database_settings(tmp_path / "deeper" / "desk.sqlite3")
    assert (made["ENGINE"], made["NAME"]) == (SQLITE, str(tmp_path / "deeper" / "desk.sqlite3"))
    assert made["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert (tmp_path / "deeper").is_dir()


def test_postgresql_gets_a_pool_and_commits_that_wait_for_the_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "DATABASE_URL",
        "postgresql://desk:p%40ss@db:5433/shop?sslmode=require&options=-c%20search_path%3Dd",
    )
    monkeypatch.setenv("DATABASE_CONNECTIONS", "7")
    monkeypatch.setenv("DATABASE_TIMEOUT", "2.5")
    made = database_settings(tmp_path / "desk.sqlite3")
    assert (made["ENGINE"], made["NAME"], made["PASSWORD"]) == (POSTGRESQL, "shop", "p@ss")
    assert made["OPTIONS"]["sslmode"] == "require"
    assert made["OPTIONS"]["pool"]["max_size"] == 7
    assert made["OPTIONS"]["pool"]["timeout"] == 2.5
    options = made["OPTIONS"]["options"]
    assert options.startswith("-c search_path=d ")
    assert "-c synchronous_commit=on" in options
    assert "-c lock_timeout=2500ms" in options


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("mysql://desk@db/shop", "sqlite:/// or postgresql://"),
        ("postgresql://desk:secret@db", "names no database"),
        ("postgresql://desk:sec/ret@db:x/shop", "DATABASE_URL"),
        ("shop", "sqlite:/// or postgresql://"),
    ],
)
@pytest.mark.filterwarnings("ignore:Engine not recognized")
def test_a_wrong_address_is_refused_without_telling_the_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str, words: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(ImproperlyConfigured, match=words) as refused:
        database_settings(tmp_path / "desk.sqlite3")
    assert "sec" not in str(refused.value).replace("seconds", "")
