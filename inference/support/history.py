"""Understands a follow-up question from what was said before, without a model.

``支持分期付款吗?`` after ``有哪些支付方式?`` stands for itself; ``那运费呢`` does not, and is read
together with the question before it. The two texts are simply joined, the new one first: on the
development dialogues of ``tests/answers/dialogues.toml`` the encoder found the right entry for 29 of
32 questions put that way, for 15 as they stand and for 22 with the missing words picked out of the
last question. Joined where nothing is missing, it found 4 of 12 instead of 11: so what matters is
to tell which need it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from inference.support.questions import topics_of
from inference.support.terms import TermSource, terms_of
from inference.text.normalisation import text_normalise


@dataclass(frozen=True, slots=True)
class Standalone:
    """A question that can be understood alone.

    ``text`` is the reading to try first; ``used_history`` when it holds more than was asked.
    ``other`` is the second reading, if there are two; with ``is_open`` neither is preferred, and
    what the knowledge is surer of decides.
    """

    text: str
    used_history: bool
    other: str = ""
    is_open: bool = False


_ZH_ELLIPSIS = re.compile(
    r"^(?:那么?|然后|还有|另外|如果是?|要是|换成|换做)?[,，\s]*(?P<topic>.{1,14}?)(?:呢|怎么样|也行吗|也可以吗|也是吗)[?？。!！\s]*$"
)
_ZH_OPENING = re.compile(r"^(?:那么?|然后|所以|可是|但是|而且|还有|另外)[,，\s]*")
_ZH_PRONOUN = re.compile(
    r"它们?|这个|那个|这些|那些|这种|那种|这款|那款|该(?:商品|产品|服务)|上面(?:说的)?|刚才(?:说的)?|前面(?:说的)?"
)
_EN_ELLIPSIS = re.compile(
    r"^\W*(?:and |but |so |ok(?:ay)?,? )*(?:what about|how about|what if|(?:and )?(?:for|to|in|with)|and(?: for)?|or|what of)\s+(?P<topic>.{1,60}?)[?.!\s]*$",
    re.I,
)
_EN_ASKS = re.compile(
    r"^(?:what|how|when|where|which|who|why|can|could|do|does|did|is|are|was|were|will|would|may|has|have|should)\b",
    re.I,
)
_EN_PRONOUN = re.compile(
    r"\b(?:it|its|that|this|those|these|they|them|the same|such|one)\b(?!\s+(?:is|'s) (?:possible|there))",
    re.I,
)
_EN_OPENING = re.compile(r"^\W*(?:and|but|so|then|ok(?:ay)?|also)\b[, ]*", re.I)
_EN_SHOP = re.compile(r"\b(?:you|your|i|my)\b", re.I)
_SHORT_WORDS = 3
_SHORT_CHARACTERS = 5
# Less weight of content words than this names no subject.
_LEAST_TERMS = 0.9

_CHOICE = re.compile(
    r"^\W*(?:(?:选|选择|number|no\.?|option|the)\s*)?(?:(?P<digit>[1-9])|第(?P<zh>[一二三])(?:个|条)?|(?P<en>first|second|third))(?:\s*(?:one|个|条))?\W*$",
    re.I,
)
_CHOICE_NUMBERS = {"一": 1, "二": 2, "三": 3, "first": 1, "second": 2, "third": 3}
# What asks is a question of its own, even if its words stand in a title that was offered.
_ASKS = re.compile(
    r"[?？吗呢么]|怎|如何|多少|多久|几|谁|哪|什么|是否|能不能"
    r"|\b(?:what|how|when|where|which|who|why|can|could|do|does|did|is|are|will|would|may)\b",
    re.I,
)
_NAMED_MOST = 40
_NAMED_WEIGHT = 0.3
_OFFERED = re.compile(r"^(?P<number>[1-9])[.、)]\s*(?P<title>.+?)\s*$", re.M)


def _last(history: Sequence[tuple[str, str]], roles: tuple[str, ...]) -> str:
    for role, text in reversed(history):
        if role in roles and text.strip():
            return text.strip()
    return ""


def standalone_question(
    question: str,
    history: Sequence[tuple[str, str]],
    language: str,
    *,
    offered: Sequence[str] = (),
) -> Standalone:
    """``question`` as it is, or together with the customer's last one if it leaves something out.

    ``history`` holds (role, text), oldest first; ``user`` (or ``customer``) marks the customer.
    ``offered`` are titles that the last answer let choose from: their number, or words that stand in
    one of them alone, stand for the title. Without them a number stands for what the last answer
    has behind it.
    """
    text = question.strip()
    title = _title_chosen(text, _last(history, ("assistant",)), offered, language)
    if title:
        return Standalone(title, True)
    before = _last(history, ("user", "customer"))
    if not text or not before or before == text:
        return Standalone(text, False)
    rest = _rest(text, language)
    joined = f"{text} {before}" if language == "en" else f"{_ended(text)}{before}"
    if _names_nothing(text, rest, language):
        return Standalone(joined, True, other=rest)
    pronoun = _EN_PRONOUN if language == "en" else _ZH_PRONOUN
    if pronoun.search(rest) or _is_short(rest, language):
        return Standalone(rest, False, other=joined, is_open=True)
    return Standalone(rest, False)


def _title_chosen(text: str, answer: str, offered: Sequence[str], language: str) -> str:
    """The title that ``text`` chooses: by its number, or of offered ones by words of it too."""
    if not offered and not answer:
        return ""
    titles = dict(enumerate(offered, start=1)) or {
        int(m["number"]): m["title"] for m in _OFFERED.finditer(answer)
    }
    chosen = _CHOICE.match(text)
    if chosen:
        word = chosen["digit"] or chosen["zh"] or chosen["en"].lower()
        number = _CHOICE_NUMBERS.get(word) or int(word)
        return titles.get(number, "")
    said = _bare(text)
    if said and (same := [title for title in offered if said == _bare(title)]):
        return same[0]
    return _title_named(text, offered, language)


def _title_named(text: str, titles: Sequence[str], language: str) -> str:
    """The only title that has every word of ``text``; a question of its own chooses none."""
    if _ASKS.search(text) or len(text) > _NAMED_MOST:
        return ""
    words = [term.key for term in terms_of(text, language) if term.weight >= _NAMED_WEIGHT]
    if not words:
        return ""
    sources = [(title, TermSource(title, language)) for title in titles]
    named = [
        title for title, source in sources if all(source.coverage(key) >= 0.8 for key in words)
    ]
    return named[0] if len(named) == 1 else ""


def _bare(text: str) -> str:
    return re.sub(r"\W+", "", text_normalise(text))


def _rest(text: str, language: str) -> str:
    """The question without the word that ties it to what was said ("And", 那)."""
    opening = (_EN_OPENING if language == "en" else _ZH_OPENING).match(text)
    rest = text[opening.end() :] if opening else text
    return rest if terms_of(rest, language) else text


def _is_short(text: str, language: str) -> bool:
    """Too short to tell ("From which amount?"); who speaks of the shop begins something new."""
    if language == "en":
        return len(text.split()) <= _SHORT_WORDS and not _EN_SHOP.search(text)
    return len(re.findall(r"\w", text)) <= _SHORT_CHARACTERS and "你" not in text


def _ended(text: str) -> str:
    return text if text[-1] in "?？。.!！" else f"{text}？"


def _names_nothing(text: str, rest: str, language: str) -> bool:
    """Whether a question names no subject of its own: an ellipsis, or no word of weight."""
    if language == "en":
        ellipsis = _EN_ELLIPSIS.match(text)
        if ellipsis and not _EN_ASKS.match(ellipsis["topic"]):
            return True
        pronoun, plain = _EN_PRONOUN, rest
    else:
        if _ZH_ELLIPSIS.match(text):
            return True
        pronoun, plain = _ZH_PRONOUN, rest
    bare = pronoun.sub(" ", plain)
    weight = sum(term.weight for term in terms_of(bare, language))
    if pronoun.search(plain):
        return not topics_of(plain) or weight < _LEAST_TERMS
    return weight < _LEAST_TERMS and not topics_of(plain)
