"""What the inference app refuses, in the language of the person who reads it."""

from __future__ import annotations

from django.utils.translation import gettext

from inference.errors import InferenceError


def refusal_words(error: InferenceError) -> str:
    """The error's sentence, translated; Jinja2's and RE2's own words in it stay English."""
    sentence = gettext(error.message)
    return sentence % error.params if error.params else sentence
