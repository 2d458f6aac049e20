"""The staff's pages for what a site knows and how it speaks; every write goes to a service."""

from knowledge.admin.audiences import AudienceAdmin
from knowledge.admin.bulk_changes import BulkChangeAdmin
from knowledge.admin.entries import EntryAdmin
from knowledge.admin.imports import KnowledgeImportAdmin
from knowledge.admin.label_examples import LabelExampleAdmin
from knowledge.admin.labels import LabelSetAdmin
from knowledge.admin.prompts import PromptTemplateAdmin
from knowledge.admin.proposals import EntryProposalAdmin
from knowledge.admin.rules import RuleAdmin
from knowledge.admin.sites import SiteAdmin
from knowledge.admin.tools import ToolAdmin

__all__ = [
    "AudienceAdmin",
    "BulkChangeAdmin",
    "EntryAdmin",
    "EntryProposalAdmin",
    "KnowledgeImportAdmin",
    "LabelExampleAdmin",
    "LabelSetAdmin",
    "PromptTemplateAdmin",
    "RuleAdmin",
    "SiteAdmin",
    "ToolAdmin",
]
