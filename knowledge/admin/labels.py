"""Label sets: their labels, trying sentences, and how good the labels are."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from inference.errors import InferenceError, PromptError
from inference.labels.confidence import EXAMPLES_LEAST
from knowledge.admin.label_trials import (
    TrialRow,
    cascade_words,
    measure_rows,
    report_rows,
    trial_make,
    weak_labels,
)
from knowledge.admin.records import record_get
from knowledge.admin.refusals import refusal_words
from knowledge.label_sets import label_set_read
from knowledge.label_words import SET_WORDS, label_set_words
from knowledge.models import Label, LabelSet
from knowledge.services.labels import (
    label_examples_import,
    label_set_check,
    label_set_learn,
)


class LabelSetForm(ModelForm):
    """Refuses a prompt that does not render, before it is stored."""

    class Meta:
        model = LabelSet
        fields = ("name", "key", "language", "site", "is_enabled", "system", "user")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                label_set_check(LabelSet(system=cleaned["system"], user=cleaned["user"], key="key"))
            except PromptError as error:
                self.add_error("user", refusal_words(error))
        return cleaned


class LabelInline(TabularInline):
    """A set's labels; most probable words of the model stand beside them."""

    model = Label
    fields = ("name", "description", "words", "threshold", "position")
    extra = 1
    tab = False


class TrialForm(forms.Form):
    """Sentences to try, one a line, as if customers had written them."""

    sentences = forms.CharField(
        label=gettext_lazy("What customers might write, one a line"),
        max_length=4000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
    )


