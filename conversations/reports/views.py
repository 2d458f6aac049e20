"""The satisfaction page for managers and its download."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from conversations.reports.charts import ratings_chart, ratings_chart_options
from conversations.reports.exports import ratings_csv
from conversations.reports.periods import PeriodForm, period_of, period_recent
from conversations.reports.selectors import ratings_by_time, ratings_lowest, satisfaction

PERMISSION = "conversations.view_rating"


def _permission_check(request: HttpRequest) -> None:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied


@require_GET
def satisfaction_page(request: HttpRequest) -> HttpResponse:
    """How satisfied customers were with the answers of a period."""
    _permission_check(request)
    form = PeriodForm(request.GET)
    period = period_of(form)
    numbers = satisfaction(period)
    presets = [(days, period_recent(days, site_id=period.site_id)) for days in (7, 30, 90)]
    context = {
        **admin.site.each_context(request),
        "title": _("Satisfaction"),
        "form": form,
        "period": period,
        "presets": presets,
        "numbers": numbers,
        "chart": ratings_chart(numbers),
        "chart_options": ratings_chart_options(),
        "lowest": ratings_lowest(period),
    }
    return TemplateResponse(request, "admin/reports/satisfaction.html", context)


@require_GET
def satisfaction_export(request: HttpRequest) -> StreamingHttpResponse:
    """All ratings of the period as CSV."""
    _permission_check(request)
    period = period_of(PeriodForm(request.GET))
    name = f"ratings-{period.first.isoformat()}-{period.last.isoformat()}.csv"
    return StreamingHttpResponse(
        ratings_csv(ratings_by_time(period)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
