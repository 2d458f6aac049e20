"""Who may see an entry."""

from __future__ import annotations

from django.core.validators import MaxLengthValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.sites import Site

GROUP_MOST = 60
"""Characters of the name of one group, here and in a signed identity."""


class Audience(models.Model):
    """Customers that an entry may be shown to; an entry without an audience is for everyone.

    Nobody belongs to an audience without a signed identity. The identity's claim ``groups`` names
    the groups of a customer; the audience lists those that it lets in.
    """

    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, related_name="audiences", verbose_name=_("site")
    )
    name = models.CharField(_("name"), max_length=80)
    groups = models.TextField(
        _("groups"),
        max_length=2000,
        blank=True,
        validators=[MaxLengthValidator(2000)],
        help_text=_(
            "One a line, as the claim “groups” of a signed identity names them; one of them is "
            "enough. Empty: every customer who is logged in to the shop."
        ),
    )

    class Meta:
        verbose_name = _("audience")
        verbose_name_plural = _("audiences")
        ordering = ["site", "name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="audience_once_per_site")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def group_names(self) -> frozenset[str]:
        """The groups that it lets in; empty: every known customer."""
        return frozenset(line.strip() for line in self.groups.splitlines() if line.strip())