class ExamplesForm(forms.Form):
    """A CSV file of examples."""

    file = forms.FileField(
        label=gettext_lazy("CSV file with the columns text and label"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
    )


class KeyFilter(admin.SimpleListFilter):
    """Sets by what they sort by, in the reader's words."""

    title = gettext_lazy("key")
    parameter_name = "key"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        keys = LabelSet.objects.order_by("key").values_list("key", flat=True).distinct()
        return [(key, f"{SET_WORDS[key]} · {key}" if key in SET_WORDS else key) for key in keys]

    def queryset(self, request: HttpRequest, queryset: QuerySet[LabelSet]) -> QuerySet[LabelSet]:
        return queryset.filter(key=self.value()) if self.value() else queryset


@admin.register(LabelSet)
class LabelSetAdmin(ModelAdmin):
    """The labels that every message gets."""

    form = LabelSetForm
    inlines = (LabelInline,)
    list_display = ("title", "key", "language_label", "site_label", "example_count", "state")
    list_filter = ("is_enabled", KeyFilter, "language", "site")
    list_filter_sheet = True
    list_select_related = ("site",)
    search_fields = ("name", "key")
    actions = None
    actions_detail = ("try_open", "examples_open")
    change_form_show_cancel_button = True
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": (("name", "is_enabled"), ("key", "language"), "site")}),
        (
            gettext_lazy("What the model is asked"),
            {
                "description": gettext_lazy(
                    "The model is asked for one word only. Instructions that never change stay in "
                    "the engine's memory."
                ),
                "fields": ("system", "user"),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[LabelSet]:
        return super().get_queryset(request).annotate(examples_total=Count("examples"))

    @display(description=gettext_lazy("name"), ordering="name")
    def title(self, label_set: LabelSet) -> str:
        return label_set_words(label_set.key, label_set.name)

    @display(description=gettext_lazy("language"), ordering="language")
    def language_label(self, label_set: LabelSet) -> str:
        return label_set.get_language_display()

    @display(description=gettext_lazy("site"), ordering="site")
    def site_label(self, label_set: LabelSet) -> str:
        return str(label_set.site) if label_set.site else _("Every site")

    @display(description=gettext_lazy("examples"), ordering="examples_total")
    def example_count(self, label_set: Any) -> int:
        return int(label_set.examples_total)

    @display(
        description=gettext_lazy("learning"),
        label={
            "done": "success", "failed": "danger", "running": "info", "waiting": "info",
            "never": "",
        },
    )  # fmt: skip
    def state(self, label_set: LabelSet) -> tuple[str, str]:
        return label_set.learning, label_set.get_learning_display()

    @action(description=gettext_lazy("Try and measure"), url_path="open-try")
    def try_open(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_labelset_try", args=[object_id]))

    @action(description=gettext_lazy("Examples"), url_path="open-examples")
    def examples_open(self, request: HttpRequest, object_id: int) -> HttpResponse:
        url = reverse("admin:knowledge_labelexample_changelist")
        return HttpResponseRedirect(f"{url}?label_set__id__exact={object_id}")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:set_id>/try/", view(self.try_view), name="knowledge_labelset_try"),
            path("<int:set_id>/learn/", view(self.learn_view), name="knowledge_labelset_learn"),
            path("<int:set_id>/import/", view(self.import_view), name="knowledge_labelset_import"),
            *super().get_urls(),
        ]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        label_set_learn(label_set=form.instance)

    def try_view(self, request: HttpRequest, set_id: int) -> HttpResponse:
        """What the set says of some sentences, why, and how good it is."""
        label_set: LabelSet = record_get(self, request, set_id)
        known = label_set_read(label_set)
        form = TrialForm(request.POST if request.method == "POST" else None)
        rows: list[TrialRow] = []
        refusal = ""
        if request.method == "POST" and form.is_valid():
            lines = [line.strip() for line in form.cleaned_data["sentences"].splitlines()]
            try:
                rows = trial_make(known, [line for line in lines if line][:20])
            except InferenceError as error:
                refusal = refusal_words(error)
        fit = known.classifier.fit if known.classifier else None
        context = {
            **self.admin_site.each_context(request),
            "title": _("Try and measure: %(name)s")
            % {"name": label_set_words(label_set.key, label_set.name)},
            "opts": self.opts,
            "original": label_set,
            "label_set": label_set,
            "form": form,
            "import_form": ExamplesForm(),
            "rows": rows,
            "refusal": refusal,
            "fit": fit,
            "measures": measure_rows(known.classifier),
            "cascade": cascade_words(known.classifier),
            "reports": report_rows(known.key, fit),
            "example_count": len(known.value.examples),
            "examples_least": EXAMPLES_LEAST,
            "weak_labels": weak_labels(known),
            "busy": label_set.learning in (LabelSet.Learning.WAITING, LabelSet.Learning.RUNNING),
            "may_change": self.has_change_permission(request, label_set),
        }
        return TemplateResponse(request, "admin/knowledge/labelset/try.html", context)

    def learn_view(self, request: HttpRequest, set_id: int) -> HttpResponse:
        """Learn and measure anew, in the background."""
        label_set: LabelSet = record_get(self, request, set_id, change=True)
        if request.method == "POST":
            if label_set_learn(label_set=label_set):
                messages.success(request, _("It is being learnt; this takes up to some minutes."))
            else:
                messages.info(
                    request,
                    _("It is waiting already, or has not %(least)d examples of two labels.")
                    % {"least": EXAMPLES_LEAST},
                )
        return self._try_page(set_id)

    def import_view(self, request: HttpRequest, set_id: int) -> HttpResponse:
        """Add the examples of a CSV file."""
        label_set: LabelSet = record_get(self, request, set_id, change=True)
        form = ExamplesForm(request.POST, request.FILES)
        if request.method == "POST" and form.is_valid():
            try:
                report = label_examples_import(
                    label_set=label_set, data=form.cleaned_data["file"].read()
                )
            except ValidationError as error:
                messages.error(request, " ".join(error.messages))
            else:
                messages.success(
                    request,
                    _("%(created)d examples are new, %(moved)d got another label.")
                    % {"created": report.created, "moved": report.moved},
                )
                for problem in report.errors[:10]:
                    messages.warning(request, problem)
        return self._try_page(set_id)

    def _try_page(self, set_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_labelset_try", args=[set_id]))
