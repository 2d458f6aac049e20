"""Web processes over the database of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection

from knowledge.models import Site
from tests.faults.desk_process import ORIGIN, Client, WebProcess


@pytest.fixture
def shop(transactional_db: None) -> Site:
    return Site.objects.create(name="Bob's shop", allowed_origins=ORIGIN, language="zh-hans")


@pytest.fixture
def web_start(
    shop: Site, tmp_path: Path, socket_enabled: None
) -> Iterator[Callable[..., WebProcess]]:
    """Starts web processes and ends them with the test."""
    started: list[WebProcess] = []

    def start(**environment: str) -> WebProcess:
        database = Path(str(connection.settings_dict["NAME"]))
        web = WebProcess(database=database, data=tmp_path, environment=environment)
        started.append(web)
        web.start()
        return web

    yield start
    for web in started:
        web.stop()


@pytest.fixture
def web(web_start: Callable[..., WebProcess]) -> WebProcess:
    return web_start()


@pytest.fixture
def customer(web: WebProcess, shop: Site) -> Client:
    return Client(web, shop.key)
