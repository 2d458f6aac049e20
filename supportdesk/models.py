"""What the desk remembers about the people who work at it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class PasswordChangeDue(models.Model):
    """A person whose password was set by somebody else and who must choose an own one."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="password_change_due",
        verbose_name=_("user"),
    )
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

    class Meta:
        verbose_name = _("password change that is due")
        verbose_name_plural = _("password changes that are due")

    def __str__(self) -> str:
        return str(self.user)
