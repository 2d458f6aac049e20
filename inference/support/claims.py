"""Whether one passage supports one claim: numbers with their subjects, names, words, negation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference.support.days import days_of
from inference.support.identifiers import identifier_known, identifiers_of, text_without_identifiers
from inference.support.passages import ReadPart, ReadPassage, parts_of
from inference.support.polarity import is_negated, plain_answer, polarity_flipped
from inference.support.procedure import is_step
from inference.support.quantities import Quantity, quantities_of
from inference.support.questions import Question, Wanted, topics_missing, topics_of
from inference.support.relevance import window_relevance
from inference.support.terms import Term, TermSource, terms_of, weighted_coverage
from inference.support.verdicts import Problem, ProblemCode
from inference.support.vocabulary import CHINESE_ATTRIBUTE_ENDINGS, GENERIC
from inference.text.normalisation import text_normalise

# Share of a claim's word weight that its passage must hold. The customer's words count half.
WORDS_COVERED = 0.6
STEP_COVERED = 0.75
# For "how do I" when the passage describes no procedure: only its own words will do.
OWN_WORDS_COVERED = 0.85
# Share of weight found neither in the passage nor in the customer's words.
WORDS_UNKNOWN = 0.34

# Share of the question's weight in the one sentence of a document that an answer rests on.
EVIDENCE_COVERED = 0.6
# The same in that sentence with its two neighbours.
EVIDENCE_AROUND = 0.8

# Shorter pieces of an entry may mean anything ("7 days").
_COPIED_LEAST = 12

_QUOTED = re.compile(r"[《「『“\"]([^》」』”\"]{2,40})[》」』”\"]")
_ADDRESSES_CUSTOMER = re.compile(r"您|你|\byou(?:r|'ve)?\b", re.I)


@dataclass(frozen=True, slots=True)
class ClaimContext:
    """What a claim is judged against, besides the passage."""

    question: Question
    customer: TermSource
    language: str
    gives_procedure: bool


_TIME_KINDS = frozenset({"second", "workday", "month"})


def text_bare(text: str) -> str:
    """A text's letters and digits alone, for comparing copies."""
    return "".join(character for character in text_normalise(text) if character.isalnum())


def _comparable(one: Quantity, other: Quantity) -> bool:
    return one.kind == other.kind or {one.kind, other.kind} <= _TIME_KINDS


def _is_attribute(term: Term) -> bool:
    return (
        len(term.key) >= 2
        and term.key not in GENERIC
        and term.key.endswith(CHINESE_ATTRIBUTE_ENDINGS)
    )


def _weight_in(terms: Sequence[Term], source: TermSource) -> float:
    return sum(t.weight * source.coverage(t.key) for t in terms)


