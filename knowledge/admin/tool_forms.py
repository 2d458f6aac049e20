"""Forms of the tools' pages."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseInlineFormSet
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from knowledge.models import Language, Tool, ToolWording
from knowledge.services.tools import FIELDS, tool_check, wording_check
from knowledge.tools.stored import WORDS

MONO = {"class": "desk-mono", "spellcheck": "false"}


class JSONText(forms.JSONField):
    """JSON as people write it: indented, with its own characters."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, forms.fields.InvalidJSONInput):
            return value
        return json.dumps(value, ensure_ascii=False, indent=2) if value else ""


def json_text(rows: int, label: Any, help_text: Any) -> JSONText:
    """An optional field for a JSON object; empty is an empty object."""
    return JSONText(
        label=label,
        help_text=help_text,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": rows, **MONO}),
    )


def _help(name: str) -> Any:
    return Tool._meta.get_field(name).help_text  # type: ignore[union-attr]


class ToolForm(forms.ModelForm):
    """Refuses a tool that could not work or would be unsafe, before it is stored."""

    parameters = json_text(14, _("Parameters"), _help("parameters"))
    mapping = json_text(8, _("Result"), _help("mapping"))

    class Meta:
        model = Tool
        fields = sorted(FIELDS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("headers", "allowed_hosts"):
            if name in self.fields:
                self.fields[name].widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, **MONO})
        first = self.fields.get("check_tool")
        if isinstance(first, forms.ModelChoiceField):
            first.queryset = Tool.objects.filter(changes=False).exclude(pk=self.instance.pk)

    def clean_parameters(self) -> Any:
        return self.cleaned_data["parameters"] or {}

    def clean_mapping(self) -> Any:
        return self.cleaned_data["mapping"] or {}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors or not cleaned.get("is_enabled"):
            return cleaned  # what is switched off need not work
        values = {name: cleaned[name] for name in FIELDS if name in cleaned}
        tool = Tool(pk=self.instance.pk, **values)
        try:
            tool_check(tool=tool)
        except ValidationError as error:
            self.add_error(None, error)
        return cleaned


class WordingForm(forms.ModelForm):
    """What customers read in one language."""

    class Meta:
        model = ToolWording
        fields = ("language", *WORDS)
        widgets = {
            "language": UnfoldAdminSelectWidget(),
            "status": UnfoldAdminTextInputWidget(),
            **{
                name: UnfoldAdminTextareaWidget(attrs={"rows": rows, **MONO})
                for name, rows in {
                    "reply": 6,
                    "reply_missing": 2,
                    "reply_refused": 2,
                    "confirm": 3,
                    "login": 2,
                }.items()
            },
        }


class WordingFormSet(BaseInlineFormSet):
    """Checks every language's words against the tool as it is about to be stored."""

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            if form.errors or not form.has_changed() or form.cleaned_data.get("DELETE"):
                continue
            values = {name: form.cleaned_data.get(name, "") for name in ("language", *WORDS)}
            try:
                wording_check(wording=ToolWording(tool=self.instance, **values))
            except ValidationError as error:
                form.add_error(None, error)


class ToolTryForm(forms.Form):
    """Who asks what, for a call that no customer sees."""

    sentence = forms.CharField(
        label=_("What a customer might write"),
        required=False,
        max_length=1000,
        help_text=_("The patterns look for the arguments in it."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    arguments = json_text(4, _("Arguments"), _("JSON; they stand before what the sentence gives."))
    customer = forms.CharField(
        label=_("Customer id"),
        required=False,
        max_length=120,
        help_text=_("As a signed identity would name them. Empty: nobody is logged in."),
        widget=UnfoldAdminTextInputWidget(),
    )
    language = forms.ChoiceField(
        label=_("Language"), choices=Language.choices, widget=UnfoldAdminSelectWidget()
    )

    def clean_arguments(self) -> dict[str, Any]:
        value = self.cleaned_data["arguments"] or {}
        if not isinstance(value, dict):
            raise ValidationError(_("The arguments must be a JSON object."))
        return value
