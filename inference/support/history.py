"""Understands a follow-up question from what was said before, without a model.

``支持分期付款吗?`` after ``有哪些支付方式?`` stands for itself; ``那运费呢`` does not, and becomes
``运费多少钱`` only in the light of what was asked. What cannot be told from words alone stays as it
is: a wrong guess would fetch the wrong passage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inference.support.questions import Wanted, topics_of, wanted_of
from inference.support.terms import Term, terms_of


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that can be understood alone; ``used_history`` when words were added to it."""

    text: str
    used_history: bool


_ZH_ELLIPSIS = re.compile(
    r"^(?:那么?|然后|还有|另外|如果是?|要是|换成|换做)?[,，\s]*(?P<topic>.{1,14}?)(?:呢|怎么样|可以吗|行吗|也行吗|也可以吗|也是吗)[?？。!！\s]*$"
)
_ZH_OPENING = re.compile(r"^(?:那么?|然后|所以|可是|但是|而且|还有|另外)[,，\s]*")
_ZH_PRONOUN = re.compile(
    r"它们?|这个|那个|这些|那些|这种|那种|这款|那款|该(?:商品|产品|服务)|上面(?:说的)?|刚才(?:说的)?|前面(?:说的)?"
)
_EN_ELLIPSIS = re.compile(
    r"^\W*(?:and |but |so |ok(?:ay)?,? )*(?:what about|how about|what if|and(?: for)?|or|what of)\s+(?P<topic>.{1,60}?)[?.!\s]*$",
    re.I,
)
_EN_PRONOUN = re.compile(
    r"\b(?:it|its|that|this|those|these|they|them|the same|such)\b(?!\s+(?:is|'s) (?:possible|there))",
    re.I,
)
_EN_OPENING = re.compile(r"^\W*(?:and|but|so|then|ok(?:ay)?|also)\b[, ]*", re.I)
_LEAST_TERMS = 0.9


def _weight(terms: tuple[Term, ...]) -> float:
    return sum(term.weight for term in terms)


def _last_question(history: Sequence[tuple[str, str]]) -> str:
    for role, text in reversed(history):
        if role in ("user", "customer") and text.strip():
            return text.strip()
    return ""


def standalone_question(
    question: str, history: Sequence[tuple[str, str]], language: str
) -> Standalone:
    """``question`` with what it leaves out taken from the customer's last question.

    ``history`` holds (role, text), oldest first; ``user`` (or ``customer``) marks the customer.
    A question that names its own subject is returned unchanged, whatever was said before.
    """
    text = question.strip()
    before = _last_question(history)
    if not text or not before or before == text:
        return Standalone(text, False)
    if language == "en":
        return _english(text, before)
    return _chinese(text, before)


def _chinese(text: str, before: str) -> Standalone:
    match = _ZH_ELLIPSIS.match(text)
    opening = _ZH_OPENING.match(text)
    if match and (match["topic"] and not _ZH_PRONOUN.fullmatch(match["topic"])):
        return _joined_chinese(match["topic"], text, before)
    rest = text[opening.end() :] if opening else text
    terms = terms_of(_ZH_PRONOUN.sub(" ", rest), "zh-hans")
    if _ZH_PRONOUN.search(rest) or _weight(terms) < _LEAST_TERMS:
        if topics_of(rest) and not _ZH_PRONOUN.search(rest):
            return Standalone(rest, False)
        subject = _subject(before, rest, "zh-hans")
        if subject:
            return Standalone(f"{subject} {_ZH_PRONOUN.sub('', rest)}".strip(), True)
    return Standalone(rest, False)


def _joined_chinese(topic: str, text: str, before: str) -> Standalone:
    """``那运费呢``, ``那香港呢``: a new topic, or a new circumstance of the topic before."""
    old_topics, new_topics = topics_of(before), topics_of(topic)
    if new_topics and not new_topics <= old_topics and "international" not in new_topics:
        # 那运费呢: the new topic is the question; the old one only colours it (退货的运费).
        kept = _subject(before, topic, "zh-hans")
        return Standalone(f"{kept} {topic}".strip() if kept else topic, bool(kept))
    asked = re.sub(r"[?？。!！]+$", "", before)
    return Standalone(f"{topic} {asked}？", True)


def _english(text: str, before: str) -> Standalone:
    match = _EN_ELLIPSIS.match(text)
    if match and not _EN_PRONOUN.fullmatch(match["topic"].strip()):
        topic = match["topic"].strip()
        old_topics, new_topics = topics_of(before), topics_of(topic)
        if new_topics and not new_topics <= old_topics:
            kept = _subject(before, topic, "en")
            return Standalone(f"{topic} {kept}".strip() + "?", bool(kept))
        asked = re.sub(r"[?.!\s]+$", "", before)
        return Standalone(f"{asked}, {topic}?", True)
    rest = _EN_OPENING.sub("", text) or text
    terms = terms_of(_EN_PRONOUN.sub(" ", rest), "en")
    lacks = _weight(terms) < _LEAST_TERMS and wanted_of(rest) is not Wanted.OTHER
    points_back = bool(_EN_PRONOUN.search(rest)) and not topics_of(rest)
    if (lacks and not topics_of(rest)) or points_back:
        subject = _subject(before, rest, "en")
        if subject:
            return Standalone(f"{rest.rstrip('?.! ')} ({subject})?", True)
    return Standalone(rest if rest != text and terms else text, False)


def _subject(before: str, now: str, language: str) -> str:
    """The content words of the last question that the new one does not have."""
    present = {t.key for t in terms_of(now, language)}
    kept = [t for t in terms_of(before, language) if t.key not in present and t.weight >= 0.4]
    if language == "en":
        words = re.findall(r"[A-Za-z][A-Za-z'-]*", before)
        keys = {t.key for t in kept}
        kept_words = [w for w in words if {t.key for t in terms_of(w, "en")} & keys]
        return " ".join(dict.fromkeys(kept_words))
    return " ".join(t.key for t in kept if len(t.key) > 1)
