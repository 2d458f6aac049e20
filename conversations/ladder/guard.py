"""The first rung: what needs no answer from knowledge or model."""

from __future__ import annotations

from conversations.enums import Mode, Outcome, Tier
from conversations.ladder import wording
from conversations.ladder.values import Answer, Walk


class Guard:
    """Stops where a person has taken over, and asks for words where there are none."""

    name = "guard"

    async def answer(self, walk: Walk) -> Answer | None:
        if walk.question.mode != Mode.BOT:
            return Answer("", Tier.GUARD, walk.language, outcome=Outcome.HANDOFF)
        if not any(character.isalnum() for character in walk.question.text):
            return Answer(wording.question_wanted(walk.language), Tier.GUARD, walk.language)
        return None
