from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.inference.weights.file_server import FileServer, file_server


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as content:
        yield content


@pytest.fixture
def told() -> list[str]:
    """The progress lines: pass ``told.append``."""
    return []
