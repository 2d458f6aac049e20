"""Shared by all tests: where the test database lies."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from benchmarks.desk import Desk, desk_running
from tests.database import restored_after_commits


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file of this run's own: lanes and processes open the database at the same time, which an
    SQLite database in memory does not bear. It need not outlive a power cut, so this process does
    not wait for the disk; the processes that tests start do."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] == "django.db.backends.sqlite3":
        path = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(path)
        database["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """On SQLite, what a test commits is taken back quickly. On PostgreSQL, no thread that a test
    left keeps the test database from being dropped."""
    if connection.vendor == "sqlite":
        with ExitStack() as restoring:
            with django_db_blocker.unblock():
                restoring.enter_context(restored_after_commits())
            yield
        return
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in a browser last: Playwright's synchronous interface keeps an event loop
    running in the main thread until the session ends, and no asyncio test can run beside it."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="module")
def desk_on_weights(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., Desk]]:
    """Starts whole desks, processes and all, on the real weights; settings as keywords."""
    for name in (settings.MODEL, settings.EMBEDDING_MODEL):
        if not (settings.CACHE_DIR / "models" / name).is_dir():
            pytest.skip(f"The weights of {name} are not in the cache; run: make test")
    with ExitStack() as running:

        def start(**values: str) -> Desk:
            return running.enter_context(desk_running(tmp_path_factory.mktemp("desk"), values))

        yield start
