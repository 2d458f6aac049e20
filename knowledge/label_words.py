"""Names of the labels and label sets that come with the product, in the reader's language.

A label's name is what prompts and programs know it by, so it is the same in every language. Labels
that a desk makes itself are shown as they are called.
"""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

SET_WORDS: Final[dict[str, str | Promise]] = {
    "sentiment": pgettext_lazy("label set", "Sentiment"),
    "wants_human": pgettext_lazy("label set", "Wants a person"),
    "intent": pgettext_lazy("label set", "Intent"),
}
"""By the set's key; a key has a set for each language, which is one thing for people."""

SHIPPED_NAMES: Final = frozenset(
    {"情绪", "Sentiment", "要找人工", "Wants a person", "意图", "Intent"}
)
"""What the sets are called as they come (``defaults/labels.toml``); another name is somebody's."""

LABEL_WORDS: Final[dict[str, dict[str, str | Promise]]] = {
    "sentiment": {
        "positive": pgettext_lazy("sentiment", "positive"),
        "negative": pgettext_lazy("sentiment", "negative"),
        "neutral": pgettext_lazy("sentiment", "neutral"),
    },
    "wants_human": {
        "yes": pgettext_lazy("wants a person", "yes"),
        "no": pgettext_lazy("wants a person", "no"),
    },
    "intent": {
        "order_status": pgettext_lazy("intent", "order status"),
        "shipping": pgettext_lazy("intent", "shipping"),
        "return_refund": pgettext_lazy("intent", "return and refund"),
        "exchange_repair": pgettext_lazy("intent", "exchange and repair"),
        "payment": pgettext_lazy("intent", "payment"),
        "invoice": pgettext_lazy("intent", "invoice"),
        "promotion": pgettext_lazy("intent", "promotion"),
        "product": pgettext_lazy("intent", "product"),
        "order_change": pgettext_lazy("intent", "change of an order"),
        "account": pgettext_lazy("intent", "account"),
        "complaint": pgettext_lazy("intent", "complaint"),
        "other": pgettext_lazy("intent", "something else"),
    },
}
"""By the set's key and the label's name."""


def label_set_words(key: str, name: str) -> str:
    """What a set is called, for people."""
    return str(SET_WORDS.get(key, name)) if name in SHIPPED_NAMES else name


def label_words(set_key: str, name: str) -> str:
    """What a label says, for people."""
    return str(LABEL_WORDS.get(set_key, {}).get(name, name))
