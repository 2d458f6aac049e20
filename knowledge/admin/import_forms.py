"""What an import asks: a file or an address, and which column is which."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from knowledge.documents.blocks import DocumentRefused
from knowledge.models import KnowledgeImport
from knowledge.services.imports.columns import FIELDS, NEEDED, columns_guess
from knowledge.services.imports.planning import SUFFIXES
from knowledge.web_pages.addresses import address_clean

HEADING_SHOWN: Final = 80

FIELD_LABELS: Final[dict[str, Any]] = {
    "question": _("question"),
    "answer": _("answer"),
    "phrasings": _("other phrasings"),
    "keywords": _("keywords"),
    "language": _("language"),
    "status": _("status"),
    "audience": _("audience"),
    "valid_from": _("valid from"),
    "valid_until": _("valid until"),
}


class ImportUploadForm(forms.ModelForm):
    """A file, where it goes, and whether customers see it at once."""

    file = forms.FileField(
        label=_("File"),
        required=False,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ",".join(SUFFIXES)}),
        help_text=_(
            "Questions and answers as CSV, Excel or JSON Lines; or a document as Markdown, HTML, "
            "text, PDF or Word, which is cut at its headings. Nothing changes before you have "
            "seen what would change."
        ),
    )

    class Meta:
        model = KnowledgeImport
        fields = ("site", "entry_status", "address", "whole_site")
        labels = {"whole_site": _("The whole site")}
        help_texts = {"whole_site": _("Every page that its sitemap lists.")}

    def clean(self) -> dict[str, Any]:
        """Either a file or an address."""
        data = super().clean() or {}
        if not settings.WEB_IMPORT:
            data["address"] = ""
        if data.get("file") and data.get("address"):
            self.add_error("address", _("Give a file or an address, not both."))
        elif not data.get("file") and not data.get("address") and "file" not in self.errors:
            self.add_error("file", _("Choose a file."))
        elif data.get("address"):
            try:
                data["address"] = address_clean(data["address"])
            except DocumentRefused as error:
                self.add_error("address", error.sentence)
        return data


class ImportColumnsForm(forms.Form):
    """Which column of the file each field is read from."""

    def __init__(self, *args: Any, columns: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        guess = columns_guess(columns)
        choices = [("", "–"), *((name, _heading(name)) for name in columns if name)]
        for field in FIELDS:
            self.fields[field] = forms.ChoiceField(
                label=FIELD_LABELS[field],
                choices=choices,
                required=field in NEEDED,
                initial=guess.get(field, ""),
                widget=UnfoldAdminSelectWidget,
            )


def _heading(name: str) -> str:
    return name if len(name) <= HEADING_SHOWN else f"{name[:HEADING_SHOWN]}…"