class Claim:
    """A claim of an answer, taken apart once and judged against passages."""

    def __init__(self, text: str, context: ClaimContext) -> None:
        self.text = text
        self.context = context
        self.terms = terms_of(text, context.language)
        self.quantities = quantities_of(text_without_identifiers(text))
        self.days = days_of(text)
        self.parts = parts_of(text) or [text]

    def problems(self, passage: ReadPassage) -> Iterator[Problem]:
        """Why ``passage`` does not support the claim; nothing when it does."""
        if self._is_copied(passage):
            return
        yield from self._identifiers(passage)
        yield from self._numbers(passage)
        yield from self._days(passage)
        yield from self._names(passage)
        yield from self._words(passage)
        yield from self._asked_for(passage)
        yield from self._evidence(passage)
        yield from self._negations(passage)

    def _is_copied(self, passage: ReadPassage) -> bool:
        """A curated entry's own words; a bare yes only where the shop's answer begins with it."""
        said, answer = text_bare(self.text), passage.passage.answer
        if not said or not passage.passage.is_curated(self.context.language):
            return False
        if len(said) < _COPIED_LEAST:
            return plain_answer(self.text) is not None and text_bare(answer).startswith(said)
        # Whole parts only: "ship to Brazil" is no copy of "we do not ship to Brazil".
        parts = [text_bare(part) for part in parts_of(answer)]
        return any(
            said == "".join(parts[first:last])
            for first in range(len(parts))
            for last in range(first + 1, len(parts) + 1)
        )

    def _identifiers(self, passage: ReadPassage) -> Iterator[Problem]:
        known = f"{passage.passage.text}\n{self.context.customer.text}"
        for key in identifiers_of(self.text):
            if not identifier_known(key, known):
                yield Problem(ProblemCode.IDENTIFIER, key)

    def _numbers(self, passage: ReadPassage) -> Iterator[Problem]:
        previous: tuple[Term, ...] = ()
        for part in self.parts:
            terms = terms_of(part, self.context.language)
            for quantity in quantities_of(text_without_identifiers(part)):
                if self._is_list_number(part, quantity) or self._customers_own(part, quantity):
                    continue
                subject = terms or previous or self.context.question.terms
                problem = self._number(part, quantity, subject, passage)
                if problem is not None:
                    yield problem
            previous = terms or previous

    def _days(self, passage: ReadPassage) -> Iterator[Problem]:
        for day in sorted(self.days - days_of(passage.passage.text)):
            yield Problem(ProblemCode.WORDS, day)

    @staticmethod
    def _is_list_number(part: str, quantity: Quantity) -> bool:
        return quantity.start == 0 and bool(re.match(r"\s*\d{1,2}\s*[.、)）]", part))

    def _number(
        self, part: str, quantity: Quantity, subject: tuple[Term, ...], passage: ReadPassage
    ) -> Problem | None:
        holders = [
            (sentence, piece)
            for sentence in passage.sentences
            for piece in sentence.parts
            if any(quantity.agrees(q) for q in piece.quantities)
        ]
        if not holders and any(quantity.agrees(q) for q in passage.quantities):
            holders = [
                (s, s) for s in passage.sentences if any(quantity.agrees(q) for q in s.quantities)
            ]
        if not holders:
            return Problem(ProblemCode.NUMBER, quantity.text)
        if subject is self.context.question.terms and not passage.passage.is_curated(
            self.context.language
        ):
            return None  # a bare number from a document: see _evidence
        for sentence, piece in holders:
            if self._subject_fits(part, quantity, subject, sentence, piece, passage):
                return None
        return Problem(ProblemCode.SUBJECT, f"{quantity.text} ({part.strip()})")

    def _customers_own(self, part: str, quantity: Quantity) -> bool:
        """The customer's own number, said back to them: "您购买了10天"; a year or a model number.

        A passage about another year does not cover the question, so an echoed year is harmless;
        an echoed period or price would be a claim.
        """
        echoed = any(quantity.agrees(q) for q in quantities_of(self.context.question.text))
        plain = quantity.kind in ("date", "number")
        return echoed and (plain or bool(_ADDRESSES_CUSTOMER.search(part)))

    def _subject_fits(
        self,
        part: str,
        quantity: Quantity,
        subject: tuple[Term, ...],
        sentence: ReadPart,
        piece: ReadPart,
        passage: ReadPassage,
    ) -> bool:
        context = TermSource(f"{passage.passage.question}\n{sentence.text}", self.context.language)
        attributes = [t for t in subject if _is_attribute(t)]
        if any(context.coverage(t.key) < 0.5 for t in attributes):
            return False
        said = topics_of(part) or (self.context.question.topics if not subject else frozenset())
        if topics_missing(said, context.text):
            return False
        if self._subject_replaced(subject, piece, context):
            return False
        total = sum(t.weight for t in subject)
        customer = self.context.customer
        held = sum(
            t.weight * max(context.coverage(t.key), 0.5 * customer.coverage(t.key)) for t in subject
        )
        if total and held / total < 0.5:
            return False
        return not self._other_number_fits_better(quantity, subject, piece, passage)

    def _subject_replaced(
        self, subject: tuple[Term, ...], piece: ReadPart, context: TermSource
    ) -> bool:
        """``Sofas have a two-year warranty`` from ``Lamps have a two-year warranty``.

        The answer has a noun that the passage does not have (the customer's), and the passage's own
        part begins with one that the answer does not have.
        """
        if not any(t.weight >= 0.7 and context.coverage(t.key) < 0.5 for t in subject):
            return False
        claim = TermSource(self.text, self.context.language)
        theirs = terms_of(piece.text, self.context.language)[:1]
        return any(t.weight >= 0.7 and claim.coverage(t.key) < 0.5 for t in theirs)

    def _other_number_fits_better(
        self,
        quantity: Quantity,
        subject: tuple[Term, ...],
        piece: ReadPart,
        passage: ReadPassage,
    ) -> bool:
        """Whether the subject stands with another number of the same kind in the passage."""
        own = _weight_in(subject, piece.source)
        for sentence in passage.sentences:
            for other in sentence.parts:
                if other is piece or any(quantity.agrees(q) for q in other.quantities):
                    continue
                if not any(_comparable(q, quantity) for q in other.quantities):
                    continue
                if _weight_in(subject, other.source) > own + 0.45:
                    return True
        return False

    def _names(self, passage: ReadPassage) -> Iterator[Problem]:
        for term in self.terms:
            if term.is_name and not (
                passage.source.coverage(term.key) >= 0.8
                or self.context.customer.coverage(term.key) >= 0.8
            ):
                yield Problem(ProblemCode.NAME, term.key)
        whole = passage.source.text + self.context.customer.text
        for match in _QUOTED.finditer(self.text):
            if match[1].lower().strip() not in whole and self._unknown(
                terms_of(match[1], self.context.language), passage
            ):
                yield Problem(ProblemCode.NAME, match[1])

    def _unknown(self, terms: Sequence[Term], passage: ReadPassage) -> list[Term]:
        return [
            t
            for t in terms
            if passage.source.coverage(t.key) < 0.5 and self.context.customer.coverage(t.key) < 0.5
        ]

    def _words(self, passage: ReadPassage) -> Iterator[Problem]:
        if not self.terms:
            return
        total = sum(t.weight for t in self.terms)
        customer = self.context.customer
        held = sum(
            t.weight * max(passage.source.coverage(t.key), 0.5 * customer.coverage(t.key))
            for t in self.terms
        )
        unknown = self._unknown(self.terms, passage)
        share_unknown = sum(t.weight for t in unknown) / total
        step = is_step(self.text)
        least = WORDS_COVERED
        if step:
            least = STEP_COVERED
        if self.context.question.wanted is Wanted.PROCEDURE and not self.context.gives_procedure:
            least = OWN_WORDS_COVERED
        if held / total < least or share_unknown > (1 - least if step else WORDS_UNKNOWN):
            detail = " ".join(t.key for t in unknown or self.terms)
            yield Problem(ProblemCode.STEP if step else ProblemCode.WORDS, detail)
        elif missing := topics_missing(topics_of(self.text), passage.passage.text):
            yield Problem(ProblemCode.WORDS, ", ".join(missing))

    def _asked_for(self, passage: ReadPassage) -> Iterator[Problem]:
        """``Do you accept bitcoin?`` is not answered by a passage that never says bitcoin.

        A claim may not affirm (or deny) what only the customer said; a plain yes or no affirms all
        of the question. To other questions this goes for claims that say nothing else: "delivery
        is free" because the customer wrote so.
        """
        if self.context.question.wanted is not Wanted.YES_NO and not self._only_repeats():
            return
        plain = plain_answer(self.text) is not None and all(t.weight < 0.5 for t in self.terms)
        for term in self.context.question.terms if plain else self.terms:
            in_passage = passage.source.coverage(term.key) >= 0.5
            if term.weight >= 1 and not in_passage and self.context.customer.has(term.key):
                yield Problem(ProblemCode.WORDS, term.key)

    def _only_repeats(self) -> bool:
        """Whether the customer said all of it."""
        customer = self.context.customer
        return all(customer.coverage(term.key) >= 0.5 for term in self.terms) and all(
            quantity.text in customer.text for quantity in self.quantities
        )

    def _evidence(self, passage: ReadPassage) -> Iterator[Problem]:
        """In a document, the sentence that holds what is new must speak of the question."""
        context = self.context
        if passage.passage.is_curated(context.language):
            return
        asked = TermSource(context.question.text, context.language)
        new = [t for t in self.terms if not asked.has(t.key)]
        numbers = [q for q in self.quantities if q.text not in asked.text]
        sentences = passage.sentences
        for place, sentence in enumerate(sentences):
            if new and weighted_coverage(new, sentence.source) < WORDS_COVERED:
                continue
            if not all(any(n.agrees(q) for q in sentence.quantities) for n in numbers):
                continue
            around = " ".join(s.text for s in sentences[max(0, place - 1) : place + 2])
            if (
                self._covers_question(sentence.text, passage) >= EVIDENCE_COVERED
                or self._covers_question(around, passage) >= EVIDENCE_AROUND
            ):
                return
        yield Problem(ProblemCode.SUBJECT, self.text.strip())

    def _covers_question(self, text: str, passage: ReadPassage) -> float:
        context = self.context
        title = passage.passage.question
        return window_relevance(context.question, text, title, context.language).coverage

    def _negations(self, passage: ReadPassage) -> Iterator[Problem]:
        pieces = tuple(p for s in passage.sentences for p in s.parts if p.text)
        for part in self.parts:
            if plain_answer(part) is not None and not terms_of(part, self.context.language):
                continue
            if polarity_flipped(part, pieces, self.context.language):
                yield Problem(ProblemCode.NEGATION, part.strip())
        yield from self._plain_answer(passage, pieces)

    def _plain_answer(
        self, passage: ReadPassage, pieces: tuple[ReadPart, ...]
    ) -> Iterator[Problem]:
        question = self.context.question
        if question.wanted is not Wanted.YES_NO:
            return
        said = plain_answer(self.text)
        if said is None and all(
            any(t.key == q.key or t.key in q.key for q in question.terms) for t in self.terms
        ):
            said = not is_negated(self.text)
        if said is None:
            return
        for asked in quantities_of(question.text):
            if not any(asked.agrees(q) or q.agrees(asked) for q in passage.quantities):
                # Whether ten days fall within seven is arithmetic, which is not checked here.
                yield Problem(ProblemCode.NUMBER, f"{asked.text}?")
                return
        stated = re.sub(
            r"[吗??]|是否|能不能|可不可以|^(?:can|do|does|is|are) ", "", question.text, flags=re.I
        )
        positive = polarity_flipped(stated, pieces, self.context.language)
        if positive is said:
            yield Problem(ProblemCode.NEGATION, self.text.strip())
