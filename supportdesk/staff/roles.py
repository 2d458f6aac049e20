"""The three roles and what each may do; ``docs/staff.md`` says the same in words."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from django.apps import apps
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission, User
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class StaffRole(StrEnum):
    """A role is a group of this name; everybody at the desk has exactly one."""

    ADMIN = "admin"
    MANAGER = "manager"
    OPERATOR = "operator"

    @property
    def label(self) -> str | Promise:
        return ROLE_LABELS[self]


ROLE_LABELS: Final[dict[StaffRole, str | Promise]] = {
    StaffRole.ADMIN: _("Administrator"),
    StaffRole.MANAGER: _("Manager"),
    StaffRole.OPERATOR: _("Operator"),
}

_ALL = ("add", "change", "delete", "view")
_CONVERSATIONS = {
    "conversations.conversation": ("view",),
    "conversations.message": ("view",),
    "conversations.provenance": ("view",),
}
# Nobody may add, change or delete conversations and provenance: they are evidence. Whoever may
# change provenance may mark answers as recalled, and nothing else.
ROLE_PERMISSIONS: Final[dict[StaffRole, dict[str, tuple[str, ...]]]] = {
    StaffRole.ADMIN: {
        "knowledge.site": _ALL,
        "knowledge.entry": (*_ALL, "publish", "propose", "export"),
        "knowledge.phrasing": _ALL,
        "knowledge.entryproposal": ("view",),
        "knowledge.bulkchange": ("view",),
        "knowledge.audience": _ALL,
        "knowledge.knowledgeimport": ("add", "view"),
        "knowledge.prompttemplate": _ALL,
        "knowledge.promptversion": _ALL,
        "knowledge.questionset": _ALL,
        "knowledge.setquestion": _ALL,
        "knowledge.trial": ("add", "delete", "view"),
        "knowledge.rule": _ALL,
        "knowledge.tool": _ALL,
        "conversations.toolaction": ("view",),
        "knowledge.labelset": _ALL,
        "knowledge.label": _ALL,
        "knowledge.labelexample": _ALL,
        **_CONVERSATIONS,
        "conversations.provenance": ("change", "view"),
        "conversations.passageuse": ("view",),
        "conversations.replay": ("change", "view"),
        "conversations.rating": ("view",),
        "conversations.gap": ("change", "view"),
        "auth.user": ("add", "change", "view"),
    },
    StaffRole.MANAGER: {
        "knowledge.entry": ("view", "propose"),
        "knowledge.entryproposal": ("view",),
        "knowledge.audience": ("view",),
        "knowledge.prompttemplate": ("view",),
        "knowledge.promptversion": ("view",),
        "knowledge.questionset": ("view",),
        "knowledge.setquestion": ("view",),
        "knowledge.trial": ("view",),
        "knowledge.rule": ("view",),
        "knowledge.tool": ("view",),
        "conversations.toolaction": ("view",),
        "knowledge.labelset": ("view",),
        "knowledge.label": ("view",),
        "knowledge.labelexample": ("view",),
        **_CONVERSATIONS,
        "conversations.passageuse": ("view",),
        "conversations.replay": ("change", "view"),
        "conversations.rating": ("view",),
        "conversations.gap": ("view",),
    },
    StaffRole.OPERATOR: {
        "knowledge.entry": ("view", "propose"),
        "knowledge.entryproposal": ("view",),
        **_CONVERSATIONS,
    },
}


def roles_ensure(*, using: str = DEFAULT_DB_ALIAS, registry: Apps = apps) -> None:
    """Make the three groups hold exactly their permissions; running it again changes nothing.

    Runs after every ``migrate``, so a permission that a new version adds reaches the groups. It
    creates missing permissions first, because Django creates them app by app and the groups are
    not the last to be told.
    """
    for label in ("knowledge", "conversations", "auth"):
        create_permissions(
            registry.get_app_config(label), verbosity=0, interactive=False, using=using
        )
    for role, models in ROLE_PERMISSIONS.items():
        wanted = Q(pk__in=())
        for model_label, actions in models.items():
            app_label, model_name = model_label.split(".")
            codenames = [f"{action}_{model_name}" for action in actions]
            wanted |= Q(content_type__app_label=app_label, codename__in=codenames)
        group, _created = Group.objects.using(using).get_or_create(name=role.value)
        group.permissions.set(Permission.objects.using(using).filter(wanted))


def role_of(user: User) -> StaffRole | None:
    """The role of a person; ``None`` for somebody without one (a bare superuser, a customer)."""
    if not user.pk:
        return None
    name = (
        user.groups.filter(name__in=[role.value for role in StaffRole])
        .values_list("name", flat=True)
        .first()
    )
    return StaffRole(name) if name else None
