"""Finds a tool's arguments in a customer's own words, by patterns; no model is asked.

A parameter's JSON schema may carry these keywords beside the standard ones:

- ``x-find``: RE2 patterns, tried in order; the first group, or else the whole match, is the value;
- ``x-alone``: an RE2 pattern that a whole message must match to be taken for the value after the
  customer was asked for it (left out: ``x-find`` decides there, too);
- ``x-ask``: what the customer is asked, by language, when the value is missing;
- ``x-label``: the parameter's name for customers, by language;
- ``x-recall``: whether a value that is missing may be one that the customer named before.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from inference.errors import RuleError
from inference.rules.matching import pattern_compile
from inference.text.normalisation import text_normalise

KEYWORDS = ("x-find", "x-alone", "x-ask", "x-label", "x-recall")
VALUE_MOST = 400
"""Most characters of a value that is taken from a message."""
_ANOTHER = re.compile(
    r"另外?一|另外的|别的|其他的?(?:订|单|那)|其它|上一[个单]|下一[个单]"
    r"|\b(?:another|other|others|different|else|second|previous)\b",
    re.IGNORECASE,
)


def parameters_of(schema: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The properties of a schema of parameters, in their order."""
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {str(name): part for name, part in properties.items() if isinstance(part, Mapping)}


def required_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The names that must be given, in the order of the properties."""
    required = schema.get("required")
    wanted = set(required) if isinstance(required, list) else set()
    return tuple(name for name in parameters_of(schema) if name in wanted)


def schema_for_model(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without our own keywords: what the model is told."""
    bare: dict[str, Any] = json.loads(json.dumps(dict(schema)))
    for part in parameters_of(bare).values():
        for keyword in KEYWORDS:
            part.pop(keyword, None)  # type: ignore[attr-defined]  # a dict of our own copy
    return bare


def finding_check(schema: Mapping[str, Any]) -> None:
    """Refuse keywords of ours that could not work.

    Raises:
        ValueError: which one and why.
    """
    for name, part in parameters_of(schema).items():
        patterns = part.get("x-find", [])
        if not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns):
            raise ValueError(f"x-find of {name} must be a list of patterns")
        alone = part.get("x-alone", "")
        if not isinstance(alone, str):
            raise ValueError(f"x-alone of {name} must be a pattern")
        for pattern in (*patterns, *([alone] if alone else [])):
            try:
                pattern_compile(pattern)
            except RuleError as error:
                raise ValueError(f"{name}: {error}") from error
        if not isinstance(part.get("x-recall", False), bool):
            raise ValueError(f"x-recall of {name} must be true or false")
        for keyword in ("x-ask", "x-label"):
            words = part.get(keyword, {})
            if not isinstance(words, Mapping) or not all(
                isinstance(text, str) for text in words.values()
            ):
                raise ValueError(f"{keyword} of {name} must map languages to texts")


def arguments_find(text: str, schema: Mapping[str, Any]) -> dict[str, str]:
    """The values that the patterns find in ``text``, by parameter."""
    found = {
        name: value_find(text, part.get("x-find", ()))
        for name, part in parameters_of(schema).items()
    }
    return {name: value for name, value in found.items() if value}


def value_find(text: str, patterns: Sequence[str]) -> str:
    """The first value that a pattern finds; empty if none does.

    Each pattern is tried on the text as typed and then with full-width forms folded, so that an
    address keeps its own commas and １２３ is still a number.
    """
    for pattern in patterns:
        for form in _forms(text):
            if match := pattern_compile(pattern).search(form):
                return _value(match)
    return ""


def value_alone(text: str, parameter: Mapping[str, Any]) -> str:
    """The value, if the whole message is nothing but it; empty if not.

    Without ``x-alone`` nothing is certain, so that nothing is taken.
    """
    pattern = parameter.get("x-alone", "")
    if not pattern:
        return ""
    for form in _forms(text.strip()):
        if match := pattern_compile(f"^(?:{pattern})$").search(form):
            return _value(match)
    return ""


def arguments_recall(text: str, before: Sequence[str], schema: Mapping[str, Any]) -> dict[str, str]:
    """The values that ``before``, the customer's earlier messages, name for ``x-recall`` parameters.

    Only where they name one and the same, and ``text`` does not speak of another: which of two
    orders is meant, the customer has to say.
    """
    if _ANOTHER.search(text):
        return {}
    recalled = {}
    for name, part in parameters_of(schema).items():
        if part.get("x-recall") is not True:
            continue
        named = {value_find(each, part.get("x-find", ())) for each in before}
        named |= {value_alone(each, part) for each in before}
        named.discard("")
        if len(named) == 1:
            recalled[name] = named.pop()
    return recalled


def is_in_words(value: object, texts: Sequence[str]) -> bool:
    """Whether a value of the model stands in the customer's own words; what it invented does not."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        wanted = text_normalise(str(value))
        return bool(wanted) and any(wanted in text_normalise(text) for text in texts)
    return False


def words_of_language(words: object, language: str) -> str:
    """The text for a language; another language's rather than none."""
    if not isinstance(words, Mapping):
        return ""
    own = words.get(language)
    return str(own) if own else next((str(text) for text in words.values() if text), "")


@lru_cache(maxsize=256)
def _forms(text: str) -> tuple[str, ...]:
    typed = text.encode("utf-8", "replace").decode("utf-8")
    folded = unicodedata.normalize("NFKC", typed)
    return (typed,) if typed == folded else (typed, folded)


def _value(match: Any) -> str:
    groups = match.groups()
    value = next((group for group in groups if group), None) if groups else match.group()
    return " ".join((value or "").split())[:VALUE_MOST]
