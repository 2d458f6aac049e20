"""Trials: start one, watch it, and see on which questions the sides differ."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanWidget,
)

from conversations.admin.playground import playground_page, playground_run
from conversations.trials.models import model_choices, model_words
from conversations.trials.tasks import trial_running
from inference.errors import PromptError
from knowledge.admin.records import record_get
from knowledge.admin.refusals import refusal_words
from knowledge.models import PromptVersion, QuestionSet, Trial
from knowledge.services.trials import trial_cancel, trial_create, trial_resume
from knowledge.trials.gate import GATED_ROLE, is_worse
from knowledge.trials.selectors import (
    side_figures,
    trial_comparison,
    trial_pairs,
    trial_progress,
    trials_listed,
)

State = Trial.State
_STATE_LABELS = {
    State.DONE.value: "success",
    State.RUNNING.value: "info",
    State.WAITING.value: "info",
    State.FAILED.value: "danger",
}
PROBLEM_WORDS = {
    "not_answered": gettext_lazy("Not answered"),
    "answered": gettext_lazy("Answered, and must not be"),
    "other_entry": gettext_lazy("Made from another entry"),
    "fact_missing": gettext_lazy("Missing: %(words)s"),
    "fact_forbidden": gettext_lazy("Forbidden: %(words)s"),
}
SMALL_SET = 30
"""Below so many questions the page says that its interval is wide."""


class TrialForm(forms.Form):
    """What to try, and on which questions."""

    question_set = forms.ModelChoiceField(
        label=gettext_lazy("Question set"),
        queryset=QuestionSet.objects.select_related("site"),
        widget=UnfoldAdminSelectWidget,
    )
    candidate = forms.ModelChoiceField(
        label=gettext_lazy("Draft"),
        queryset=PromptVersion.objects.none(),
        required=False,
        empty_label=gettext_lazy("The published prompts"),
        widget=UnfoldAdminSelectWidget,
    )
    model = forms.ChoiceField(
        label=gettext_lazy("Model"), required=False, widget=UnfoldAdminSelectWidget
    )
    asks_model = forms.BooleanField(
        label=gettext_lazy("Let the model write every answer"),
        required=False,
        initial=True,
        widget=UnfoldBooleanWidget,
        help_text=gettext_lazy(
            "Also where customers would get an entry word for word, so that prompts and models"
            " show a difference."
        ),
    )
    direct_probability = forms.FloatField(
        label=gettext_lazy("Entries are sent as they stand from"),
        required=False,
        min_value=0,
        max_value=1.01,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.01", "min": 0, "max": 1.01}),
        help_text=gettext_lazy("A probability; empty: as it is now. Above 1: never."),
    )
    relevant_probability = forms.FloatField(
        label=gettext_lazy("Questions count as known from"),
        required=False,
        min_value=0,
        max_value=1.01,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.01", "min": 0, "max": 1.01}),
        help_text=gettext_lazy("A probability; empty: as it is now."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        candidate = cast(forms.ModelChoiceField, self.fields["candidate"])
        candidate.queryset = PromptVersion.objects.filter(
            status=PromptVersion.Status.DRAFT, template__role=GATED_ROLE
        ).select_related("template__site")
        cast(forms.ChoiceField, self.fields["model"]).choices = model_choices()


@admin.register(Trial)
class TrialAdmin(ModelAdmin):
    """Nobody changes what a trial found."""

    list_display = ("question_set", "tried", "state_label", "result", "created_by", "created_at")
    list_filter = ("state", "question_set")
    list_filter_sheet = True
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trial]:
        return trials_listed()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=gettext_lazy("tried"))
    def tried(self, trial: Trial) -> str:
        return tried_words(trial)

    @display(description=gettext_lazy("state"), ordering="state", label=_STATE_LABELS)
    def state_label(self, trial: Trial) -> tuple[str, str]:
        return trial.state, trial.get_state_display()

    @display(description=gettext_lazy("right answers"))
    def result(self, trial: Any) -> str:
        found = trial_comparison(trial=trial)
        return _("%(after)d of %(total)d, before %(before)d") % {
            "after": found.candidate,
            "before": found.baseline,
            "total": found.total,
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:trial_id>/step/", view(self.step_view), name="knowledge_trial_step"),
            path("<int:trial_id>/state/", view(self.state_view), name="knowledge_trial_state"),
            path(
                "playground/<int:template_id>/",
                view(self.playground_view),
                name="knowledge_prompttemplate_playground",
            ),
            path(
                "playground/<int:template_id>/run/",
                view(playground_run),
                name="knowledge_prompttemplate_playground_run",
            ),
            *super().get_urls(),
        ]

    def playground_view(self, request: HttpRequest, template_id: int) -> HttpResponse:
        """A draft beside the published version."""
        context = self.admin_site.each_context(request)
        return playground_page(request, template_id, context)

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Choose and start."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        newest = QuestionSet.objects.order_by("-pk").values_list("pk", flat=True).first()
        initial = {"question_set": newest, **request.GET.dict()}
        form = TrialForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                trial = trial_create(by=request.user, **form.cleaned_data)
            except ValidationError as error:
                form.add_error(None, error)
            except PromptError as error:
                form.add_error("candidate", refusal_words(error))
            else:
                trial_running.enqueue(trial.pk, get_language() or "en")
                return self._page(trial)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Start a trial"),
            "opts": self.opts,
            "form": form,
            "has_sets": QuestionSet.objects.exists(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/trial/start.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What was found so far."""
        trial: Trial = record_get(self, request, object_id)
        pairs = trial_pairs(trial=trial)
        found = trial_comparison(trial=trial)
        margin = trial.question_set.site.trial_margin / 100
        context = {
            **self.admin_site.each_context(request),
            "title": _("Trial on “%(name)s”") % {"name": trial.question_set},
            "opts": self.opts,
            "original": trial,
            "trial": trial,
            "tried": tried_words(trial),
            "progress": trial_progress(trial=trial),
            "found": found,
            "worse": found.total > 0 and is_worse(found, margin=margin),
            "small": found.total < SMALL_SET,
            "figures": side_figures(pairs=pairs),
            "pairs": [
                (pair, _problems(pair.baseline), _problems(pair.candidate)) for pair in pairs
            ],
            "may_start": self.has_add_permission(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/trial/result.html", context)

    def step_view(self, request: HttpRequest, trial_id: int) -> HttpResponse:
        """Stop it, or have it go on."""
        trial: Trial = record_get(self, request, trial_id)
        if request.method != "POST" or not self.has_add_permission(request):
            raise PermissionDenied
        match request.POST.get("step"):
            case "cancel":
                trial_cancel(trial=trial)
            case "resume":
                if trial_resume(trial=trial):
                    trial_running.enqueue(trial.pk, get_language() or "en")
                else:
                    messages.error(request, _("The draft has changed since; start a new trial."))
            case _:
                raise Http404
        return self._page(trial)

    def state_view(self, request: HttpRequest, trial_id: int) -> HttpResponse:
        """Polled while it runs; the page loads anew when it is over."""
        trial: Trial = record_get(self, request, trial_id)
        response = TemplateResponse(
            request,
            "admin/knowledge/trial/progress.html",
            {"trial": trial, "progress": trial_progress(trial=trial)},
        )
        if trial.is_over:
            response["HX-Refresh"] = "true"
        return response

    @staticmethod
    def _page(trial: Trial) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_trial_change", args=[trial.pk]))


def tried_words(trial: Trial) -> str:
    """What is different from what is published, in a line."""
    parts: list[str] = []
    if trial.candidate is not None:
        parts.append(str(trial.candidate))
    if trial.model:
        parts.append(model_words(trial.model))
    if trial.direct_probability is not None:
        parts.append(_("sent as they stand from %(p).2f") % {"p": trial.direct_probability})
    if trial.relevant_probability is not None:
        parts.append(_("known from %(p).2f") % {"p": trial.relevant_probability})
    return ", ".join(parts)


def _problems(answer: Any) -> list[str]:
    if answer is None:
        return []
    return [str(PROBLEM_WORDS[code]) % {"words": words} for code, words in answer.problems]
