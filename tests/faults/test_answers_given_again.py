"""What one web process has the model write, another one gives again (a scripted engine)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from conversations.models import CachedAnswer
from knowledge.models import Entry, Site
from knowledge.services.demo import defaults_ensure
from knowledge.services.entries import entry_create
from tests.faults.desk_process import Client, WebProcess
from tests.faults.invariants import violations
from tests.faults.test_engine_stream import ANSWER, QUESTION, QUICK, ScriptedServer

invariants_broken = sync_to_async(violations, thread_sensitive=True)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[ScriptedServer]:
    server = ScriptedServer(tmp_path / "script.toml")
    yield server
    server.kill()


async def answered(web: WebProcess, shop: Site, text: str = QUESTION) -> tuple[dict, Client]:
    """Somebody new asks a question."""
    customer = Client(web, shop.key)
    message_id = uuid.uuid4()
    async with customer.connected() as socket:
        await customer.send(socket, text, message_id)
        return await customer.answered(socket, message_id), customer


async def test_the_second_process_knows_the_answer_of_the_first_and_its_refusal(
    web_start: Callable[..., WebProcess], shop: Site, engine: ScriptedServer
) -> None:
    def start() -> tuple[WebProcess, WebProcess]:
        defaults_ensure()
        entry_create(site=shop, question="退货政策", answer=ANSWER, status=Entry.Status.PUBLISHED)
        engine.start(QUICK)
        environment = {
            "SUPPORTDESK_ENGINE_URL": f"http://127.0.0.1:{engine.port}",
            "SUPPORTDESK_MODEL": "scripted",
            "SUPPORTDESK_DIRECT_PROBABILITY": "1",
            "SUPPORTDESK_FIRST_TOKEN_SECONDS": "8",
            "SUPPORTDESK_DEADLINE_SECONDS": "15",
        }
        return web_start(**environment), web_start(**environment)

    left, right = await sync_to_async(start, thread_sensitive=True)()

    first, asker = await answered(left, shop)
    # Each process has to learn first which weights the engine has: from its health, or an answer.
    await answered(right, shop, "退货政策是怎样的?")
    again, other = await answered(right, shop)

    assert (first["tier"], again["tier"]) == ("generated", "cache")
    assert again["text"] == first["text"]
    assert (await CachedAnswer.objects.aget(question=QUESTION)).hits == 1

    engine.kill()  # the model is not needed for what it has said before
    once_more, third = await answered(left, shop, "退货政策是什么")
    assert once_more["tier"] == "cache"

    async with other.connected() as socket:
        judged = {"v": 1, "type": "rate", "reply_seq": again["seq"], "kind": "thumb", "score": 0}
        await socket.send(json.dumps(judged))
        await other.until(socket, lambda frame: frame["type"] == "rated")
    refused, fourth = await answered(left, shop)

    assert refused["tier"] == "fallback"
    acks = [ack for each in (asker, other, third, fourth) for ack in each.acks]
    assert await invariants_broken(acks) == []
