"""Writes to audiences."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from knowledge.models import Audience, Site
from knowledge.models.audiences import GROUP_MOST


@transaction.atomic
def audience_create(*, site: Site, name: str, groups: str = "") -> Audience:
    """Create an audience; ``groups`` are names, one a line (none: every known customer).

    Raises:
        ValidationError: the site has one of that name, or a group's name is too long.
    """
    return _save(Audience(site=site, name=name.strip(), groups=groups))


@transaction.atomic
def audience_update(*, audience: Audience, name: str, groups: str) -> Audience:
    """Change an audience; from the next question on it lets in who belongs to it now.

    Raises:
        ValidationError: as for :func:`audience_create`.
    """
    audience.name, audience.groups = name.strip(), groups
    return _save(audience)


@transaction.atomic
def audience_delete(*, audience: Audience) -> None:
    """Delete an audience.

    Raises:
        RestrictedError: an entry is for it; nothing may become visible to everyone by the way.
    """
    audience.delete()


def _save(audience: Audience) -> Audience:
    audience.groups = "\n".join(sorted(audience.group_names))
    if any(len(group) > GROUP_MOST for group in audience.group_names):
        raise ValidationError(
            {
                "groups": _("The name of a group may have at most %(most)d characters.")
                % {"most": GROUP_MOST}
            }
        )
    audience.full_clean()
    audience.save()
    return audience
