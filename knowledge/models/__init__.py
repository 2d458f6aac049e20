"""What a site knows and how it speaks: entries, prompt templates and rules."""

from knowledge.models.audiences import Audience
from knowledge.models.bulk_changes import BulkChange
from knowledge.models.entries import Document, Entry, Phrasing, TextVector
from knowledge.models.imports import KnowledgeImport, KnowledgeImportRow
from knowledge.models.labels import Label, LabelExample, LabelFit, LabelSet
from knowledge.models.languages import AnyLanguage, Language
from knowledge.models.prompts import PromptTemplate, PromptVersion
from knowledge.models.revisions import EntryProposal, EntryRevision
from knowledge.models.rules import Rule
from knowledge.models.sites import Site
from knowledge.models.tools import Tool, ToolWording
from knowledge.models.trials import (
    Expectation,
    QuestionSet,
    SetQuestion,
    Trial,
    TrialAnswer,
    TrialQuestion,
)

__all__ = [
    "AnyLanguage",
    "Audience",
    "BulkChange",
    "Document",
    "Entry",
    "EntryProposal",
    "EntryRevision",
    "Expectation",
    "KnowledgeImport",
    "KnowledgeImportRow",
    "Label",
    "LabelExample",
    "LabelFit",
    "LabelSet",
    "Language",
    "Phrasing",
    "PromptTemplate",
    "PromptVersion",
    "QuestionSet",
    "Rule",
    "SetQuestion",
    "Site",
    "TextVector",
    "Tool",
    "ToolWording",
    "Trial",
    "TrialAnswer",
    "TrialQuestion",
]
