"""Knowledge entries: a question, other ways to ask it, the answer."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.forms import CharField, ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from knowledge.markup import markdown_html
from knowledge.models import Entry, Phrasing
from knowledge.services.entries import (
    entry_create,
    entry_delete,
    entry_publish,
    entry_unpublish,
    entry_update,
)

ANSWER_LENGTH = 8000


class EntryForm(ModelForm):
    """An entry with its other phrasings, one a line: easier to paste than a table of fields."""

    phrasings = CharField(
        label=_("Other phrasings"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=_(
            "Other ways customers ask this, one a line. They make the entry easier to find."
        ),
    )

    class Meta:
        model = Entry
        fields = ("site", "language", "status", "question", "answer", "keywords")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "phrasings" in self.fields and self.instance.pk:
            self.fields["phrasings"].initial = "\n".join(
                self.instance.phrasings.order_by("pk").values_list("text", flat=True)
            )

    def clean_phrasings(self) -> list[str]:
        """Lines without blanks and repetitions, in their order."""
        lines = (line.strip() for line in self.cleaned_data["phrasings"].splitlines())
        texts = list(dict.fromkeys(line for line in lines if line))
        most = Phrasing._meta.get_field("text").max_length or 500
        for text in texts:
            if len(text) > most:
                self.add_error(
                    "phrasings",
                    _("A phrasing may have at most %(most)d characters.") % {"most": most},
                )
                break
        return texts


@admin.register(Entry)
class EntryAdmin(ModelAdmin):
    """Saving goes through the services, which re-index: the next question sees the change."""

    form = EntryForm
    list_display = ("question", "status_label", "language", "site", "phrasing_count", "updated_at")
    list_filter = ("status", "language", "site", "is_demo")
    list_filter_sheet = True
    list_select_related = ("site",)
    list_per_page = 50
    search_fields = ("question", "answer", "keywords", "phrasings__text")
    search_help_text = _("Words of the question, the answer or the keywords")
    actions = ("publish", "unpublish")
    change_form_show_cancel_button = True
    change_form_outer_after_template = "admin/knowledge/entry/preview_panel.html"
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("question", "phrasings", "answer", "keywords")}),
        (_("Where and when"), {"fields": ("site", "language", "status")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Entry]:
        return super().get_queryset(request).annotate(phrasings_number=Count("phrasings"))

    @display(
        description=_("status"),
        ordering="status",
        label={Entry.Status.PUBLISHED.value: "success", Entry.Status.DRAFT.value: "warning"},
    )
    def status_label(self, entry: Entry) -> tuple[str, str]:
        return entry.status, entry.get_status_display()

    @display(description=_("phrasings"), ordering="phrasings_number")
    def phrasing_count(self, entry: Any) -> int:
        count: int = entry.phrasings_number
        return count

    def get_fieldsets(self, request: HttpRequest, obj: Entry | None = None) -> Any:
        """Who may only read gets the phrasings as text: the form's field needs the form."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        (title, options), where = self.fieldsets
        fields = tuple(
            "phrasing_lines" if name == "phrasings" else name for name in options["fields"]
        )
        return (title, {**options, "fields": fields}), where

    @display(description=_("Other phrasings"))
    def phrasing_lines(self, entry: Entry) -> str:
        return "\n".join(phrasing.text for phrasing in entry.phrasings.all()) or "–"

    def get_readonly_fields(self, request: HttpRequest, obj: Entry | None = None) -> Any:
        return ("phrasing_lines",)

    def get_urls(self) -> list[URLPattern]:
        preview = self.admin_site.admin_view(self.preview_view)
        return [
            path("preview/", preview, name="knowledge_entry_preview"),
            *super().get_urls(),
        ]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The answer as customers will see it, made from what stands in the form."""
        text = request.POST.get("answer", "")[:ANSWER_LENGTH]
        return TemplateResponse(
            request, "admin/knowledge/entry/preview.html", {"html": markdown_html(text)}
        )

    def save_model(
        self, request: HttpRequest, obj: Entry, form: ModelForm[Entry], change: bool
    ) -> None:
        data = form.cleaned_data
        values = {
            "question": data["question"],
            "answer": data["answer"],
            "keywords": data["keywords"],
            "language": data["language"],
            "status": data["status"],
            "phrasings": data["phrasings"],
        }
        if change:
            entry_update(entry=obj, site=data["site"], by=request.user, **values)
        else:
            obj.pk = entry_create(site=data["site"], by=request.user, **values).pk

    def delete_model(self, request: HttpRequest, obj: Entry) -> None:
        entry_delete(entry=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        for entry in queryset:
            entry_delete(entry=entry)

    @admin.action(description=_("Publish the selected entries"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        count = 0
        for entry in queryset.exclude(status=Entry.Status.PUBLISHED):
            entry_publish(entry=entry, by=request.user)
            count += 1
        text = ngettext(
            "%(count)d entry was published.", "%(count)d entries were published.", count
        )
        self.message_user(request, text % {"count": count}, messages.SUCCESS)

    @admin.action(description=_("Take the selected entries back to draft"), permissions=["change"])
    def unpublish(self, request: HttpRequest, queryset: QuerySet[Entry]) -> None:
        count = 0
        for entry in queryset.exclude(status=Entry.Status.DRAFT):
            entry_unpublish(entry=entry, by=request.user)
            count += 1
        text = ngettext(
            "%(count)d entry is a draft again.", "%(count)d entries are drafts again.", count
        )
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
