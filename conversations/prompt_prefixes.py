"""Which fixed beginnings of prompts the engines keep in the state of having read them.

Only texts that are published and the same for every question: the instructions of prompts and label
sets, rendered with nothing but the shop's name and the language. What was withdrawn is not among
them, so the engine drops it. An engine has room for some thousand tokens; those of answers come
first, because a customer waits for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from conversations.ladder.budget import tokens_estimate
from inference.chat import ChatMessage
from knowledge.label_sets import label_heads
from knowledge.models.prompts import PROMPT_ROLES
from knowledge.selectors import prompt_heads

HEADS_MOST: Final = 48
"""Beginnings that are sent; the engine keeps 64 at most."""
TOKENS_MOST: Final = 4000
"""Tokens of all of them, by an estimate that is rather too high; the engine keeps 4,096."""
ANSWER: Final = "answer"

Heads = list[list[ChatMessage]]


def prefixes_of_answers(*, with_labels: bool) -> Heads:
    """What the engine that answers keeps; ``with_labels`` if it labels as well."""
    labels = prefixes_of_labels() if with_labels else []
    return heads_bounded(chain(prompt_heads(role=ANSWER), labels))


def prefixes_of_labels() -> Heads:
    """What the engine that labels keeps: label sets, and the roles of the work behind answers."""
    roles = [role for role in PROMPT_ROLES if role != ANSWER]
    return heads_bounded(
        chain(label_heads(), chain.from_iterable(prompt_heads(role=role) for role in roles))
    )


def heads_bounded(heads: Iterable[Sequence[ChatMessage]]) -> Heads:
    """The first of them, each once, that have room together; a shorter one may still fit in where
    a longer one did not."""
    kept: dict[tuple[ChatMessage, ...], None] = {}
    tokens = 0
    for head in heads:
        key = tuple(head)
        cost = tokens_estimate(head)
        if key in kept or len(kept) == HEADS_MOST or tokens + cost > TOKENS_MOST:
            continue
        kept[key] = None
        tokens += cost
    return [list(head) for head in kept]
