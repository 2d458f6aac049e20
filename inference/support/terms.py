"""The content words of a text, with weights, and whether another text has them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from inference.support.identifiers import text_without_identifiers
from inference.support.quantities import quantity_text, text_without_quantities
from inference.support.vocabulary import (
    CHINESE_FUNCTION_WORDS,
    ENGLISH_FUNCTION_WORDS,
    GENERIC,
    SYNONYMS,
)
from inference.text.normalisation import text_normalise
from inference.text.segmentation import stem_of, words_of

_HAN = re.compile(r"[㐀-鿿]")
_LATIN = re.compile(r"[a-z][a-z0-9'’+.-]*", re.I)


_IRREGULAR = {
    **{"paid": "pay", "sent": "send", "bought": "buy", "sold": "sell", "given": "give"},
    **{"gave": "give", "made": "make", "kept": "keep", "lost": "lose", "won": "win"},
    **{"wore": "wear", "worn": "wear", "broken": "break", "broke": "break", "brought": "bring"},
    **{"held": "hold", "chosen": "choose", "chose": "choose", "written": "write"},
    **{"wrote": "write", "found": "find", "spent": "spend", "began": "begin", "begun": "begin"},
    **{"shown": "show", "people": "person", "children": "child", "women": "woman"},
    **{"men": "man", "left": "leave", "taken": "take", "took": "take"},
}


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """The stem by which two English words are compared: inflection and irregular forms taken off.

    ``payment`` and ``pay`` stay apart; the synonyms join them.
    """
    word = word.lower().replace("’", "'").strip("'.-")
    return stem_of(_IRREGULAR.get(word, word))


@dataclass(frozen=True, slots=True)
class Term:
    """A content word. ``key`` is compared; ``weight`` is how much it says (about 0.2 to 2)."""

    key: str
    weight: float
    is_name: bool = False


_GENERIC_KEYS = frozenset(stem(w) for w in GENERIC)
_SYNONYM_KEYS: dict[str, frozenset[str]] = {}
for _key, _group in SYNONYMS.items():
    _SYNONYM_KEYS[stem(_key)] = _SYNONYM_KEYS.get(stem(_key), frozenset()) | {
        stem(w) for w in _group
    }


def _weight(key: str) -> float:
    if key in _GENERIC_KEYS:
        return 0.3
    if _HAN.search(key):
        return {1: 0.4, 2: 1.0}.get(len(key), 1.5)
    return 0.7 if len(key) <= 3 else 1.0


def _names(plain: str, language: str) -> set[str]:
    """Latin words that look like names: any in Chinese text; inner capitals in English."""
    names: set[str] = set()
    for match in _LATIN.finditer(plain):
        word = match[0]
        if language != "en":
            if len(word) > 1:
                names.add(stem(word))
            continue
        before = plain[: match.start()].rstrip(" \"'“‘(*_")
        starts = not before or before[-1] in ".!?:;。！？：\n-•"
        capital = word[0].isupper() and not starts
        if (capital or word[1:].lower() != word[1:]) and word.lower() not in ENGLISH_FUNCTION_WORDS:
            names.add(stem(word))
    return names


# The same texts come back for every clause and question.
@lru_cache(maxsize=2048)
def terms_of(text: str, language: str) -> tuple[Term, ...]:
    """Content words of ``text`` in order, without numbers, identifiers and function words.

    The weight stands in for an inverse document frequency, which a handful of passages cannot give:
    generic words of trade weigh 0.3, single Chinese characters 0.4, longer words and names more.
    """
    plain = text_without_identifiers(quantity_text(text))
    plain = text_without_quantities(plain)
    names = _names(plain, language)
    found: dict[str, Term] = {}
    for word in words_of(text_normalise(plain)):
        word = word.strip()
        if not word or not (_HAN.search(word) or (word[0].isascii() and word[0].isalpha())):
            continue
        if _HAN.search(word):
            if word in CHINESE_FUNCTION_WORDS:
                continue
            key = word
        else:
            if word.replace("'", "").lower() in ENGLISH_FUNCTION_WORDS:
                continue
            key = stem(word)
            if len(key) < 2:
                continue
        is_name = key in names
        found.setdefault(key, Term(key, 1.6 if is_name else _weight(key), is_name))
    return tuple(found.values())


class TermSource:
    """A text that may hold terms: a passage, a sentence of it, the customer's words."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text_normalise(quantity_text(text))
        self.keys = frozenset(t.key for t in terms_of(text, language)) | frozenset(
            stem(w) for w in re.findall(r"[a-z][a-z'’-]*[a-z]", self.text)
        )
        self._joined = re.sub(r"\s+", "", self.text)

    def coverage(self, key: str) -> float:
        """1 when the word (or a synonym) is there, a part when most of a long one is, else 0."""
        if self.has(key):
            return 1.0
        for synonym in _SYNONYM_KEYS.get(key, ()):
            if self.has(synonym):
                return 1.0
        if _HAN.search(key) and len(key) >= 3:
            return self._partly(key)
        if not _HAN.search(key) and len(key) >= 5:
            # deliver / delivery, instal / installation: a common beginning of five letters
            head = key[: max(5, len(key) - 3)]
            if any(k.startswith(head) and abs(len(k) - len(key)) <= 5 for k in self.keys):
                return 0.8
        return 0.0

    def has(self, key: str) -> bool:
        """Whether the very word is there; Chinese words may be cut differently."""
        if _HAN.search(key):
            return key in self._joined
        return key in self.keys

    def _partly(self, key: str) -> float:
        """The longest run of a Chinese word's characters (two at least) that is there."""
        for length in range(len(key) - 1, 1, -1):
            for start in range(len(key) - length + 1):
                if key[start : start + length] in self._joined:
                    return length / len(key)
        return 0.0


def weighted_coverage(terms: Iterable[Term], source: TermSource) -> float:
    """Share of the terms' weight that the source holds, 0 to 1; 1 for no terms."""
    total = held = 0.0
    for term in terms:
        total += term.weight
        held += term.weight * source.coverage(term.key)
    return held / total if total else 1.0
