"""The span of days that a report is about, and which site."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from knowledge.models import Site

DEFAULT_DAYS: Final = 30
MOST_DAYS: Final = 1100


@dataclass(frozen=True, slots=True)
class Period:
    """Days in the desk's time zone, both included; ``site_id`` None means every site."""

    first: date
    last: date
    site_id: int | None = None

    @property
    def start(self) -> datetime:
        return timezone.make_aware(datetime.combine(self.first, time.min))

    @property
    def end(self) -> datetime:
        """The first moment after the period."""
        return timezone.make_aware(datetime.combine(self.last + timedelta(days=1), time.min))

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    def as_query(self) -> str:
        """The period as a query string."""
        query = QueryDict(mutable=True)
        query["from"], query["to"] = self.first.isoformat(), self.last.isoformat()
        if self.site_id:
            query["site"] = str(self.site_id)
        return query.urlencode()


def period_recent(days: int = DEFAULT_DAYS, *, site_id: int | None = None) -> Period:
    """The last ``days`` days up to and with today."""
    today = timezone.localdate()
    return Period(today - timedelta(days=days - 1), today, site_id)


class PeriodForm(forms.Form):
    """``from``, ``to`` and ``site`` of a report's address; what is left out gets the default."""

    site = forms.ModelChoiceField(
        Site.objects.all(),
        required=False,
        label=_("Site"),
        empty_label=_("Every site"),
        widget=UnfoldAdminSelectWidget(),
    )

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        for name, label in (("from", _("From")), ("to", _("To"))):
            self.fields[name] = forms.DateField(
                required=False,
                label=label,
                widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}),
            )
        self.order_fields(["from", "to", "site"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        recent = period_recent()
        last = cleaned.get("to") or recent.last
        first = cleaned.get("from") or last - timedelta(days=DEFAULT_DAYS - 1)
        if first > last:
            raise forms.ValidationError(_("The first day must not be after the last one."))
        if (last - first).days >= MOST_DAYS:
            raise forms.ValidationError(_("Choose at most three years."))
        site = cleaned.get("site")
        cleaned["period"] = Period(first, last, site.pk if site else None)
        return cleaned


def period_of(form: PeriodForm) -> Period:
    """The period that a form asks for; a form with errors gets the recent days."""
    if form.is_valid():
        period: Period = form.cleaned_data["period"]
        return period
    return period_recent()
