"""The forms for entries: one entry, and the values of many at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDateWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
)

from knowledge.models import Audience, Entry, Phrasing


def _audience_label(audience: Any) -> str:
    return f"{audience.name} · {audience.site}"


class AudienceField(forms.ModelChoiceField):
    """Audiences with the site that each belongs to."""

    def label_from_instance(self, audience: Any) -> str:
        return _audience_label(audience)


class MomentField(forms.SplitDateTimeField):
    """A date with a time, or a date alone: its beginning, or as an end the end of that day."""

    def __init__(self, *, is_end: bool = False, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)
        self._is_end = is_end

    def clean(self, value: Any) -> datetime | None:
        if not value or not value[0] or value[1]:
            moment: datetime | None = super().clean(value)
            return moment
        midnight: datetime | None = super().clean([value[0], "00:00"])
        return midnight + timedelta(days=1) if midnight and self._is_end else midnight


DATE_ALONE = _("A date without a time counts to the end of that day. Empty: for good.")


class EntryForm(forms.ModelForm):
    """An entry with its other phrasings, one a line: easier to paste than a table of fields."""

    phrasings = forms.CharField(
        label=_("Other phrasings"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text=_(
            "Other ways customers ask this, one a line. They make the entry easier to find."
        ),
    )

    class Meta:
        model = Entry
        fields = (
            "site", "language", "status", "question", "answer", "keywords", "audience",
            "valid_from", "valid_until", "owner", "review_by",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "phrasings" in self.fields and self.instance.pk:
            self.fields["phrasings"].initial = "\n".join(
                self.instance.phrasings.order_by("pk").values_list("text", flat=True)
            )
        for name in ("valid_from", "valid_until"):
            if isinstance(moment := self.fields.get(name), forms.SplitDateTimeField):
                is_end = name == "valid_until"
                self.fields[name] = MomentField(
                    is_end=is_end,
                    label=moment.label,
                    widget=moment.widget,
                    help_text=DATE_ALONE if is_end else moment.help_text,
                )
        if isinstance(field := self.fields.get("audience"), forms.ModelChoiceField):
            field.empty_label = _("Everyone")
            field.label_from_instance = _audience_label  # type: ignore[method-assign, assignment]

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

    def clean(self) -> dict[str, Any]:
        """The audience is one of the entry's own site."""
        data = super().clean() or {}
        audience, site = data.get("audience"), data.get("site")
        if audience is not None and site is not None and audience.site_id != site.pk:
            self.add_error("audience", _("This audience belongs to another site."))
        return data


class OwnerForm(forms.Form):
    """Who owns the chosen entries, and when they are due."""

    owner = forms.ModelChoiceField(
        queryset=get_user_model().objects.none(),
        required=False,
        label=_("Owner"),
        empty_label=_("Nobody"),
        widget=UnfoldAdminSelectWidget,
    )
    review_by = forms.DateField(
        required=False, label=_("Look again by"), widget=UnfoldAdminDateWidget
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = get_user_model().objects.filter(is_staff=True, is_active=True)
        self.fields["owner"].queryset = people.order_by("username")  # type: ignore[attr-defined]


class ValidityForm(forms.Form):
    """From when until when the chosen entries are shown."""

    valid_from = MomentField(
        label=_("Valid from"),
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=_("Not shown before. Empty: at once."),
    )
    valid_until = MomentField(
        is_end=True,
        label=_("Valid until"),
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text=DATE_ALONE,
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        begin, end = data.get("valid_from"), data.get("valid_until")
        if begin and end and end <= begin:
            self.add_error("valid_until", _("“Valid until” must come after “valid from”."))
        return data


class AudienceForm(forms.Form):
    """For whom the chosen entries are."""

    audience = AudienceField(
        queryset=Audience.objects.none(),
        required=False,
        label=_("Audience"),
        empty_label=_("Everyone"),
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["audience"].queryset = (  # type: ignore[attr-defined]
            Audience.objects.select_related("site")
        )
