"""A shop's website."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.languages import Language


def _site_key() -> str:
    return secrets.token_urlsafe(16)


IDENTITY_SECRET_LEAST = 32
"""Characters of a secret for HS256: RFC 7518 asks for a key as long as the hash."""


def identity_key_check(value: str) -> None:
    """Refuse what can sign or check no identity token."""
    if identity_key_is_public(value):
        try:
            key = load_pem_public_key(value.strip().encode())
        except ValueError as error:
            raise ValidationError(_("This is not a public key in PEM.")) from error
        if not (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)):
            raise ValidationError(_("The public key must be one of the curve P-256."))
    elif "-----" in value:
        raise ValidationError(_("Give the public key of the pair; the private one stays with you."))
    elif len(value) < IDENTITY_SECRET_LEAST:
        raise ValidationError(
            _("A secret needs %(least)d characters or more."),
            params={"least": IDENTITY_SECRET_LEAST},
        )


def identity_key_is_public(value: str) -> bool:
    """Whether a site's identity key is a public key (ES256) and no shared secret (HS256)."""
    return value.lstrip().startswith("-----BEGIN PUBLIC KEY-----")


class Site(models.Model):
    """A shop's website that carries the widget."""

    name = models.CharField(_("name"), max_length=120, help_text=_("Shown to customers."))
    key = models.CharField(
        _("site key"),
        max_length=64,
        unique=True,
        default=_site_key,
        help_text=_("Stands in the widget's script tag. It is public."),
    )
    allowed_origins = models.TextField(
        _("allowed origins"),
        blank=True,
        help_text=_(
            "The addresses that may show the widget, one a line, with scheme and port, "
            "for example https://shop.example. Nothing else may connect."
        ),
    )
    language = models.CharField(
        _("language"), max_length=16, choices=Language.choices, default=Language.ZH_HANS
    )
    region = models.CharField(
        _("region"),
        max_length=80,
        blank=True,
        help_text=_("Used as the customer's region when nothing better is known."),
    )
    identity_secret = models.TextField(
        _("identity key"),
        max_length=2000,
        blank=True,
        validators=[identity_key_check],
        help_text=_(
            "Proves who is logged in to the shop: a secret of 32 characters or more that signs "
            "identity tokens (HS256), or the public key of a P-256 pair in PEM (ES256)."
        ),
    )
    identity_secret_previous = models.TextField(
        _("previous identity key"),
        max_length=2000,
        blank=True,
        validators=[identity_key_check],
        help_text=_("Still accepted, so that the key can be changed without a gap."),
    )
    welcome_zh = models.CharField(_("welcome text (Chinese)"), max_length=300, blank=True)
    welcome_en = models.CharField(_("welcome text (English)"), max_length=300, blank=True)
    trial_is_required = models.BooleanField(
        _("publish prompts for answers only after a trial"),
        default=False,
        help_text=_("A draft then needs a finished trial on a question set of its own text."),
    )
    trial_margin = models.FloatField(
        _("loss that needs no reason, in per cent"),
        default=0.0,
        validators=[MinValueValidator(0.0), MaxValueValidator(100.0)],
        help_text=_(
            "A draft that loses more right answers than this in its trial is published only with"
            " a written reason."
        ),
    )
    review_is_required = models.BooleanField(
        _("changes of entries are reviewed"),
        default=False,
        help_text=_(
            "What people without the permission to publish change waits until somebody with it "
            "approves; customers see the published text meanwhile."
        ),
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_demo = models.BooleanField(_("demo"), default=False, editable=False)
    knowledge_revision = models.PositiveBigIntegerField(
        _("knowledge revision"),
        default=0,
        editable=False,
        help_text="Grows with every change of entries and phrasings (knowledge/revisions.py).",
    )
    wording_revision = models.PositiveBigIntegerField(
        default=0,
        editable=False,
        help_text="Grows with every change of rules and prompts (knowledge/revisions.py).",
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def origins(self) -> list[str]:
        """The allowed origins as a list, without blank lines."""
        return [line.strip() for line in self.allowed_origins.splitlines() if line.strip()]
