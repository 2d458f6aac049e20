"""What a question asks for: its content words, its topics and the kind of answer it wants."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from inference.support.asking import asking_of
from inference.support.quantities import quantities_of
from inference.support.terms import Term, stem, terms_of
from inference.support.vocabulary import TOPIC_KIN, TOPICS
from inference.text.normalisation import text_normalise


class Wanted(StrEnum):
    """The kind of answer that a question wants."""

    DURATION = "duration"
    DATE = "date"
    MONEY = "money"
    NUMBER = "number"
    PLACE = "place"
    PERSON = "person"
    PROCEDURE = "procedure"
    YES_NO = "yes_no"
    OTHER = "other"


_WANTED: tuple[tuple[Wanted, re.Pattern[str]], ...] = (
    (
        Wanted.MONEY,
        re.compile(
            r"多少钱|几块|什么价|多少元|贵不贵|how much (?:is|does|do|are|will|would)|what(?:'s| is) the (?:price|cost)|cost\b.*\?"
        ),
    ),
    (
        Wanted.DURATION,
        re.compile(
            r"多久|多长时间|几天|几个?小时|几个月|几年|多少天|多少个?小时|多少年|how long|how (?:many|soon|quickly|fast) (?:days|weeks|months|years|hours)?"
        ),
    ),
    (
        Wanted.DATE,
        re.compile(
            r"什么时候|何时|什么时间|哪一?[天年月日]|几[月号点]|几时|\bwhen\b|what (?:date|day|year|time)|which (?:year|month|day)|premiere date|release date"
        ),
    ),
    (
        Wanted.PROCEDURE,
        re.compile(
            r"怎么(?!样|这么|回事|没|还)|怎样|如何(?!评价)|步骤|流程|操作方法|\bhow (?:can|do|should|to|would)\b|steps? to|process for"
        ),
    ),
    (
        Wanted.NUMBER,
        re.compile(r"多少|几(?=[个位人次种家台辆名岁件])|人数|\bhow many\b|number of"),
    ),
    (Wanted.PLACE, re.compile(r"哪里|哪儿|在哪|什么地方|\bwhere\b")),
    (Wanted.PERSON, re.compile(r"谁|哪位|\bwho(?:se|m)?\b")),
    (
        Wanted.YES_NO,
        re.compile(
            r"吗|能不能|可不可以|是否|是不是|有没有|会不会|要不要|可以.*[??]|行不行|好不好"
            r"|^(?:hi[, ]+|hello[, ]+|so |and |but )*(?:can|could|do|does|did|is|are|was|were|will|would|may|has|have|should)\b"
        ),
    ),
)
# 能分几个月付吗 asks whether, not how many; "do I pay when I rent?" asks whether, not when. With
# "can you tell me" before it, the inner question counts.
_YES_NO = re.compile(
    r"吗[?？。!！\s]*$|^(?:can|could|do|does|did|is|are|was|were|will|would|may|has|have|should) (?:i|you|we|it|they|there|the|my|your|this|that)\b"
)
_INDIRECT = re.compile(
    r"知道|告诉|请问|问一下|说一下|查一下|多少钱|多久|多长时间|\b(?:tell|know|say|explain|how|what|which|where|who)\b"
)
_ASKING = re.compile(
    r"多少钱|多长时间|多久|多少|什么时候|几点|什么|怎么样|怎么|怎样|如何|哪里|哪些|哪个|是否|有没有|几(?=[个天年月位次])|能不能|可不可以"
    r"|请问|我想知道|告诉我|能否|吗|呢"
)


# What the circumstances of a question weigh beside what it asks; less than this is no question of
# its own ("how long does it take?").
_AROUND = 0.3
_LEAST_ASKED = 0.7
_POINTS_BACK = re.compile(r"\b(?:that|this)\b|这样|那样|这种情况", re.I)


@dataclass(frozen=True, slots=True)
class Question:
    """A question taken apart. ``topics`` are names in ``vocabulary.TOPICS``.

    ``asked`` are the content words of the part that asks; ``terms`` has these and, with less
    weight, those of the circumstances; ``main`` is the text of that part, empty
    when only all parts together ask. Of each of ``topic_groups`` a passage must have one topic.
    """

    text: str
    wanted: Wanted
    terms: tuple[Term, ...]
    topics: frozenset[str]
    asked: tuple[Term, ...] = ()
    main: str = ""
    topic_groups: frozenset[frozenset[str]] = frozenset()


@lru_cache(maxsize=1)
def _topic_words() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(topic, word, English stems); the stems of a phrase must all be near each other."""
    rows: list[tuple[str, str, tuple[str, ...]]] = []
    for topic, words in TOPICS.items():
        for word in words:
            if word.isascii():
                rows.append((topic, word, tuple(stem(w) for w in word.split("."))))
            else:
                rows.append((topic, word, ()))
    return tuple(rows)


