"""Sentences for the person at the terminal, in the language of the settings.

``serve`` speaks before any app is loaded, and Django translates only after that. So this reads the
same catalogue by itself.
"""

from __future__ import annotations

from functools import cache
from gettext import NullTranslations, translation

from django.conf import settings
from django.utils.translation import to_locale

from inference.errors import InferenceError


def gettext(message: str) -> str:
    """The sentence in the language of ``LANGUAGE_CODE``."""
    return _catalogue(settings.LANGUAGE_CODE).gettext(message)


def error_text(error: InferenceError) -> str:
    """The error's sentence in that language, with its places filled."""
    sentence = gettext(error.message) if error.message else str(error)
    return sentence % error.params if error.params else sentence


@cache
def _catalogue(language: str) -> NullTranslations:
    return translation(
        "django", settings.LOCALE_PATHS[0], languages=[to_locale(language)], fallback=True
    )
