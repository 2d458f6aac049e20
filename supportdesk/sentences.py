"""Sentences for the person at the terminal, in the terminal's own language.

``serve`` speaks before any app is loaded, and Django translates only after that. So this reads the
same catalogue by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from gettext import NullTranslations, translation

from django.conf import settings
from django.utils.translation import to_locale

from inference.errors import InferenceError
from inference.weights.progress import ProgressLine


def gettext(message: str) -> str:
    """The sentence in the language of the terminal (``terminal_language``)."""
    return _catalogue(terminal_language()).gettext(message)


def terminal_language() -> str:
    """``zh-hans`` where the terminal's locale is Chinese, else ``en``.

    The first of ``LC_ALL``, ``LC_MESSAGES`` and ``LANG`` that is set decides, as POSIX has it
    (XBD 8.2). The staff pages' ``LANGUAGE_CODE`` is for other people.
    """
    named = (os.environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    locale = next((each for each in named if each), "")
    return "zh-hans" if locale.lower().startswith("zh") else "en"


def error_text(error: InferenceError) -> str:
    """The error's sentence in that language, with its places filled."""
    sentence = gettext(error.message) if error.message else str(error)
    return sentence % _told(error.params) if error.params else sentence


def line_text(line: str) -> str:
    """A line of progress in that language; one that cannot be translated as it is."""
    if not isinstance(line, ProgressLine):
        return line
    return gettext(line.message) % _told(line.params)


def _told(params: Mapping[str, object]) -> dict[str, object]:
    """What fills the places; an error among them is told in that language, too."""
    return {
        name: error_text(value) if isinstance(value, InferenceError) else value
        for name, value in params.items()
    }


@cache
def _catalogue(language: str) -> NullTranslations:
    return translation(
        "django", settings.LOCALE_PATHS[0], languages=[to_locale(language)], fallback=True
    )
