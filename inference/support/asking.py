"""Tells the part of a message that asks from the circumstances around it.

``My shirt does not fit, can I send it back?`` asks about sending back; the shirt and its fit are
why. A passage must speak of what is asked, and need not name the circumstances.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

from inference.support.terms import stem, terms_of
from inference.text.normalisation import text_normalise

_ZH_PARTS = re.compile(r"[，,。．.！!；;\n]+(?!\d)|(?<=[？?])")
_EN_PARTS = re.compile(
    r"[.!;\n]+(?=\s|$)|(?<=\?)|,\s+|\s+-+\s+|\s+(?=(?:and|but|so)\s+(?:what|how|when|where|which|who|can|could|do|does|is|are|will)\b)"
    r"|\s+(?=(?:if|because|since|although|as soon as|so that)\s)",
    re.I,
)
_ZH_ASKS = re.compile(
    r"吗|呢|么$|什么|怎么|怎样|如何|多少|多久|多长|多大|几[个天年月点位次时]|哪|谁|能不能|可不可以|是否|是不是|有没有|会不会|要不要|能否"
    r"|^(?:请问)?(?:能|可以|会)|[？?]$|何时|想知道|行不行|好不好"
)
_EN_ASKS = re.compile(
    r"\?$|\b(?:i want|i need|i'd like|i would like|tell me|please)\b"
    r"|^\W*(?:(?:and|but|so|hi|hello|please|ok|okay)[, ]+)*(?:what|how|when|where|which|who|whose|why|can|could|do|does|did|is|are"
    r"|was|were|will|would|may|has|have|should|am)\b",
    re.I,
)
_EN_CONDITION = re.compile(r"^\W*(?:if|because|since|although|as soon as|so that)\s", re.I)


@dataclass(frozen=True, slots=True)
class Asking:
    """``asked`` is what asks (several questions: each of them); ``around`` is the rest."""

    asked: tuple[str, ...]
    around: str


@lru_cache(maxsize=512)
def asking_of(text: str, language: str) -> Asking:
    """Take a message apart; without a part that asks, all of it does ("The cup is broken")."""
    cut, asks = (_EN_PARTS, _EN_ASKS) if language == "en" else (_ZH_PARTS, _ZH_ASKS)
    parts = [part.strip() for part in cut.split(text) if part and part.strip()]
    asked = tuple(p for p in parts if asks.search(p) and not _EN_CONDITION.match(p))
    if not asked:
        return Asking((text,), "")
    return Asking(asked, "\n".join(p for p in parts if p not in asked))


_PREPOSITION = frozenset({"for", "on", "of", "with", "by"})
_DETERMINER = frozenset({"a", "an", "the", "my", "your", "our", "any", "this", "that"})


def narrowing_words(text: str, language: str, shared: Collection[str]) -> frozenset[str]:
    """Keys of the words that narrow what is asked for to one kind.

    English: the word after a preposition ("seats for dogs") or right before a shared word ("phone
    repair"). Chinese: the word right before a shared one (宠物座椅, 家具的保修).
    """
    if language != "en":
        plain = re.sub(r"\s", "", text_normalise(text))
        return frozenset(
            term.key
            for term in terms_of(text, language)
            if any(
                re.search(f"{re.escape(term.key)}的?{re.escape(key)}", plain)
                for key in shared
                if len(key)
                > 1  # 能先 before 骑 narrows nothing: single characters are mostly verbs
            )
        )
    words = [stem(w) for w in re.findall(r"[a-z][a-z'-]*", text_normalise(text))]
    found: set[str] = set()
    for place, word in enumerate(words):
        if word in _PREPOSITION:
            rest = [w for w in words[place + 1 : place + 5] if w not in _DETERMINER]
            found.update(rest[:2])
        if place + 1 < len(words) and words[place + 1] in shared:
            found.add(word)
    return frozenset(found)
