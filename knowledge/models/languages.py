"""The languages that knowledge, prompts and rules are kept in."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Language(models.TextChoices):
    """Languages that knowledge, prompts and rules are kept in."""

    ZH_HANS = "zh-hans", _("Chinese (simplified)")
    EN = "en", _("English")


class AnyLanguage(models.TextChoices):
    """A language, or any."""

    ANY = "", _("Any language")
    ZH_HANS = "zh-hans", _("Chinese (simplified)")
    EN = "en", _("English")
