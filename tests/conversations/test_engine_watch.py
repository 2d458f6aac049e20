"""What the desk and its engine keep telling each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from conversations.engine_watch import HEALTH_SECONDS, EngineWatch
from conversations.errors import Unavailable
from conversations.ladder.budget import TOKENS_UNMEASURED, PromptBudget
from inference.chat import ChatMessage, EngineHealth
from inference.engines.scripted import ScriptedChatClient
from inference.errors import EngineDown

HEAD = [ChatMessage("system", "只根据资料回答。")]


class Engine(ScriptedChatClient):
    """A scripted engine that keeps beginnings ready."""

    def __init__(self) -> None:
        super().__init__("ok")
        self.measured = 1200
        self.prefixes: list[list[list[ChatMessage]]] = []
        self.refusal: Exception | None = None

    async def health(self) -> EngineHealth:
        return EngineHealth(self.state, ("m",), 800.0, self.measured)

    async def prefixes_put(self, prefixes: Sequence[Sequence[ChatMessage]]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.prefixes.append([list(messages) for messages in prefixes])


@dataclass
class World:
    engine: Engine = field(default_factory=Engine)
    budget: PromptBudget = field(default_factory=PromptBudget)
    revision: int = 1
    heads: list[list[ChatMessage]] = field(default_factory=lambda: [HEAD])
    now: float = 0.0
    database_is_away: bool = False

    def watch(self) -> EngineWatch:
        async def revision() -> int:
            if self.database_is_away:
                raise Unavailable
            return self.revision

        async def heads() -> list[list[ChatMessage]]:
            return self.heads

        return EngineWatch(
            chat=self.engine,
            budget=self.budget,
            revision=revision,
            heads=heads,
            clock=lambda: self.now,
        )


async def test_a_ready_engine_gets_the_heads_and_tells_how_long_a_prompt_may_be() -> None:
    world = World()

    await world.watch().look()

    assert world.engine.prefixes == [[HEAD]]
    assert world.budget.tokens == 1200


async def test_nothing_is_said_twice_until_a_prompt_changes_or_time_has_passed() -> None:
    world = World()
    watch = world.watch()
    await watch.look()

    await watch.look()
    assert len(world.engine.prefixes) == 1

    world.revision, world.heads = 2, []
    await watch.look()
    assert world.engine.prefixes[1:] == [[]], "what was withdrawn is dropped"

    world.now += HEALTH_SECONDS
    await watch.look()
    assert len(world.engine.prefixes) == 3, "the engine may have been restarted meanwhile"


async def test_an_engine_that_starts_is_told_as_soon_as_it_is_ready() -> None:
    world = World()
    world.engine.state = "loading"
    watch = world.watch()

    await watch.look()
    assert world.engine.prefixes == []
    assert world.budget.tokens == TOKENS_UNMEASURED

    world.engine.state = "ready"
    await watch.look()
    assert world.engine.prefixes == [[HEAD]]


async def test_what_fails_is_tried_again() -> None:
    world = World()
    watch = world.watch()

    world.database_is_away = True
    await watch.look()
    world.database_is_away = False
    world.engine.refusal = EngineDown("It is gone.")
    await watch.look()
    world.engine.refusal = None
    world.now += HEALTH_SECONDS
    await watch.look()

    assert world.engine.prefixes == [[HEAD]]
