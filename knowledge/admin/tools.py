"""Tools: what may be looked up or changed for customers, and a page to try one."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, RestrictedError
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import action, display

from knowledge.admin.records import record_get
from knowledge.admin.tool_forms import ToolForm, ToolTryForm, WordingForm, WordingFormSet
from knowledge.admin.tool_trials import ToolTrial, tool_try
from knowledge.models import Language, Site, Tool, ToolWording
from knowledge.services.tools import (
    FIELDS,
    tool_create,
    tool_delete,
    tool_update,
    wording_save,
)
from knowledge.tools.stored import WORDS


class WordingInline(StackedInline):
    """One set of words a language."""

    model = ToolWording
    form = WordingForm
    formset = WordingFormSet
    extra = 0
    max_num = len(Language.choices)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("language", "status"),
                    "reply",
                    "reply_missing",
                    "reply_refused",
                    "confirm",
                    "login",
                )
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("knowledge.change_tool")

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("knowledge.view_tool")


@admin.register(Tool)
class ToolAdmin(ModelAdmin):
    """Rules decide when a tool is called; its own words are the reply."""

    form = ToolForm
    inlines = (WordingInline,)
    list_display = ("title", "key", "enabled_label", "kind_label", "changes_label", "site_label")
    list_filter = ("is_enabled", "changes", "kind", "site")
    list_filter_sheet = True
    list_select_related = ("site",)
    search_fields = ("title", "key", "description", "url", "function")
    search_help_text = gettext_lazy("Words of the title, the key or the address")
    actions = ("enable", "disable")
    actions_detail = ("try_open",)
    change_form_show_cancel_button = True
    warn_unsaved_form = True
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("title", "key"),
                    "description",
                    "is_enabled",
                    "changes",
                    "needs_identity",
                    "site",
                )
            },
        ),
        (
            gettext_lazy("What it needs to know"),
            {
                "description": gettext_lazy(
                    "Who the customer is never stands among the parameters: the session says it."
                ),
                "fields": ("parameters",),
            },
        ),
        (
            gettext_lazy("What it calls"),
            {
                "fields": (
                    ("kind", "method"),
                    "url",
                    "headers",
                    "function",
                    ("timeout_seconds", "response_bytes"),
                    "allowed_hosts",
                    "mapping",
                )
            },
        ),
        (
            gettext_lazy("Changes"),
            {
                "description": gettext_lazy(
                    "Only for a tool that changes something: the customer confirms each call."
                ),
                "fields": (
                    "confirm_seconds",
                    "is_repeatable",
                    ("check_tool", "check_flag"),
                ),
            },
        ),
        (gettext_lazy("The model"), {"fields": ("model_may_call", "model_words")}),
    )

    @display(
        description=gettext_lazy("state"), ordering="is_enabled", label={"on": "success", "off": ""}
    )
    def enabled_label(self, tool: Tool) -> tuple[str, str]:
        return ("on", _("Enabled")) if tool.is_enabled else ("off", _("Off"))

    @display(description=gettext_lazy("kind"), ordering="kind")
    def kind_label(self, tool: Tool) -> str:
        return tool.get_kind_display()

    @display(
        description=gettext_lazy("effect"),
        ordering="changes",
        label={"change": "warning", "read": "info"},
    )
    def changes_label(self, tool: Tool) -> tuple[str, str]:
        return ("change", _("Changes")) if tool.changes else ("read", _("Reads"))

    @display(description=gettext_lazy("site"), ordering="site")
    def site_label(self, tool: Tool) -> str:
        return str(tool.site) if tool.site else _("Every site")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only read sees JSON as it was written, not as one line of escapes."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj) or obj is None:
            return fieldsets
        shown = {"parameters": "parameters_shown", "mapping": "mapping_shown"}
        return [
            (title, {**options, "fields": [shown.get(name, name) for name in options["fields"]]})
            for title, options in fieldsets
        ]

    @display(description=gettext_lazy("parameters"))
    def parameters_shown(self, tool: Tool) -> str:
        return _json_html(tool.parameters)

    @display(description=gettext_lazy("result"))
    def mapping_shown(self, tool: Tool) -> str:
        return _json_html(tool.mapping)

    def get_urls(self) -> list[URLPattern]:
        trial = self.admin_site.admin_view(self.try_view)
        return [path("<int:pk>/try/", trial, name="knowledge_tool_try"), *super().get_urls()]

    def save_model(
        self, request: HttpRequest, obj: Tool, form: ModelForm[Tool], change: bool
    ) -> None:
        values = {name: form.cleaned_data[name] for name in FIELDS if name in form.cleaned_data}
        if change:
            tool_update(tool=obj, **values)
        else:
            obj.pk = tool_create(**values).pk

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        formset.save(commit=False)
        for wording in formset.deleted_objects:
            wording.delete()
        for each in formset.forms:
            if each.has_changed() and each not in formset.deleted_forms:
                texts = {name: each.cleaned_data.get(name, "") for name in WORDS}
                wording_save(tool=form.instance, language=each.cleaned_data["language"], **texts)

    def delete_model(self, request: HttpRequest, obj: Tool) -> None:
        tool_delete(tool=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Tool]) -> None:
        for tool in queryset.order_by("-changes"):  # those that look first with another go first
            try:
                tool_delete(tool=tool)
            except RestrictedError:
                words = _("“%(tool)s” stays: another tool looks with it first.") % {"tool": tool}
                self.message_user(request, words, messages.ERROR)

    @admin.action(description=gettext_lazy("Enable the selected tools"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Tool]) -> None:
        self._switch(request, queryset, is_enabled=True)

    @admin.action(description=gettext_lazy("Switch the selected tools off"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Tool]) -> None:
        self._switch(request, queryset, is_enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Tool], *, is_enabled: bool) -> None:
        for tool in queryset:
            try:
                tool_update(tool=tool, is_enabled=is_enabled)
            except ValidationError as error:
                words = " ".join(error.messages)
                self.message_user(request, f"{tool}: {words}", messages.ERROR)

    @action(description=gettext_lazy("Try it"), url_path="try-open", permissions=["change"])
    def try_open(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return redirect("admin:knowledge_tool_try", object_id)

    def try_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Call a tool that reads, as a chosen customer; of a change, show what would be sent.

        It shows what belongs to a customer, so only who may change tools gets here, and each call
        is in the tool's history.
        """
        tool: Tool = record_get(self, request, pk, change=True)
        form = ToolTryForm(request.POST or None, initial={"language": _language_first(tool)})
        trial: ToolTrial | None = None
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            site = tool.site or Site.objects.first()
            trial = tool_try(tool=tool, shop_name=site.name if site else "", **data)
            if trial.called is not None:
                words = _("Tried as the customer “%(customer)s”.")
                self.log_change(request, tool, words % {"customer": data["customer"]})
        context = {
            **self.admin_site.each_context(request),
            "title": _("Try the tool “%(tool)s”") % {"tool": tool},
            "opts": self.opts,
            "original": tool,
            "tool": tool,
            "form": form,
            "trial": trial,
        }
        return TemplateResponse(request, "admin/knowledge/tool/try.html", context)


def _json_html(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2) if value else ""
    return format_html('<pre class="desk-code">{}</pre>', text) if text else "–"


def _language_first(tool: Tool) -> str:
    """The reader's, when the tool speaks it."""
    spoken = [wording.language for wording in tool.wordings.all()]
    own = get_language()
    return own if own in spoken else next(iter(spoken), Language.ZH_HANS)
