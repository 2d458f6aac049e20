"""The history of an entry: what each revision changed, and the button that brings one back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from knowledge.admin.differences import difference_html, lines_difference_html
from knowledge.admin.records import record_get
from knowledge.models import Audience, Entry, EntryRevision, Language
from knowledge.services.entries import AudienceGone, entry_revert
from knowledge.services.locks import knowledge_lock
from knowledge.services.proposals import change_is_live
from knowledge.services.revisions import EntryContent, content_of_revision, revision_catch_up

REVISIONS_SHOWN: Final = 20

_LABELS: Final[Mapping[str, Any]] = {
    "question": _("question"),
    "phrasings": _("other phrasings"),
    "answer": _("answer"),
    "keywords": _("keywords"),
    "language": _("language"),
    "status": _("status"),
    "audience_id": _("audience"),
    "valid_from": _("valid from"),
    "valid_until": _("valid until"),
}


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field with what changed in it marked."""

    name: str
    label: str | Promise
    html: SafeString
    is_changed: bool


@dataclass(frozen=True, slots=True)
class ShownRevision:
    """A revision with the fields that it changed; ``fields`` of the first one are all."""

    revision: EntryRevision
    fields: list[ShownField]
    is_first: bool


def fields_shown(
    before: EntryContent | None, after: EntryContent, audiences: Mapping[int, str]
) -> list[ShownField]:
    """Every field of ``after``, with the difference to ``before`` (None: nothing was there)."""
    shown = []
    for name, label in _LABELS.items():
        now = _text(name, after, audiences)
        was = _text(name, before, audiences) if before is not None else now
        if was or now:
            marked = lines_difference_html if name == "phrasings" else difference_html
            shown.append(ShownField(name, label, marked(was, now), was != now))
    return shown


def audience_names(*revisions: EntryRevision) -> dict[int, str]:
    """The names of all audiences, also of those that are gone but stand in these revisions."""
    kept = {
        revision.audience_id: revision.audience_name
        for revision in revisions
        if revision.audience_id is not None
    }
    return kept | dict(Audience.objects.values_list("pk", "name"))


def _text(name: str, content: EntryContent, audiences: Mapping[int, str]) -> str:
    value = getattr(content, name)
    if name == "audience_id":
        return gettext("Everyone") if value is None else audiences.get(value, f"#{value}")
    if name in ("valid_from", "valid_until"):
        return date_format(timezone.localtime(value), "SHORT_DATETIME_FORMAT") if value else ""
    if name == "phrasings":
        return "\n".join(value)
    if name == "language":
        return str(Language(value).label)
    return str(Entry.Status(value).label) if name == "status" else str(value)


class EntryHistoryPages:
    """The pages of the history, for the admin of entries."""

    admin_site: Any
    opts: Any

    def history_urls(self) -> list[URLPattern]:
        revert = self.admin_site.admin_view(self.revert_view)
        return [path("<int:entry_id>/revert/", revert, name="knowledge_entry_revert")]

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Every revision, newest first, each with what it changed."""
        entry: Entry = record_get(self, request, object_id)
        # Also what was written past the services since; a page that is looked at may keep it.
        with transaction.atomic():
            knowledge_lock(entry_id=entry.pk)
            locked = Entry.objects.select_for_update().filter(pk=entry.pk).first()
            if locked is not None:
                revision_catch_up(entry=locked)
        revisions = EntryRevision.objects.filter(entry_id=entry.pk, number__isnull=False)
        revisions = revisions.select_related("by").order_by("-number")
        page = Paginator(revisions, REVISIONS_SHOWN).get_page(request.GET.get("page"))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("History"),
            "subtitle": entry.question,
            "opts": self.opts,
            "object": entry,
            "original": entry,
            "page": page,
            "revisions": _revisions_shown(list(page)),
            "may_revert": change_is_live(user=request.user, site=entry.site),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/entry/history.html", context)

    def revert_view(self, request: HttpRequest, entry_id: int) -> HttpResponse:
        """Bring a revision back; only for those whose changes are seen at once."""
        entry: Entry = record_get(self, request, entry_id)
        if request.method != "POST" or not change_is_live(user=request.user, site=entry.site):
            raise PermissionDenied
        number = request.POST.get("number", "")
        revision = (
            EntryRevision.objects.filter(entry_id=entry.pk, number=int(number)).first()
            if number.isdecimal()
            else None
        )
        if revision is None:
            messages.error(request, gettext("There is no such revision."))
            return self._history(entry)
        try:
            entry_revert(entry=entry, revision=revision, by=request.user)
        except AudienceGone:
            messages.error(
                request,
                gettext(
                    "This revision was for the audience “%(name)s”, which is gone. Copy its text "
                    "instead, and say for whom it is."
                )
                % {"name": revision.audience_name},
            )
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            text = gettext("The entry says again what it said in revision %(number)d.")
            messages.success(request, text % {"number": revision.number})
        return self._history(entry)

    def _history(self, entry: Entry) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:knowledge_entry_history", args=[entry.pk]))


def _revisions_shown(revisions: list[EntryRevision]) -> list[ShownRevision]:
    if not revisions:
        return []
    last = revisions[-1]
    older = (
        EntryRevision.objects.filter(entry_id=last.entry_id or 0, number__lt=last.number)
        .order_by("-number")
        .first()
    )
    names = audience_names(*revisions)
    shown = []
    for revision, before in zip(revisions, [*revisions[1:], older], strict=True):
        content = content_of_revision(revision)
        was = content_of_revision(before) if before is not None else None
        fields = fields_shown(was, content, names)
        changed = [field for field in fields if field.is_changed or before is None]
        shown.append(ShownRevision(revision, changed, before is None))
    return shown
