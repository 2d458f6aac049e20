"""Does a passage speak of what a question asks about?

The measured failure behind it: asked for a warranty period, a small model reads ``7 days`` out of a
passage about returns. So three things are compared, all of them without a model: the topics (a
question about the warranty needs a passage that speaks of the warranty), the words (names first),
and the kind of answer (``how long`` needs a time in the passage).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from inference.support.asking import narrowing_words
from inference.support.passages import (
    WINDOW_CHARACTERS,
    ReadPassage,
    SupportPassage,
    sentences_of,
)
from inference.support.quantities import Quantity, quantities_of
from inference.support.questions import Question, Wanted, question_of, topics_missing
from inference.support.terms import TermSource, stem, terms_of, weighted_coverage
from inference.support.vocabulary import SPECIFICS

# Share of the question's word weight that a passage must hold.
COVERED = 0.5
# The same when the passage shares the question's shop topic: the rest are circumstances.
COVERED_BY_TOPIC = 0.33
# The same for a document without a title, which names its subject once and then says "it": whether
# the answer's own sentence speaks of the question is checked after generation (claims.py).
COVERED_BY_DOCUMENT = 0.35
# With a probability from retrieval, the share falls as the probability rises: embeddings know
# paraphrases that no word list has, and words know near misses that embeddings do not.
# Of slopes and heights tried on two shops of our own, those with few near misses let through.
_COVERED_BY_WORDS = 0.8
_COVERED_SLOPE = 3.0
# From here on the question is one that the shop itself has written for the entry.
CERTAIN = 0.99
# From these probabilities on an extract of a document is worth reading, and is sent as an answer
# (docs/evaluation.md).
EXTRACT_RELEVANT = 0.15
EXTRACT_LEAST = 0.45
# A word counts as there from this coverage on (a common beginning, most of a long word).
_SAME = 0.75
_TOPIC_WEIGHT = 1.5
_NUMBER_WEIGHT = 1.0
# A long passage is looked at through windows of neighbouring sentences.
WINDOW_SENTENCES = 3

_TIME_WORDS = re.compile(
    r"当天|当日|次日|隔天|即时|实时|立即|马上|随时|终身|长期|永久|immediately|same day|next day|instantly|at once|lifetime|today|tomorrow|right away|until|daily"
)
_MONEY_WORDS = re.compile(
    r"免费|包邮|免运费|免邮|不收|无需支付|到付|自理|承担|free|no charge|no cost|at no extra|included"
)
_PROCEDURE_WORDS = re.compile(
    r"点击|进入|选择|提交|填写|登录|打开|联系|拨打|申请|寄回|发送|首先|然后|步骤|第一步|扫码|下载|输入|在.{0,12}中|凭"
    r"|\b(?:click|go to|select|choose|open|log in|sign in|enter|submit|fill|contact|call|e-?mail|send|visit|tap|press|request|use|first|then|step|download|scan)\b"
)
# Kinds of answer without which a passage cannot answer; "who pays?" needs no name in it.
_NEEDED = frozenset({Wanted.DURATION, Wanted.DATE, Wanted.MONEY, Wanted.NUMBER})
_TIME_KINDS = frozenset({"second", "workday", "month"})
_MONEY_KINDS = frozenset({"CNY", "USD", "EUR", "GBP", "HKD", "JPY"})
_DATE_KINDS = frozenset({"date", "clock", "weekday"})
_PLACE_WORDS = re.compile(
    r"[省市区县镇州国路街号楼店馆城村湾岛]|在|http|\b(?:in|at|on|from|near|to)\b|官网|页面|首页|app"
)


_SPECIFIC_KEYS = tuple(sorted(stem(word) for word in SPECIFICS))
# 租来 is 租: what follows the verb changes nothing of what it is about.
_COMPLEMENT = re.compile(r"(?<=[\u3400-\u9fff])[来到好完掉过]$")
_ALL_PLACES = re.compile(
    r"abroad|overseas|international|other countries|mainland|worldwide|海外|国外|境外|全球|大陆"
)
_PLACE = re.compile(r"\b(?:to|in|from)\s+([A-Z][a-z]+)")


@dataclass(frozen=True, slots=True)
class Relevance:
    """``covers``: the passage speaks of what is asked; ``missing``: what it does not speak of.

    ``coverage`` is the share of the question's words found (0 to 1). ``gives`` tells whether the
    wanted kind of answer (a time, a price, a procedure) stands there.
    """

    covers: bool
    missing: tuple[str, ...]
    coverage: float
    gives: bool


def wanted_given(wanted: Wanted, text: str, language: str) -> bool:
    """Whether ``text`` holds the kind of answer that is wanted (a time, a price, a number ...)."""
    return _gives(wanted, text, quantities_of(text), language)


def _gives(wanted: Wanted, text: str, quantities: tuple[Quantity, ...], language: str) -> bool:
    kinds = {q.kind for q in quantities}
    low = text.lower()
    match wanted:
        case Wanted.DURATION:
            return bool(kinds & (_TIME_KINDS | _DATE_KINDS)) or bool(_TIME_WORDS.search(low))
        case Wanted.DATE:
            years = any(q.kind == "number" and 1000 <= q.values[0] <= 2999 for q in quantities)
            return (
                years or bool(kinds & (_DATE_KINDS | _TIME_KINDS)) or bool(_TIME_WORDS.search(low))
            )
        case Wanted.MONEY:
            return bool(kinds & (_MONEY_KINDS | {"percent", "discount", "number"})) or bool(
                _MONEY_WORDS.search(low)
            )
        case Wanted.NUMBER:
            return bool(quantities)
        case Wanted.PROCEDURE:
            return bool(_PROCEDURE_WORDS.search(low))
        case Wanted.PLACE:
            return bool(_PLACE_WORDS.search(low))
        case Wanted.PERSON:
            return language != "en" or bool(
                re.search(r"[a-z,] [\"“']?[A-Z][a-z]|^[A-Z]\w+ [A-Z]", text)
            )
        case _:
            return True


def _windows(text: str, language: str) -> list[str]:
    if len(text) <= WINDOW_CHARACTERS.get(language, 420):
        return [text]
    sentences = sentences_of(text)
    if len(sentences) <= WINDOW_SENTENCES:
        return [text]
    return [
        " ".join(sentences[i : i + WINDOW_SENTENCES])
        for i in range(len(sentences) - WINDOW_SENTENCES + 1)
    ]


def _least_covered(probability: float) -> float:
    return max(0.0, _COVERED_BY_WORDS - _COVERED_SLOPE * probability)


def subject_swapped(question: Question, passage: SupportPassage, language: str) -> tuple[str, ...]:
    """``Are there seats for dogs?`` against ``Are there seats for children?``.

    The words that narrow what the customer asks for and that the passage does not have, when the
    entry's question in turn has words that the customer did not say: each then asks about a thing
    of its own.
    """
    source = TermSource(f"{passage.title}\n{passage.answer}", language)
    customer = TermSource(question.text, language)
    mine = [
        t
        for t in question.asked
        if t.weight >= 0.7 and source.coverage(_COMPLEMENT.sub("", t.key)) < _SAME
    ]
    others = [
        t
        for t in terms_of(passage.question, language)
        if t.weight >= 0.4 and customer.coverage(t.key) < _SAME
    ]
    if not mine or not others:
        return ()
    shared = {t.key for t in question.asked if source.coverage(t.key) >= 0.5}
    narrowing = narrowing_words(question.main, language, shared)
    return tuple(t.key for t in mine if t.key in narrowing)


def specifics_missing(question: Question, source: TermSource) -> list[str]:
    """What is named of a closed class (a means of payment, a group of people) and is not there."""
    asked = TermSource(question.text, "en")
    return [key for key in _SPECIFIC_KEYS if asked.has(key) and source.coverage(key) < 0.5]


def window_relevance(
    question: Question, text: str, title: str, language: str, threshold: float = COVERED
) -> Relevance:
    """The relevance of one window of text under a title."""
    whole = f"{title}\n{text}" if title else text
    source = TermSource(whole, language)
    quantities = quantities_of(whole)
    missing = list(topics_missing(question.topic_groups, whole))
    missing += _names_missing(question, source, 0.5 if title else 1.0)
    missing += specifics_missing(question, source)
    if not title:
        threshold = min(threshold, COVERED_BY_DOCUMENT)
    numbers = _numbers_held(question, quantities)
    if numbers is None:
        missing.append("year")
    coverage = weighted_coverage(question.terms, source)
    weight = sum(t.weight for t in question.terms)
    if numbers:
        held = sum(numbers) * _NUMBER_WEIGHT
        coverage = (coverage * weight + held) / (weight + len(numbers) * _NUMBER_WEIGHT)
        weight += len(numbers) * _NUMBER_WEIGHT
    if question.topics and not missing:
        coverage = (coverage * weight + _TOPIC_WEIGHT) / (weight + _TOPIC_WEIGHT)
        threshold = min(threshold, COVERED_BY_TOPIC)
    if coverage < threshold:
        missing += [t.key for t in question.terms if source.coverage(t.key) == 0]
    gives = _gives(question.wanted, text, quantities, language)
    slot_needed = question.wanted in _NEEDED or (
        question.wanted in (Wanted.PERSON, Wanted.PLACE) and not question.topics
    )
    covers = not missing and coverage >= threshold and (gives or not slot_needed)
    if not gives and slot_needed:
        missing.append(str(question.wanted))
    return Relevance(covers, tuple(dict.fromkeys(missing)), coverage, gives)


def _names_missing(question: Question, source: TermSource, tolerance: float) -> list[str]:
    """The names that are not there, when they are ``tolerance`` of all names or more.

    "Can you send it to Canada?" is answered by what is said of all places abroad.
    """
    names = [t for t in question.terms if t.is_name]
    missing = [t.key for t in names if source.coverage(t.key) < 0.5]
    if missing and _ALL_PLACES.search(source.text):
        places = {stem(m[1]) for m in _PLACE.finditer(question.text)}
        missing = [key for key in missing if key not in places]
    return missing if missing and len(missing) >= tolerance * len(names) else []


def _year(quantity: Quantity) -> Fraction | None:
    if quantity.kind == "date":
        return quantity.values[0] or None
    plain = quantity.kind == "number" and len(quantity.values) == 1
    return quantity.values[0] if plain and 1900 <= quantity.values[0] <= 2099 else None


def _numbers_held(question: Question, quantities: tuple[Quantity, ...]) -> list[float] | None:
    """For each date or plain number of the question 1 or 0; None when the passage is of other years.

    Durations and prices are left out: "can I return after ten days" is answered by "seven days".
    """
    years = {year for q in quantities if (year := _year(q)) is not None}
    held: list[float] = []
    for asked in quantities_of(question.text):
        year = _year(asked)
        if year is not None:
            if years and year not in years:
                return None
            held.append(1.0 if year in years else 0.0)
        elif asked.kind in ("date", "number"):
            held.append(
                1.0 if any(asked.values == q.values or q.agrees(asked) for q in quantities) else 0.0
            )
    return held


def relevance(
    question: str, passage: SupportPassage, language: str, *, threshold: float = COVERED
) -> Relevance:
    """Whether ``passage`` speaks of what ``question`` asks about.

    A long passage covers the question when one window of three sentences (with the title) does.
    A question without any content word ("?") is covered by nothing.
    """
    asked = question_of(question, language)
    if passage.extract and passage.probability is not None:
        return _extract_relevance(asked, passage, passage.probability, language)
    if passage.probability is not None:
        threshold = _least_covered(passage.probability)
    if not asked.terms and not asked.topics:
        return Relevance(False, (), 0.0, False)
    results = [
        window_relevance(asked, text, passage.title, language, threshold)
        for text in _windows(passage.answer, language)
    ]
    if passage.probability is not None and passage.probability >= CERTAIN:
        gives = any(result.gives for result in results)
        return Relevance(True, (), 1.0, gives)
    best = max(results, key=lambda r: (r.covers, -len(r.missing), r.coverage))
    swapped: tuple[str, ...] = ()
    if best.covers and passage.probability is not None:
        swapped = subject_swapped(asked, passage, language)
    if swapped:
        return replace(best, covers=False, missing=swapped)
    return best


def _extract_relevance(
    asked: Question, passage: SupportPassage, probability: float, language: str
) -> Relevance:
    """An extract was chosen by words and meaning together; its probability decides."""
    coverage = weighted_coverage(asked.terms, TermSource(passage.extract, language))
    gives = wanted_given(asked.wanted, passage.extract, language)
    return Relevance(probability >= EXTRACT_RELEVANT, (), coverage, gives)


def passages_relevant(
    question: str, passages: tuple[ReadPassage, ...], language: str
) -> dict[str, Relevance]:
    """The relevance of each passage, by its id."""
    return {p.id: relevance(question, p.passage, language) for p in passages}
