"""Gaps of the knowledge as a list of work: look, write the entry, see whether it helps."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from conversations.gaps.filling import (
    GapStateWrong,
    gap_dismiss,
    gap_draft,
    gap_fill,
    gap_question_remove,
    gap_reopen,
)
from conversations.gaps.selectors import gaps_listed
from conversations.gaps.tasks import gap_checking, gaps_search_ask, sites_to_search
from conversations.models import Gap
from knowledge.admin.records import record_get
from knowledge.services.proposals import change_is_live

QUESTIONS_SHOWN = 100
State = Gap.State


class GapEntryForm(forms.Form):
    """The entry that fills a gap."""

    question = forms.CharField(
        label=_("Question"), max_length=500, widget=UnfoldAdminTextInputWidget
    )
    phrasings = forms.CharField(
        label=_("Other phrasings"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text=_("One a line. Remove what does not ask the same."),
    )
    answer = forms.CharField(
        label=_("Answer"),
        max_length=8000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 7}),
        help_text=_("Markdown. Sent word for word when it fits."),
    )

    def clean_phrasings(self) -> list[str]:
        lines = (line.strip() for line in self.cleaned_data["phrasings"].splitlines())
        return list(dict.fromkeys(line for line in lines if line))


@admin.register(Gap)
class GapAdmin(ModelAdmin):
    """What customers asked in vain, by subject, the most pressing first."""

    list_display = ("title", "asked_label", "state_label", "language", "site", "last_asked_at")
    list_filter = ("state", "language", "site")
    list_filter_sheet = True
    search_fields = ("title", "questions__text")
    actions = None
    list_before_template = "admin/conversations/gap/head.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gap]:
        return gaps_listed()

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        return ("is_done", "-pressing", "-last_asked_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description=_("asked"), ordering="pressing")
    def asked_label(self, gap: Any) -> int:
        asked: int = gap.asked
        return asked

    @display(
        description=_("state"),
        ordering="state",
        label={
            State.OPEN.value: "warning",
            State.CHECKING.value: "info",
            State.FILLED.value: "success",
        },
    )
    def state_label(self, gap: Gap) -> tuple[str, str]:
        return gap.state, gap.get_state_display()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("search/", view(self.search_view), name="conversations_gap_search"),
            path("<int:gap_id>/step/", view(self.step_view), name="conversations_gap_step"),
            path("<int:gap_id>/state/", view(self.state_view), name="conversations_gap_state"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        is_searching = False
        if self.has_view_permission(request):
            gaps_search_ask()
            is_searching = bool(settings.ENCODER_URL and sites_to_search())
        return super().changelist_view(
            request, {"is_searching": is_searching, **(extra_context or {})}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The questions of a gap, and the entry that would answer them."""
        gap: Gap = record_get(self, request, object_id)
        draft = gap_draft(gap=gap)
        return self._page(
            request,
            gap,
            GapEntryForm(
                initial={
                    "question": draft.question,
                    "phrasings": "\n".join(draft.phrasings),
                    "answer": draft.answer,
                }
            ),
            answer_is_from_operator=bool(draft.answer),
            **(extra_context or {}),
        )

    def step_view(self, request: HttpRequest, gap_id: int) -> HttpResponse:
        """A button of the page."""
        gap: Gap = record_get(self, request, gap_id)
        if request.method != "POST" or not self._may_fill(request):
            raise PermissionDenied
        match request.POST.get("step"):
            case "fill":
                return self._fill(request, gap)
            case "check":
                gap_checking.enqueue(gap.pk)
                messages.info(
                    request,
                    gettext(
                        "The questions are being asked again. Load the page again in a moment."
                    ),
                )
            case "dismiss":
                gap_dismiss(gap=gap)
                messages.success(request, gettext("The gap was put aside."))
                return HttpResponseRedirect(reverse("admin:conversations_gap_changelist"))
            case "reopen":
                gap_reopen(gap=gap)
            case "remove":
                number = request.POST.get("question", "")
                question = gap.questions.filter(pk=int(number) if number.isdecimal() else 0).first()
                if question is None:
                    raise Http404
                gap_question_remove(question=question)
                if not Gap.objects.filter(pk=gap.pk).exists():
                    return HttpResponseRedirect(reverse("admin:conversations_gap_changelist"))
            case _:
                raise Http404
        return self._back(gap)

    def state_view(self, request: HttpRequest, gap_id: int) -> HttpResponse:
        """Polled while the questions are asked again; the page loads anew when that is done."""
        gap: Gap = record_get(self, request, gap_id)
        response = HttpResponse(gap.get_state_display())
        if gap.state != State.CHECKING:
            response["HX-Refresh"] = "true"
        return response

    def search_view(self, request: HttpRequest) -> HttpResponse:
        """Polled while new outcomes are searched; the list loads anew when that is done."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        response = HttpResponse()
        if not sites_to_search():
            response["HX-Refresh"] = "true"
        return response

    def _fill(self, request: HttpRequest, gap: Gap) -> HttpResponse:
        if not change_is_live(user=request.user, site=gap.site):
            # Where changes are reviewed, an entry of a gap is no way around it.
            raise PermissionDenied
        form = GapEntryForm(request.POST)
        if not form.is_valid():
            return self._page(request, gap, form)
        try:
            gap_fill(gap=gap, by=request.user, **form.cleaned_data)
        except GapStateWrong:
            messages.error(request, gettext("Somebody else has worked on this gap meanwhile."))
            return self._back(gap)
        except ValidationError as error:
            form.add_error(None, error)
            return self._page(request, gap, form)
        gap_checking.enqueue(gap.pk)
        messages.success(
            request,
            gettext(
                "The entry is published. The questions are now asked again to see if it helps."
            ),
        )
        return self._back(gap)

    def _page(
        self, request: HttpRequest, gap: Gap, form: GapEntryForm, **extra: Any
    ) -> HttpResponse:
        questions = gap.questions.select_related("message__conversation")
        checked = questions.filter(covered__isnull=False)
        context = {
            **self.admin_site.each_context(request),
            "title": gap.title,
            "opts": self.opts,
            "original": gap,
            "gap": gap,
            "form": form,
            "questions": questions[:QUESTIONS_SHOWN],
            "question_count": questions.count(),
            "checked_count": checked.count(),
            "covered_count": checked.filter(covered=True).count(),
            "before_count": checked.filter(covered_before=True).count(),
            "may_fill": self._may_fill(request),
            **extra,
        }
        return TemplateResponse(request, "admin/conversations/gap/flow.html", context)

    @staticmethod
    def _may_fill(request: HttpRequest) -> bool:
        return request.user.has_perms(("knowledge.add_entry", "conversations.change_gap"))

    @staticmethod
    def _back(gap: Gap) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:conversations_gap_change", args=[gap.pk]))
