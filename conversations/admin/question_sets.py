"""Question sets: their questions, where to get them from, and their trials."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from conversations.trials.filling import offers_add, offers_from_conversations, offers_from_gaps
from knowledge.admin.records import record_get
from knowledge.admin.site_choice import SiteChosen
from knowledge.models import Expectation, QuestionSet, SetQuestion
from knowledge.services.trials import questions_export, questions_import

ERRORS_SHOWN = 10


class QuestionsFileForm(forms.Form):
    """A CSV file of questions."""

    file = forms.FileField(
        label=gettext_lazy("CSV file with the column question"),
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
    )


class SetQuestionForm(forms.ModelForm):
    """Refuses entries of another site."""

    class Meta:
        model = SetQuestion
        fields = (
            "question_set",
            "text",
            "language",
            "expectation",
            "entries",
            "facts",
            "forbidden",
        )
        widgets = {
            "facts": UnfoldAdminTextareaWidget(attrs={"rows": 3}),
            "forbidden": UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        question_set = cleaned.get("question_set")
        entries = cleaned.get("entries") or ()
        if question_set and any(entry.site_id != question_set.site_id for entry in entries):
            self.add_error("entries", _("An entry belongs to another site than the set."))
        return cleaned


@admin.register(QuestionSet)
class QuestionSetAdmin(SiteChosen, ModelAdmin):
    """Questions of a site, to be asked of drafts before they are published."""

    list_display = ("name", "site", "question_count", "created_at")
    list_filter = ("site",)
    list_filter_sheet = True
    list_select_related = ("site",)
    search_fields = ("name", "questions__text")
    actions = None
    fields = ("name", "site")
    actions_detail = ("questions_open", "fill_open", "trial_open", "csv_open")
    change_form_show_cancel_button = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[QuestionSet]:
        return super().get_queryset(request).annotate(total=Count("questions", distinct=True))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        # Expected entries are of the site.
        return ("site",) if obj is not None else ()

    @display(description=gettext_lazy("questions"), ordering="total")
    def question_count(self, question_set: Any) -> int:
        return int(question_set.total)

    @action(description=gettext_lazy("Questions"), url_path="open-questions")
    def questions_open(self, request: HttpRequest, object_id: int) -> HttpResponse:
        url = reverse("admin:knowledge_setquestion_changelist")
        return HttpResponseRedirect(f"{url}?question_set__id__exact={object_id}")

    @action(
        description=gettext_lazy("Add questions"),
        url_path="open-fill",
        permissions=["change"],
    )
    def fill_open(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_questionset_fill", args=[object_id]))

    @action(
        description=gettext_lazy("Start a trial"),
        url_path="open-trial",
        permissions=["add_trial"],
    )
    def trial_open(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(
            f"{reverse('admin:knowledge_trial_add')}?question_set={object_id}"
        )

    def has_add_trial_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        # Not by the permission's name: unfold would look for it before there is a database.
        return request.user.has_perm("knowledge.add_trial")

    @action(description=gettext_lazy("Download as CSV"), url_path="open-csv")
    def csv_open(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_questionset_csv", args=[object_id]))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("<int:set_id>/fill/", view(self.fill_view), name="knowledge_questionset_fill"),
            path("<int:set_id>/csv/", view(self.csv_view), name="knowledge_questionset_csv"),
            *super().get_urls(),
        ]

    def response_add(
        self, request: HttpRequest, obj: QuestionSet, post_url_continue: str | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_questionset_fill", args=[obj.pk]))

    def fill_view(self, request: HttpRequest, set_id: int) -> HttpResponse:
        """Choose among what customers asked and what is missing, or read a file."""
        question_set: QuestionSet = record_get(self, request, set_id, change=True)
        if request.method == "POST":
            upload = QuestionsFileForm(request.POST, request.FILES)
            if upload.is_valid():
                self._file_read(request, question_set, upload.cleaned_data["file"].read())
            else:
                self._chosen_add(request, question_set)
            return HttpResponseRedirect(request.path)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Add questions: %(name)s") % {"name": question_set.name},
            "opts": self.opts,
            "original": question_set,
            "question_set": question_set,
            "count": question_set.questions.count(),
            "sources": [
                (_("Asked lately"), offers_from_conversations(question_set=question_set)),
                (_("Gaps"), offers_from_gaps(question_set=question_set)),
            ],
            "expectations": Expectation.choices,
            "file_form": QuestionsFileForm(),
        }
        return TemplateResponse(request, "admin/knowledge/questionset/fill.html", context)

    def csv_view(self, request: HttpRequest, set_id: int) -> HttpResponse:
        """The set as a file."""
        question_set: QuestionSet = record_get(self, request, set_id)
        response = HttpResponse(
            "\ufeff" + questions_export(question_set=question_set),
            content_type="text/csv; charset=utf-8",
        )
        response["Content-Disposition"] = f'attachment; filename="questions-{set_id}.csv"'
        return response

    def _chosen_add(self, request: HttpRequest, question_set: QuestionSet) -> None:
        chosen = set(request.POST.getlist("chosen"))
        offers = [
            *offers_from_conversations(question_set=question_set),
            *offers_from_gaps(question_set=question_set),
        ]
        try:
            added = offers_add(
                question_set=question_set,
                offers=[offer for offer in offers if offer.key in chosen],
                expectations={key: request.POST.get(f"expect-{key}", "") for key in chosen},
            )
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, _("%(count)d questions were added.") % {"count": added})

    def _file_read(self, request: HttpRequest, question_set: QuestionSet, data: bytes) -> None:
        try:
            report = questions_import(question_set=question_set, data=data)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return
        messages.success(request, _("%(count)d questions were added.") % {"count": report.created})
        for problem in report.errors[:ERRORS_SHOWN]:
            messages.warning(request, problem)


@admin.register(SetQuestion)
class SetQuestionAdmin(ModelAdmin):
    """Single questions, with what is expected of their answers."""

    form = SetQuestionForm
    list_display = ("text", "language", "expectation_label", "expected", "question_set")
    list_filter = ("question_set", "expectation", "language", "source")
    list_filter_sheet = True
    list_select_related = ("question_set",)
    search_fields = ("text", "facts")
    autocomplete_fields = ("entries",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SetQuestion]:
        return super().get_queryset(request).prefetch_related("entries")

    @display(
        description=gettext_lazy("expected"),
        ordering="expectation",
        label={Expectation.ANSWERED.value: "success", Expectation.UNANSWERED.value: "warning"},
    )
    def expectation_label(self, question: SetQuestion) -> tuple[str, str]:
        return question.expectation, question.get_expectation_display()

    @display(description=gettext_lazy("entries and facts"))
    def expected(self, question: SetQuestion) -> str:
        parts = [entry.question for entry in question.entries.all()]
        parts += question.facts.splitlines()
        return "; ".join(parts)[:120]
