"""Keeps of a model's summary what the conversation bears out.

A small model that sums up invents as readily as one that answers. A sentence of its summary stays only
if each number, date, price, address and code in it was said in the conversation, if nearly all of its
words were, and if it does not turn a yes into a no. What is left is shown, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from inference.support.degeneration import (
    has_template_tokens,
    is_loop,
    is_wrong_language,
    leaks_prompt,
)
from inference.support.identifiers import (
    identifier_known,
    identifiers_of,
    text_without_identifiers,
)
from inference.support.passages import ReadPart, parts_of, sentences_of
from inference.support.polarity import polarity_flipped
from inference.support.quantities import quantities_of
from inference.support.terms import Term, TermSource, stem, terms_of

COVERED_LEAST: Final = 0.7
"""Share of a sentence's words, by weight, that were said."""
OWN_LEAST: Final = 0.5
"""The same of what one side is told to have said, in that side's own words."""
KEPT_LEAST: Final = 0.5
"""Share of the sentences that must hold: of a summary that is mostly invented nothing is kept."""
LONGEST: Final = {"en": 600}
_LONGEST_OTHERWISE: Final = 260

# Words that a summary needs and a conversation does not hold.
_WORDS: Final = """
顾客 客户 用户 客服 询问 咨询 提问 回答 答复 回复 表示 告知 说明 提到 希望 要求 想要
需要 解决 问题 对话 概括 总结 目前 已经 尚未 情况 商家 店铺 人工 关于 相关 建议 提供
了解 customer shopper user agent assistant support shop asked asks ask wants want
wanted replied reply answer answered said told explained question issue problem
conversation summary about whether regarding also currently yet still need needs needed
offered offer provide provided
"""
_TELLING: Final = frozenset(map(stem, _WORDS.split()))
_SHOP: Final = re.compile(r"客服|商家|店铺|店家|\b(?:shop|agent|assistant|support|seller)\b", re.I)
_CUSTOMER: Final = re.compile(r"顾客|客户|用户|\b(?:customer|shopper|user|buyer)\b", re.I)
_LEAD: Final = re.compile(r"^\s*(?:概括|总结|摘要|小结|summary)\s*[:：]\s*", re.I)


def summary_checked(text: str, said: Sequence[tuple[str, str]], language: str) -> str:
    """The sentences of ``text`` that the conversation bears out; "" when that is too little.

    ``said`` are the messages in their order, as (role, text): ``user`` is the customer, anything else
    the shop.
    """
    text = _LEAD.sub("", text).strip()
    dialogue = "\n".join(line for _role, line in said)
    if _is_broken(text, dialogue, language):
        return ""
    sentences = [sentence for sentence in sentences_of(text) if sentence.strip()]
    talk = _Talk(dialogue, said, language)
    kept = [sentence for sentence in sentences if talk.bears_out(sentence)]
    if not kept or len(kept) < KEPT_LEAST * len(sentences):
        return ""
    return (" " if language == "en" else "").join(sentence.strip() for sentence in kept)


def _is_broken(text: str, dialogue: str, language: str) -> bool:
    longest = LONGEST.get(language, _LONGEST_OTHERWISE)
    return (
        not text
        or len(text) > longest
        or has_template_tokens(text)
        or leaks_prompt(text, dialogue)
        or is_loop(text)
        or is_wrong_language(text, language)
    )


class _Talk:
    """A conversation, read once: all of it, and what each side said."""

    def __init__(self, dialogue: str, said: Sequence[tuple[str, str]], language: str) -> None:
        self._language = language
        self._dialogue = dialogue
        self._quantities = quantities_of(dialogue)
        self._source = TermSource(dialogue, language)
        self._parts = tuple(
            ReadPart(part, language) for _role, line in said for part in sentences_of(line)
        )
        self._sides = {
            is_customer: TermSource(
                "\n".join(line for role, line in said if (role == "user") == is_customer), language
            )
            for is_customer in (True, False)
        }

    def bears_out(self, sentence: str) -> bool:
        """Whether a sentence tells only what was said, by whom it was said."""
        if any(not identifier_known(key, self._dialogue) for key in identifiers_of(sentence)):
            return False
        plain = text_without_identifiers(sentence)
        told = quantities_of(plain)
        if any(not any(one.agrees(other) for other in self._quantities) for one in told):
            return False
        terms = self._terms(plain)
        if any(term.is_name and not self._source.has(term.key) for term in terms):
            return False
        if not terms:  # "the customer asked a question" tells nothing
            return bool(told)
        return (
            _coverage(terms, self._source) >= COVERED_LEAST
            and self._is_rightly_put(plain)
            and not polarity_flipped(sentence, self._parts, self._language)
        )

    def _is_rightly_put(self, sentence: str) -> bool:
        """Whether what each side is told to have said comes from that side: a customer who asks
        for an exchange has not been promised one."""
        speaker: bool | None = None
        for part in parts_of(sentence):
            if _SHOP.search(part):
                speaker = False
            elif _CUSTOMER.search(part):
                speaker = True
            terms = self._terms(part)
            if speaker is None or not terms:
                continue
            if _coverage(terms, self._sides[speaker]) < OWN_LEAST:
                return False
        return True

    def _terms(self, text: str) -> list[Term]:
        return [term for term in terms_of(text, self._language) if term.key not in _TELLING]


def _coverage(terms: Sequence[Term], source: TermSource) -> float:
    total = sum(term.weight for term in terms)
    held = sum(term.weight * source.coverage(term.key) for term in terms)
    return held / total if total else 0.0
