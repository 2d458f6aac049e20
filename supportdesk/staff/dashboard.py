"""What the first page of the admin shows: what to do next and the key figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from conversations.enums import Mode, Role
from conversations.models import Conversation, Message, Visitor
from conversations.reports.periods import period_recent
from conversations.reports.selectors import ratings_lowest, satisfaction
from knowledge.models import Entry, EntryProposal, Site
from knowledge.selectors import entries_due

FIGURE_DAYS = 7


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do before the desk is the shop's own."""

    title: str | Promise
    hint: str | Promise
    link: str
    link_title: str | Promise
    is_done: bool


def steps_first() -> list[Step]:
    """The checklist of a new desk, in the order in which a shop does it."""
    own_site = Site.objects.filter(is_demo=False, is_active=True).first()
    site_link = (
        reverse("admin:knowledge_site_change", args=[own_site.pk])
        if own_site
        else reverse("admin:knowledge_site_add")
    )
    return [
        Step(
            title=_("Choose your own password"),
            hint=_("Done: the desk asks for it at the first login."),
            link=reverse("admin:password_change"),
            link_title=_("Change password"),
            is_done=True,
        ),
        Step(
            title=_("Try a question"),
            hint=_("Open the demo shop and ask something, in Chinese or English."),
            link="/",
            link_title=_("Open the start page"),
            is_done=Message.objects.filter(role=Role.CUSTOMER).exists(),
        ),
        Step(
            title=_("Add your shop"),
            hint=_("Its name and the address of the website that will show the chat."),
            link=site_link,
            link_title=_("Add a site"),
            is_done=own_site is not None,
        ),
        Step(
            title=_("Add knowledge"),
            hint=_("Questions your customers ask, with the answers they should get."),
            link=reverse("admin:knowledge_entry_add"),
            link_title=_("Add an entry"),
            is_done=Entry.objects.filter(
                site__is_demo=False, status=Entry.Status.PUBLISHED
            ).exists(),
        ),
        Step(
            title=_("Put the chat on your website"),
            hint=_("Copy one line into your pages; done when the first visitor opens it."),
            link=site_link,
            link_title=_("Show the line"),
            is_done=Visitor.objects.filter(site__is_demo=False).exists(),
        ),
    ]


@dataclass(frozen=True, slots=True)
class Care:
    """What of the knowledge waits for somebody: a count and where to look at it."""

    title: str | Promise
    count: int
    link: str


def knowledge_care(user: Any) -> list[Care]:
    """What waits for this person in the knowledge; nothing that is zero."""
    entries = reverse("admin:knowledge_entry_changelist")
    due = entries_due(Entry.objects.all(), on=timezone.localdate())
    waiting = [Care(_("Entries to look at again"), due.count(), f"{entries}?due=all")]
    mine = due.filter(owner_id=user.pk).count()
    waiting.insert(0, Care(_("Your entries to look at again"), mine, f"{entries}?due=mine"))
    if user.has_perm("knowledge.view_entryproposal"):
        proposals = reverse("admin:knowledge_entryproposal_changelist")
        count = EntryProposal.objects.filter(state=EntryProposal.State.PROPOSED).count()
        waiting.append(Care(_("Proposed changes"), count, f"{proposals}?state__exact=proposed"))
    return [care for care in waiting if care.count]


def dashboard_context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the person's role may see to the context of the first page."""
    user = request.user
    if user.has_perm("knowledge.change_site"):
        steps = steps_first()
        context["steps"] = steps
        context["steps_done"] = sum(step.is_done for step in steps)
        context["has_demo"] = Site.objects.filter(is_demo=True).exists()
    if user.has_perm("knowledge.view_entry"):
        context["care"] = knowledge_care(user)
    if user.has_perm("conversations.view_rating"):
        period = period_recent(FIGURE_DAYS)
        context["figures"] = satisfaction(period)
        context["figure_days"] = FIGURE_DAYS
        context["lowest"] = ratings_lowest(period, limit=3)
    if user.has_perm("conversations.view_conversation"):
        conversations = Conversation.objects.select_related("site", "visitor")
        context["waiting_count"] = conversations.filter(mode=Mode.QUEUED).count()
        context["recent"] = list(conversations.order_by("-updated_at")[:6])
    return context
