"""Whether two questions ask the same thing, told by their words.

Vectors alone cannot tell: "can I return it" and "can I not return it", or "within 7 days" and
"within 30 days", lie closer together than most rephrasings. So before an answer that was made for
one question is given to another one, their words have to agree in everything that an answer hangs
on.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from inference.support.identifiers import identifiers_of
from inference.support.polarity import antonyms_clash, is_negated
from inference.support.quantities import quantities_of
from inference.support.questions import Question, question_of, topics_of
from inference.support.relevance import specifics_missing
from inference.support.terms import Term, TermSource, terms_of
from inference.text.normalisation import text_normalise

# A word of less weight may be missing in the other question.
_WORD_WEIGHT: Final = 0.4
_SAME: Final = 0.5
_ORDERED: Final = re.compile(
    r"从|由|比|改成|换成|转到|\b(?:from|to|than|instead|into|before|after)\b"
)

_ASKING: Final = re.compile(
    r"为什么|怎么|怎样|如何|什么|哪|谁|几|多[久少大长高远]|\b(?:what|how|why|where|when|who|whose|whom|which)\b"
)

_CLOCK_WORDS: Final = re.compile(
    r"今[天晚早年]|现在|目前|明[天早晚年]|后天|昨[天晚]|刚才|刚刚|这[周月]|本[周月]|下[周个]|上[周个]|几点"
    r"|已经|还(?:没|未|在)|还有[几多]|营业|上班|下班|周[一二三四五六日末]|星期|节假?日|春节|国庆|双十一|活动"
    r"|\b(?:today|tonight|now|currently|tomorrow|yesterday|this (?:week|month|year|morning|evening)"
    r"|next (?:week|month|year)|last (?:week|month|year)|ago|yet|already|still|open(?:ing)?|closed?"
    r"|at the moment|right now|holidays?|weekends?|(?:mon|tues|wednes|thurs|fri|satur|sun)days?)\b",
    re.IGNORECASE,
)
_CLOCK_KINDS: Final = frozenset({"date", "clock", "weekday"})


def questions_same(one: str, other: str, language: str) -> bool:
    """Whether nothing in the words of two questions speaks against one answer for both.

    Numbers, order numbers, addresses and codes, denials, names, means of payment and groups of
    people, the subjects and the kind of answer that is wanted have to be equal, and each content
    word needs its like on the other side. This is half of the proof: what remains, such as who does
    what to whom, is for the vectors to tell.
    """
    if sorted(identifiers_of(one)) != sorted(identifiers_of(other)):
        return False
    if _quantities(one) != _quantities(other):
        return False
    if is_negated(one) != is_negated(other) or antonyms_clash(one, other):
        return False
    if bool(_ORDERED.search(one.lower())) != bool(_ORDERED.search(other.lower())):
        return False
    if _asking(one) != _asking(other):
        return False
    mine, theirs = question_of(one, language), question_of(other, language)
    if mine.wanted != theirs.wanted or topics_of(one) != topics_of(other):
        return False
    return _held(mine, other, language) and _held(theirs, one, language)


def is_clock_bound(question: str) -> bool:
    """Whether what a question asks may change with the time of day or the date."""
    return is_dated(question) or bool(_CLOCK_WORDS.search(question))


def is_dated(text: str) -> bool:
    """Whether ``text`` names a date, a day of the week or a time of day."""
    return any(quantity.kind in _CLOCK_KINDS for quantity in quantities_of(text))


def _asking(text: str) -> frozenset[str]:
    """The words that ask: "what is it" is not "how is it"."""
    return frozenset(_ASKING.findall(text_normalise(text)))


def _quantities(text: str) -> Counter[tuple[str, tuple[object, ...]]]:
    return Counter((quantity.kind, tuple(quantity.values)) for quantity in quantities_of(text))


def _held(question: Question, other: str, language: str) -> bool:
    """Whether every word that carries meaning, and every name, has its like in the other text."""
    source = TermSource(other, language)
    if specifics_missing(question, source):
        return False
    words: tuple[Term, ...] = terms_of(question.text, language)
    return all(
        source.has(term.key) if term.is_name else source.coverage(term.key) >= _SAME
        for term in words
        if term.is_name or term.weight >= _WORD_WEIGHT
    )
