"""Sentences that are stored and read later, by people of another language.

A notice is the sentence in the language of whoever acted, and remembers the msgid and the values
that it was made of; stored so, it is told again in the reader's language. Words that a person wrote
are no notice: they stay as they are.

Modules import ``notice as _`` and ``notice_plural as ngettext``: the names that ``makemessages``
collects msgids by.
"""

from __future__ import annotations

from typing import Any, Final, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import get_language, gettext, ngettext, override

Value = str | int | float
StoredNotice = dict[str, Any]
"""JSON: ``text`` (the msgid), ``values``, and for one that counts ``plural`` (a msgid); a value that
is a notice itself is stored alike. What a check of Django's said has ``languages`` instead: the
sentence in each of the desk's."""

COUNT: Final = "count"


class Notice(str):
    """A sentence with what it was made of."""

    text: str
    plural: str
    values: dict[str, Value]

    __slots__ = ("plural", "text", "values")

    def __new__(cls, text: str, values: dict[str, Value], plural: str = "") -> Self:
        made = super().__new__(cls, _words(text, plural, values))
        made.text, made.plural, made.values = text, plural, values
        return made

    def __getnewargs__(self) -> tuple[str, dict[str, Value], str]:  # type: ignore[override]
        """What a copy is made of."""
        return self.text, self.values, self.plural


class CheckNotice(str):
    """What a check said. Its words may be a library's own, so it remembers them in each language."""

    languages: dict[str, str]

    __slots__ = ("languages",)

    def __new__(cls, languages: dict[str, str]) -> Self:
        made = super().__new__(cls, _in_language(languages))
        made.languages = languages
        return made

    def __getnewargs__(self) -> tuple[dict[str, str]]:  # type: ignore[override]
        """What a copy is made of."""
        return (self.languages,)


def notice(text: str, /, **values: Value) -> Notice:
    """The sentence of a msgid, with its values."""
    return Notice(text, values)


def notice_plural(text: str, plural: str, count: int, /, **values: Value) -> Notice:
    """The sentence for ``count`` things; both msgids may name ``%(count)d``."""
    return Notice(text, {**values, COUNT: count}, plural)


def notice_of_error(error: ValidationError) -> CheckNotice:
    """All that a check found wrong, to be stored as a notice is."""
    fields = error.error_dict if hasattr(error, "error_dict") else {"": error.error_list}
    leaves = [leaf for errors in fields.values() for leaf in errors]
    languages = {}
    for language, _name in settings.LANGUAGES:
        with override(language):
            languages[language] = " ".join(map(_leaf_words, leaves))
    return CheckNotice(languages)


def notice_stored(text: str) -> StoredNotice | None:
    """What of a sentence is stored, or ``None`` for words that are no notice."""
    if isinstance(text, CheckNotice):
        return {"languages": text.languages}
    if not isinstance(text, Notice):
        return None
    values = {
        name: notice_stored(value) if isinstance(value, Notice) else value
        for name, value in text.values.items()
    }
    stored: StoredNotice = {"text": text.text, "values": values}
    return {**stored, "plural": text.plural} if text.plural else stored


def notice_words(stored: StoredNotice | str | None, otherwise: str = "") -> str:
    """A stored notice in the reader's language; ``otherwise`` where none is stored."""
    if not isinstance(stored, dict):
        return stored or otherwise
    if "languages" in stored:
        return _in_language(stored["languages"])
    values = {
        name: notice_words(value) if isinstance(value, dict) else value
        for name, value in stored["values"].items()
    }
    return _words(stored["text"], stored.get("plural", ""), values)


def _leaf_words(leaf: ValidationError) -> str:
    if isinstance(leaf.message, Notice):  # str() of it would stay in the language of whoever acted
        return notice_words(notice_stored(leaf.message))
    return str(leaf.message % leaf.params if leaf.params else leaf.message)


def _in_language(languages: dict[str, str]) -> str:
    return languages.get(get_language() or "") or languages[settings.LANGUAGE_CODE]


def _words(text: str, plural: str, values: dict[str, Any]) -> str:
    words = ngettext(text, plural, values[COUNT]) if plural else gettext(text)
    return words % values if values else words
