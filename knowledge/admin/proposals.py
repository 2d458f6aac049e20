"""Proposed changes: what each would change, and the buttons to approve or refuse it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from knowledge.admin.entry_history import audience_names, fields_shown
from knowledge.admin.records import ReadOnlyAdmin, record_get
from knowledge.models import Entry, EntryProposal
from knowledge.services.entries import AudienceGone
from knowledge.services.proposals import (
    PUBLISH,
    ProposalStateWrong,
    proposal_approve,
    proposal_made,
    proposal_outcome,
    proposal_refuse,
    proposal_withdraw,
)
from knowledge.services.revisions import EntryContent, content_of

State = EntryProposal.State


@admin.register(EntryProposal)
class EntryProposalAdmin(ReadOnlyAdmin):
    """Proposals come from the form of an entry and are decided on their own page."""

    list_display = ("question", "state_label", "kind", "site", "by", "created_at")
    list_filter = ("state", "site")
    list_filter_sheet = True
    list_select_related = ("site", "by")
    search_fields = ("question", "answer")
    ordering = ("-created_at", "-pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[EntryProposal]:
        # What has a number is history, not a proposal.
        return super().get_queryset(request).filter(number__isnull=True)

    @display(
        description=_("state"),
        ordering="state",
        label={
            State.PROPOSED.value: "warning",
            State.APPLIED.value: "success",
            State.REFUSED.value: "danger",
            State.WITHDRAWN.value: "",
        },
    )
    def state_label(self, proposal: EntryProposal) -> tuple[str, str]:
        return proposal.state, proposal.get_state_display()

    @display(description=_("what"))
    def kind(self, proposal: EntryProposal) -> str:
        return gettext("New entry") if proposal.based_on is None else gettext("Change")

    def get_urls(self) -> list[URLPattern]:
        step = self.admin_site.admin_view(self.step_view)
        return [
            path("<int:proposal_id>/step/", step, name="knowledge_entryproposal_step"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What the proposal would change in the entry as it is now."""
        proposal: EntryProposal = record_get(self, request, object_id)
        entry = Entry.objects.filter(pk=proposal.entry_id or 0).first()
        conflicts = tuple[str, ...]()
        if entry is not None and proposal.state == State.PROPOSED:
            outcome = proposal_outcome(proposal=proposal, entry=entry)
            before: EntryContent | None = content_of(entry)
            after, conflicts = outcome.content, outcome.conflicts
        else:
            before, after = proposal_made(proposal=proposal)
        fields = fields_shown(before, after, audience_names(proposal))
        is_open = proposal.state == State.PROPOSED
        context = {
            **self.admin_site.each_context(request),
            "title": proposal.question,
            "opts": self.opts,
            "original": proposal,
            "proposal": proposal,
            "entry": entry,
            "fields": [field for field in fields if field.is_changed or before is None],
            "conflicts": [field.label for field in fields if field.name in conflicts],
            "may_decide": is_open and request.user.has_perm(PUBLISH),
            "may_withdraw": is_open and proposal.by_id == request.user.pk,
            "reason_field": UnfoldAdminTextInputWidget(
                attrs={"maxlength": 500, "id": "reason"}
            ).render("reason", ""),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/knowledge/entryproposal/decide.html", context)

    def step_view(self, request: HttpRequest, proposal_id: int) -> HttpResponse:
        """A button of the page."""
        proposal: EntryProposal = record_get(self, request, proposal_id)
        step = request.POST.get("step")
        if request.method != "POST":
            raise PermissionDenied
        if step != "withdraw" and not request.user.has_perm(PUBLISH):
            raise PermissionDenied
        try:
            self._step(request, proposal, step)
        except ProposalStateWrong as error:
            messages.error(request, str(error))
        except AudienceGone:
            messages.error(request, gettext("It is for an audience that is gone."))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        return HttpResponseRedirect(
            reverse("admin:knowledge_entryproposal_change", args=[proposal.pk])
        )

    def _step(self, request: HttpRequest, proposal: EntryProposal, step: str | None) -> None:
        match step:
            case "approve" | "overrule":
                proposal_approve(proposal=proposal, by=request.user, overrules=step == "overrule")
                messages.success(request, gettext("The change is made."))
            case "refuse":
                reason = request.POST.get("reason", "")
                proposal_refuse(proposal=proposal, by=request.user, reason=reason)
                messages.success(request, gettext("The proposal was refused."))
            case "withdraw":
                proposal_withdraw(proposal=proposal, by=request.user)
                messages.success(request, gettext("The proposal was withdrawn."))
            case _:
                raise Http404