def topics_of(text: str) -> frozenset[str]:
    """The shop topics that ``text`` names."""
    return frozenset[str]().union(*topic_groups(text))


# Asked again for each passage and each clause, about the same texts.
@lru_cache(maxsize=2048)
def topic_groups(text: str) -> frozenset[frozenset[str]]:
    """For each word of a topic in ``text`` the topics that it may stand for.

    退回 may ask for the goods' way back or for the money's: a passage on either will do.
    """
    plain = text_normalise(text)
    stems = [stem(w) for w in re.findall(r"[a-z][a-z'-]*", plain)]
    present = set(stems)
    found: dict[str, set[str]] = {}
    for topic, word, phrase in _topic_words():
        if not phrase:
            if word in plain:
                found.setdefault(word, set()).add(topic)
        elif all(part in present for part in phrase) and _near(stems, phrase):
            found.setdefault(word, set()).add(topic)
    if any(q.kind == "clock" for q in quantities_of(text)):
        found.setdefault(":", set()).add("hours")
    return frozenset(frozenset(topics) for topics in found.values())


def _near(stems: list[str], phrase: tuple[str, ...], window: int = 8) -> bool:
    if len(phrase) == 1:
        return True
    for start, word in enumerate(stems):
        if word in phrase and all(p in stems[start : start + window] for p in phrase):
            return True
    return False


def topics_missing(asked: frozenset[str] | frozenset[frozenset[str]], text: str) -> tuple[str, ...]:
    """Topics that are asked about and that ``text`` does not speak of.

    Of a group of topics (``topic_groups``) one is enough.
    """
    spoken = topics_of(text)
    groups = [frozenset({t}) if isinstance(t, str) else t for t in asked]
    return tuple(
        sorted(
            "/".join(sorted(group))
            for group in groups
            if not any(TOPIC_KIN.get(t, frozenset({t})) & spoken for t in group)
        )
    )


def wanted_of(text: str) -> Wanted:
    """The kind of answer that ``text`` wants."""
    plain = text_normalise(text)
    if _YES_NO.search(plain) and not _INDIRECT.search(plain):
        return Wanted.YES_NO
    for wanted, pattern in _WANTED:
        if pattern.search(plain):
            return wanted
    return Wanted.OTHER


@lru_cache(maxsize=512)
def question_of(text: str, language: str) -> Question:
    """Take a customer's question apart."""
    main = _asked_part(text, language)
    groups = topic_groups(main)
    if main == text and asking_of(text, language).around:
        # What it asks is told by all parts together: speaking of one of their topics will do.
        groups = frozenset({frozenset[str]().union(*groups)}) if groups else groups
    asked = _content(main, language)
    keys = {term.key for term in asked}
    around = tuple(
        replace(term, weight=_AROUND * term.weight, is_name=False)
        for term in (_content(text, language) if main != text else ())
        if term.key not in keys
    )
    return Question(
        text=text,
        wanted=wanted_of(main),
        terms=(*asked, *around),
        topics=topics_of(main),
        asked=asked,
        main="" if main == text and asking_of(text, language).around else main,
        topic_groups=groups,
    )


def _content(text: str, language: str) -> tuple[Term, ...]:
    return terms_of(_ASKING.sub(" ", text) if language != "en" else text, language)


def _asked_part(text: str, language: str) -> str:
    """The first part that asks and names what about; the whole text when none does."""
    asking = asking_of(text, language)
    for part in asking.asked:
        weight = sum(term.weight for term in _content(part, language))
        if (weight >= _LEAST_ASKED or topics_of(part)) and not _POINTS_BACK.search(part):
            return part
    return text
