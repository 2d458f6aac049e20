"""How the knowledge is used: top questions, entries never used, entries with bad ratings."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from conversations.gaps.tasks import gaps_search_ask
from conversations.reports.entry_use import (
    entries_rated_badly,
    entries_unused,
    questions_asked,
    unused_described,
)
from conversations.reports.exports import entries_csv, subjects_csv, unused_csv
from conversations.reports.periods import Period, PeriodForm, period_of, period_recent
from conversations.reports.subjects import SUBJECTS_MOST, questions_top

PERMISSIONS: Final = ("conversations.view_rating", "conversations.view_passageuse")
SUBJECTS_SHOWN: Final = 20
ENTRIES_PER_PAGE: Final = 25
QUESTIONS, UNUSED, RATED = "questions", "unused", "rated"
LISTS: Final[dict[str, str | Promise]] = {
    QUESTIONS: gettext_lazy("Top questions"),
    UNUSED: gettext_lazy("Unused entries"),
    RATED: gettext_lazy("Badly rated entries"),
}


@require_GET
def knowledge_page(request: HttpRequest) -> HttpResponse:
    """One of three lists about a period, chosen by ``list`` in the address."""
    _permission_check(request)
    form = PeriodForm(request.GET)
    period = period_of(form)
    chosen = _chosen(request)
    context = {
        **admin.site.each_context(request),
        "title": _("Use of the knowledge"),
        "form": form,
        "period": period,
        "presets": [(days, period_recent(days, site_id=period.site_id)) for days in (7, 30, 90)],
        "lists": LISTS.items(),
        "chosen": chosen,
        **_list_of(chosen, period, request.GET.get("page", "1")),
    }
    return TemplateResponse(request, "admin/reports/knowledge.html", context)


@require_GET
def knowledge_export(request: HttpRequest) -> StreamingHttpResponse:
    """The chosen list with all its rows as CSV."""
    _permission_check(request)
    period = period_of(PeriodForm(request.GET))
    chosen = _chosen(request)
    if chosen == UNUSED:
        entries = entries_unused(period).iterator(chunk_size=500)
        rows = unused_csv(unused_described(entries, period=period, asked=questions_asked(period)))
    elif chosen == RATED:
        rows = entries_csv(entries_rated_badly(period))
    else:
        rows = subjects_csv(questions_top(period, limit=SUBJECTS_MOST).subjects)
    name = f"{chosen}-{period.first.isoformat()}-{period.last.isoformat()}.csv"
    return StreamingHttpResponse(
        rows,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _list_of(chosen: str, period: Period, page_number: str) -> dict[str, Any]:
    if chosen == QUESTIONS:
        gaps_search_ask()  # what was asked in vain since belongs to a subject only after it
        return {"top": questions_top(period, limit=SUBJECTS_SHOWN)}
    if chosen == UNUSED:
        asked = questions_asked(period)
        page = Paginator(entries_unused(period), ENTRIES_PER_PAGE).get_page(page_number)
        shown = unused_described(page.object_list, period=period, asked=asked)
        return {"page": page, "unused": list(shown), "questions_total": sum(asked.values())}
    bad = Paginator(entries_rated_badly(period), ENTRIES_PER_PAGE).get_page(page_number)
    return {"page": bad, "rated": bad.object_list}


def _chosen(request: HttpRequest) -> str:
    chosen = request.GET.get("list", QUESTIONS)
    return chosen if chosen in LISTS else QUESTIONS


def _permission_check(request: HttpRequest) -> None:
    if not request.user.has_perms(PERMISSIONS):
        raise PermissionDenied
