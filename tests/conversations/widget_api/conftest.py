"""A desk whose model always greets, and a browser without cookies of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import AsyncClient

from conversations.desk import Desk, desk_install
from conversations.engines import Engines, ladder_make
from inference.engines.scripted import ScriptedChatClient
from tests.conversations.ladder.cast import FakeKnowledge


@pytest.fixture(autouse=True)
def desk() -> Iterator[Desk]:
    chat = ScriptedChatClient("您好。")
    made = Desk(engines=Engines(ladder_make(chat=chat, knowledge=FakeKnowledge()), chat, None))
    desk_install(made)
    yield made
    desk_install(None)


@pytest.fixture
def browser() -> AsyncClient:
    return AsyncClient()
