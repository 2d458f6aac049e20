"""A passage as the support check sees it: whole, and cut into sentences and clauses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from inference.support.quantities import Quantity, quantities_of
from inference.support.terms import TermSource

_SENTENCE_END = re.compile(
    r"(?<=[。！？!?；;\n])|(?<=\.)(?=\s+[A-Z0-9\"'“(])|(?<=\.)$|\s\.\.\.\s|(?<=…)"
)
_CLAUSE_END = re.compile(
    r"(?<=[，,：:、；;。！？!?\n])(?!\d)(?!\s*\d{4}\b)|\s(?:but|while|whereas|however|unless|except)\s|(?=但是?|不过|除非|否则)"
)

# A text longer than this is looked at sentence by sentence.
WINDOW_CHARACTERS = {"zh-hans": 160, "en": 420}


def sentences_of(text: str) -> list[str]:
    """Sentences of a passage, without empty ones."""
    return [piece.strip() for piece in _SENTENCE_END.split(text) if piece and piece.strip()]


def parts_of(text: str) -> list[str]:
    """The comma-level pieces of a text, where one number and its subject stand together."""
    return [piece.strip() for piece in _CLAUSE_END.split(text) if piece and piece.strip()]


@dataclass(frozen=True, slots=True)
class SupportPassage:
    """What an answer may rest on. ``question`` is the entry's question or a title; may be empty.

    ``probability`` is the retrieval's, calibrated, that the passage answers the customer's
    question; None when nothing but words can tell. ``about`` are the entry's other phrasings and
    its keywords: they tell what it is about, and support no claim. ``extract`` are the sentences
    of a document that are nearest to the question (``extracts.py``); ``probability`` is then that
    they answer it.
    """

    id: str
    question: str
    answer: str
    probability: float | None = None
    about: str = ""
    extract: str = ""

    def is_curated(self, language: str) -> bool:
        """An entry with a question and a short answer, read as one piece; else a document."""
        return bool(self.question) and len(self.answer) <= WINDOW_CHARACTERS.get(language, 420)

    @property
    def title(self) -> str:
        """All that tells what the passage is about, besides its text."""
        return f"{self.question}\n{self.about}" if self.about else self.question

    @property
    def text(self) -> str:
        """Question and text together."""
        return f"{self.question}\n{self.answer}" if self.question else self.answer


class ReadPassage:
    """A passage with its words and quantities, read once."""

    def __init__(self, passage: SupportPassage, language: str) -> None:
        self.id = passage.id
        self.passage = passage
        self.language = language
        self.source = TermSource(passage.text, language)
        self.title = TermSource(passage.question, language)

    @cached_property
    def sentences(self) -> tuple[ReadPart, ...]:
        """The title (if any) and the sentences of the answer."""
        texts = sentences_of(self.passage.answer)
        if self.passage.question:
            texts = [self.passage.question, *texts]
        return tuple(ReadPart(t, self.language) for t in texts)

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """Every quantity of title and text."""
        return quantities_of(self.passage.text)


class ReadPart:
    """A sentence (or a comma-level part of one) with its words and quantities."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text
        self.language = language

    @cached_property
    def source(self) -> TermSource:
        """Its words."""
        return TermSource(self.text, self.language)

    @cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """Its quantities."""
        return quantities_of(self.text)

    @cached_property
    def parts(self) -> tuple[ReadPart, ...]:
        """Its comma-level parts."""
        return tuple(ReadPart(t, self.language) for t in parts_of(self.text))
