"""What a site knows and how it speaks: entries, prompt templates and rules."""

from knowledge.models.entries import Entry, Phrasing, TextVector
from knowledge.models.languages import AnyLanguage, Language
from knowledge.models.prompts import PromptTemplate, PromptVersion
from knowledge.models.rules import Rule
from knowledge.models.sites import Site

__all__ = [
    "AnyLanguage",
    "Entry",
    "Language",
    "Phrasing",
    "PromptTemplate",
    "PromptVersion",
    "Rule",
    "Site",
    "TextVector",
]
