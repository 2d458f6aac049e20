"""Label sets: their labels and examples, trying sentences, and how good the labels are."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from inference.errors import InferenceError, PromptError
from inference.labels.cascade import ALWAYS
from inference.labels.classifier import Fit, LabelClassifier
from inference.labels.confidence import EXAMPLES_LEAST, probability_most
from inference.labels.fitting import CASCADE
from inference.labels.values import Labelling
from knowledge.admin.refusals import refusal_words
from knowledge.label_sets import SiteLabelSet, label_set_read
from knowledge.label_tasks import labeller_open
from knowledge.models import Label, LabelExample, LabelSet
from knowledge.services.labels import (
    label_example_save,
    label_examples_delete,
    label_examples_import,
    label_set_check,
    label_set_learn,
)

_TRY_SECONDS = 20.0
VIEW_NAMES = {
    "words": gettext_lazy("words"),
    "meaning": gettext_lazy("meaning"),
    "model": gettext_lazy("model"),
}


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


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One sentence and what the set says of it; percentages are whole numbers."""

    text: str
    label: str
    is_sure: bool
    why: str
    bars: list[tuple[str, int]]
    labelling: Labelling


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """How good one combination of views is."""

    views: str
    accuracy: int
    macro_f1: int
    is_used: bool


@admin.register(LabelSet)
class LabelSetAdmin(ModelAdmin):
    """The labels that every message gets."""

    form = LabelSetForm
    inlines = (LabelInline,)
    list_display = ("name", "key", "language_label", "site_label", "example_count", "state")
    list_filter = ("is_enabled", "key", "language", "site")
    list_filter_sheet = True
    list_select_related = ("site",)
    search_fields = ("name", "key")
    actions = None
    actions_detail = ("try_open", "examples_open")
    change_form_show_cancel_button = True
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": (("name", "is_enabled"), ("key", "language", "site"))}),
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
        label={"done": "success", "failed": "danger", "running": "info", "waiting": "info"},
    )
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
        label_set = self._set(request, set_id)
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
            "title": _("Try and measure: %(name)s") % {"name": label_set.name},
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
            "reports": report_rows(fit),
            "example_count": len(known.value.examples),
            "examples_least": EXAMPLES_LEAST,
            "weak_labels": weak_labels(known),
            "busy": label_set.learning in (LabelSet.Learning.WAITING, LabelSet.Learning.RUNNING),
            "may_change": self.has_change_permission(request, label_set),
        }
        return TemplateResponse(request, "admin/knowledge/labelset/try.html", context)

    def learn_view(self, request: HttpRequest, set_id: int) -> HttpResponse:
        """Learn and measure anew, in the background."""
        label_set = self._set(request, set_id, change=True)
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
        label_set = self._set(request, set_id, change=True)
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

    def _set(self, request: HttpRequest, set_id: int, *, change: bool = False) -> LabelSet:
        label_set = self.get_object(request, str(set_id))
        if label_set is None:
            raise Http404
        may = self.has_change_permission if change else self.has_view_permission
        if not may(request, label_set):
            raise PermissionDenied
        return label_set

    def _try_page(self, set_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_labelset_try", args=[set_id]))


@admin.register(LabelExample)
class LabelExampleAdmin(ModelAdmin):
    """Labelled texts, to filter, correct and delete."""

    list_display = ("text", "label", "label_set", "created_at")
    list_filter = ("label_set", "label", "is_default")
    list_filter_sheet = True
    list_select_related = ("label", "label_set")
    search_fields = ("text",)
    fields = ("label_set", "label", "text")
    autocomplete_fields = ()

    def save_model(
        self, request: HttpRequest, obj: LabelExample, form: ModelForm[LabelExample], change: bool
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            label_set_learn(label_set=obj.label_set)
        else:
            obj.pk = label_example_save(label_set=obj.label_set, label=obj.label, text=obj.text).pk

    def delete_model(self, request: HttpRequest, obj: LabelExample) -> None:
        label_examples_delete(examples=[obj])

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LabelExample]) -> None:
        label_examples_delete(examples=queryset)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "label":
            field = super().formfield_for_foreignkey(db_field, request, **kwargs)
            field.queryset = Label.objects.select_related("label_set")
            field.label_from_instance = lambda label: f"{label.label_set} · {label.name}"
            return field
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


