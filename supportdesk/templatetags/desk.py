"""Filters and tags of the staff's pages."""

from __future__ import annotations

from django import template
from django.contrib import admin
from django.contrib.admin.helpers import AdminReadonlyField
from django.db.models import Model
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from knowledge.markup import markdown_html

register = template.Library()

PROMPT_ROLES: dict[str, str | Promise] = {
    "system": gettext_lazy("Instructions"),
    "user": gettext_lazy("Message to the model"),
    "assistant": gettext_lazy("Earlier answer"),
}
DETAILS: dict[str, str | Promise] = {
    "used_history": gettext_lazy("Looked back in the conversation"),
    "retrieval": gettext_lazy("Search"),
    "engine_error": gettext_lazy("Error of the engine"),
    "prompt_error": gettext_lazy("Error of the prompt"),
    "verdict": gettext_lazy("Support check"),
}


@register.filter
def desk_markdown(text: str) -> SafeString:
    """Sanitised HTML of Markdown."""
    return markdown_html(text)


@register.filter
def desk_duration(milliseconds: float) -> str:
    """``850 ms`` or ``2.3 s``."""
    if milliseconds < 1000:
        return _("%(number)s ms") % {"number": number_format(milliseconds, 0)}
    return _("%(number)s s") % {"number": number_format(milliseconds / 1000, 1)}


@register.filter
def desk_percent(fraction: float | None) -> str:
    """A fraction in [0, 1] as whole per cent; a dash for None."""
    return "–" if fraction is None else f"{number_format(100 * fraction, 0)}%"


@register.filter
def desk_prompt_role(role: str) -> str:
    """What a message of a prompt is, in words."""
    return str(PROMPT_ROLES.get(role, role))


@register.filter
def desk_detail(key: str) -> str:
    """What a detail of the provenance is, in words."""
    return str(DETAILS.get(key, key.replace("_", " ")))


@register.filter
def desk_points(fraction: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    points = 100 * fraction
    sign = "+" if points > 0.05 else "−" if points < -0.05 else "±"
    return _("%(number)s points") % {"number": sign + number_format(abs(points), 1)}


@register.simple_tag(takes_context=True)
def desk_readonly(context: template.Context, field: AdminReadonlyField) -> str:
    """What a read-only field of the admin shows; ``-`` for nothing.

    Django links every record that a field points to. Who may not open that record's page gets its
    name as plain words, not a way to a refusal.
    """
    contents = conditional_escape(field.contents())
    if contents == "None":
        return "-"
    target = _target(field)
    if target is not None and not _may_open(context["request"], target):
        return str(target)
    return contents


def _target(field: AdminReadonlyField) -> Model | None:
    """The record that a field of a model points to, if it does."""
    name, record = str(field.field["field"]), field.form.instance
    points = any(each.name == name for each in record._meta.fields if each.is_relation)
    return getattr(record, name) if points else None


def _may_open(request: HttpRequest, record: Model) -> bool:
    page = admin.site._registry.get(type(record))
    return page is not None and page.has_view_or_change_permission(request, record)
