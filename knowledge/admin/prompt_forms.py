"""Forms of the prompt pages."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from knowledge.models import PromptVersion
from knowledge.models.prompts import THINKING_TOKENS_MOST

VARIABLES = (
    "passages",
    "history",
    "question",
    "current_time",
    "user_region",
    "shop_name",
)

PARAMETER_BOUNDS: Final[dict[str, dict[str, Any]]] = {
    "temperature": {"min_value": 0, "max_value": 2},
    "top_p": {"min_value": 0, "max_value": 1},
    "repetition_penalty": {"min_value": 0.5, "max_value": 2},
}
"""What a model may be told to write with."""


class PromptDraftForm(forms.ModelForm):
    """The text of a version and how the model writes with it."""

    class Meta:
        model = PromptVersion
        fields = (
            "system",
            "user",
            "max_tokens",
            "temperature",
            "top_p",
            "repetition_penalty",
            "thinking_tokens",
            "note",
        )
        widgets = {
            "system": UnfoldAdminTextareaWidget(attrs={"rows": 9, "spellcheck": "false"}),
            "user": UnfoldAdminTextareaWidget(attrs={"rows": 11, "spellcheck": "false"}),
            "max_tokens": UnfoldAdminIntegerFieldWidget(attrs={"min": 1, "max": 2048}),
            "temperature": UnfoldAdminDecimalFieldWidget(attrs={"step": "0.1", "min": 0, "max": 2}),
            "top_p": UnfoldAdminDecimalFieldWidget(attrs={"step": "0.05", "min": 0, "max": 1}),
            "repetition_penalty": UnfoldAdminDecimalFieldWidget(
                attrs={"step": "0.05", "min": 0.5, "max": 2}
            ),
            "thinking_tokens": UnfoldAdminIntegerFieldWidget(
                attrs={"min": 0, "max": THINKING_TOKENS_MOST}
            ),
            "note": UnfoldAdminTextInputWidget(),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("system", "user"):
            self.fields[name].widget.attrs["class"] += " desk-mono"
        for name, bounds in PARAMETER_BOUNDS.items():
            self.fields[name] = forms.FloatField(
                label=self.fields[name].label,
                **bounds,
                widget=self.fields[name].widget,
            )
        self.fields["thinking_tokens"].required = False
        self.fields["note"].help_text = _("What you changed and why; only for you and colleagues.")

    def clean_thinking_tokens(self) -> int:
        """An empty field means no thinking."""
        return self.cleaned_data.get("thinking_tokens") or 0


class PromptSampleForm(forms.Form):
    """What a preview puts in for the variables."""

    sample_question = forms.CharField(
        label=_("Question"), max_length=500, required=False, widget=UnfoldAdminTextInputWidget()
    )
    sample_shop = forms.CharField(
        label=_("Shop name"), max_length=120, required=False, widget=UnfoldAdminTextInputWidget()
    )
    sample_region = forms.CharField(
        label=_("Customer's region"),
        max_length=80,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
    )