def trial_make(known: SiteLabelSet, texts: list[str]) -> list[TrialRow]:
    """Label some texts with the engines of the settings.

    Raises:
        InferenceError: the set cannot label them, with a sentence.
    """

    async def ask() -> list[Labelling]:
        async with labeller_open() as labeller:
            return await labeller.label(
                known.value, texts, classifier=known.classifier, timeout=_TRY_SECONDS
            )

    return [
        TrialRow(
            text=text,
            label=labelling.best,
            is_sure=labelling.label is not None,
            why=labelling_words(labelling),
            bars=[(name, round(100 * p)) for name, p in labelling.probabilities[:5]],
            labelling=labelling,
        )
        for text, labelling in zip(texts, asyncio.run(ask()), strict=True)
    ]


def labelling_words(labelling: Labelling) -> str:
    """Who said so, and why it is unsure."""
    views = ", ".join(str(VIEW_NAMES[view]) for view in labelling.views)
    told = _("By %(views)s.") % {"views": views}
    if labelling.is_weak:
        weak = _("Unsure: “%(label)s” has fewer than %(least)d examples.") % {
            "label": labelling.best,
            "least": EXAMPLES_LEAST,
        }
        return f"{weak} {told}"
    if labelling.label is None:
        unsure = _(
            "Unsure: “%(label)s” is the likeliest with %(percent)d %%, and needs %(least)d %%."
        ) % {
            "label": labelling.best,
            "percent": round(100 * labelling.probability),
            "least": round(100 * labelling.threshold),
        }
        return f"{unsure} {told}"
    return told


def measure_rows(classifier: LabelClassifier | None) -> list[MeasureRow]:
    """The scores of every combination of views, the one in use marked."""
    if classifier is None:
        return []
    used = "words+meaning" if classifier.meaning else "words"
    if classifier.wants_model:
        used += "+model" + (CASCADE if classifier.fit.cascade.cut < ALWAYS.cut else "")
    return [
        MeasureRow(
            views=views_words(key),
            accuracy=round(100 * score.accuracy),
            macro_f1=round(100 * score.macro_f1),
            is_used=key == used,
        )
        for key, score in classifier.fit.scores.items()
    ]


def views_words(key: str) -> str:
    """The name of a combination of views in words."""
    name, _blank, kind = key.partition(" ")
    words = " + ".join(str(VIEW_NAMES[view]) for view in name.split("+"))
    told = {
        "": "%(views)s",
        "(asked)": _("%(views)s, on the examples the model was asked of"),
        CASCADE.strip(): _("%(views)s, the model only where the others are not sure"),
    }
    return told[kind] % {"views": words}


def cascade_words(classifier: LabelClassifier | None) -> str:
    """When the model is asked, and why, in a sentence or two; "" for a set that learnt nothing."""
    if classifier is None:
        return ""
    fit, cascade = classifier.fit, classifier.fit.cascade
    if fit.gain is None:
        return _("The model was not asked, because it was away or the set has no words for it.")
    if not fit.model_adds:
        return _("That the model decides better could not be told from chance, so it is not asked.")
    if cascade.cut >= ALWAYS.cut:
        return _(
            "The model makes the labels better, so it is asked of every message: how sure words and "
            "meaning must be to do without it cannot be told from these examples."
        )
    return _(
        "The model makes the labels better, so it is asked where words and meaning are less than "
        "%(cut)d %% sure: of %(asked)d %% of the examples. Because it is not asked of the others, fewer than "
        "%(most).1f messages in a hundred get a worse label."
    ) % {
        "cut": round(100 * cascade.cut),
        "asked": round(100 * cascade.asked),
        "most": 100 * cascade.spoilt_most,
    }


def weak_labels(known: SiteLabelSet) -> list[tuple[str, int, int]]:
    """Labels with so few examples that they are never told for sure: name, how many, and the
    highest probability in per cent that they may get."""
    counts = Counter(example.label for example in known.value.examples)
    return [
        (name, counts[name], round(100 * probability_most(counts[name])))
        for name in known.value.names
        if counts[name] < EXAMPLES_LEAST
    ]


def report_rows(fit: Fit | None) -> list[tuple[str, int, int, int, int]]:
    """Label, examples, and precision, recall and share of unsure ones in percent."""
    return [
        (
            row.name,
            row.examples,
            round(100 * row.precision),
            round(100 * row.recall),
            round(100 * row.unsure),
        )
        for row in (fit.labels if fit else ())
    ]
