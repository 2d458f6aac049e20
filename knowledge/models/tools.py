"""Tools: what may be looked up or changed in the shop's own systems."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from knowledge.models.fields import OrderedJSONField
from knowledge.models.languages import Language
from knowledge.models.sites import Site

tool_key_check = RegexValidator(
    r"\A[a-z][a-z0-9_]{1,39}\Z",
    _("A key is made of small letters, digits and underscores, and begins with a letter."),
)


class Tool(models.Model):
    """Looks something up for a customer, or changes it once the customer has confirmed."""

    class Kind(models.TextChoices):
        HTTP = "http", _("HTTP request")
        PYTHON = "python", _("Python function")

    class Method(models.TextChoices):
        GET = "GET", "GET"
        POST = "POST", "POST"
        PUT = "PUT", "PUT"
        PATCH = "PATCH", "PATCH"
        DELETE = "DELETE", "DELETE"

    site = models.ForeignKey(
        Site,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="tools",
        verbose_name=_("site"),
        help_text=_("Empty: for every site."),
    )
    key = models.CharField(
        _("key"),
        max_length=40,
        validators=[tool_key_check],
        help_text=_("Its name for rules, the model and the log, for example order_status."),
    )
    title = models.CharField(_("title"), max_length=120, help_text=_("Shown to staff."))
    description = models.CharField(
        _("description"),
        max_length=500,
        blank=True,
        help_text=_("What it does, in a sentence; the model reads this."),
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices, default=Kind.HTTP)
    changes = models.BooleanField(
        _("changes something"),
        default=False,
        help_text=_("The customer has to confirm each call in the chat."),
    )
    needs_identity = models.BooleanField(
        _("only for customers who are logged in"),
        default=True,
        help_text=_("Whoever is not is asked to log in on the shop's page."),
    )
    parameters = OrderedJSONField(
        _("parameters"),
        default=dict,
        blank=True,
        help_text=_("A JSON schema of an object; docs/tools.md tells what x-find and x-ask are."),
    )
    method = models.CharField(_("method"), max_length=8, choices=Method.choices, default=Method.GET)
    url = models.CharField(
        _("address"),
        max_length=500,
        blank=True,
        help_text=_("With places in braces, for example https://shop.example/orders/{number}."),
    )
    headers = models.TextField(
        _("headers"),
        blank=True,
        max_length=2000,
        help_text=_(
            "One a line, as Name: value. {actor.id} is the customer, "
            "{secret.NAME} a secret of the settings."
        ),
    )
    allowed_hosts = models.TextField(
        _("further hosts"),
        blank=True,
        max_length=1000,
        help_text=_("Hosts that the address may redirect to, one a line. Empty: none."),
    )
    function = models.CharField(
        _("function"),
        max_length=200,
        blank=True,
        help_text=_("Dotted path; SUPPORTDESK_TOOL_FUNCTIONS must list it."),
    )
    timeout_seconds = models.FloatField(
        _("time limit in seconds"),
        default=5.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(15.0)],
    )
    response_bytes = models.PositiveIntegerField(
        _("longest answer in bytes"),
        default=65536,
        validators=[MinValueValidator(64), MaxValueValidator(1048576)],
    )
    mapping = OrderedJSONField(
        _("result"),
        default=dict,
        blank=True,
        help_text=_(
            'Names and JSON pointers into the answer, for example {"status": "/order/state"}. '
            "Empty: the whole answer."
        ),
    )
    is_repeatable = models.BooleanField(
        _("may be repeated"),
        default=False,
        help_text=_(
            "The other system knows the header Idempotency-Key: a change whose outcome is "
            "unknown may be asked for again."
        ),
    )
    confirm_seconds = models.PositiveIntegerField(
        _("seconds to confirm"),
        default=600,
        validators=[MinValueValidator(30), MaxValueValidator(86400)],
    )
    check_tool = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.RESTRICT,
        related_name="+",
        verbose_name=_("look first with"),
        help_text=_("A tool that reads, called before the change is offered."),
    )
    check_flag = models.CharField(
        _("which must say yes in"),
        max_length=80,
        blank=True,
        help_text=_("Name in its result that has to be true for the change to be offered."),
    )
    model_may_call = models.BooleanField(
        _("the model may call it"),
        default=False,
        help_text=_(
            "Beside the rules: when all arguments stand in the customer's own words. "
            "A changing tool still needs the confirmation."
        ),
    )
    model_words = models.BooleanField(
        _("the model words the reply"),
        default=False,
        help_text=_("Under the support check; the reply below is sent where it fails."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_demo = models.BooleanField(_("demo"), default=False, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("tool")
        verbose_name_plural = _("tools")
        ordering = ["key", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["site", "key"],
                name="tool_key_once",
                violation_error_message=_("There is a tool with this key for this site."),
            ),
            models.UniqueConstraint(
                fields=["key"],
                condition=models.Q(site=None),
                name="tool_key_once_everywhere",
                violation_error_message=_("There is a tool with this key for every site."),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class ToolWording(models.Model):
    """What customers read of a tool, in one language."""

    tool = models.ForeignKey(Tool, on_delete=models.CASCADE, related_name="wordings")
    language = models.CharField(_("language"), max_length=16, choices=Language.choices)
    status = models.CharField(
        _("while it runs"),
        max_length=80,
        blank=True,
        help_text=_("For example: Looking up your order"),
    )
    reply = models.TextField(
        _("reply"),
        max_length=4000,
        help_text=_("Jinja2 with arguments, result, customer, shop_name, current_time."),
    )
    reply_missing = models.TextField(_("when there is no such thing"), max_length=2000, blank=True)
    reply_refused = models.TextField(_("when the change is refused"), max_length=2000, blank=True)
    confirm = models.TextField(
        _("what the customer confirms"),
        max_length=2000,
        blank=True,
        help_text=_(
            "Above the card with the values; checked is the result of the tool asked first."
        ),
    )
    login = models.TextField(
        _("when nobody is logged in"),
        max_length=1000,
        blank=True,
        help_text=_("Empty: a request to log in on the shop's page."),
    )

    class Meta:
        verbose_name = _("wording")
        verbose_name_plural = _("wordings")
        ordering = ["tool", "language"]
        constraints = [
            models.UniqueConstraint(
                fields=["tool", "language"],
                name="tool_wording_once",
                violation_error_message=_("There are words in this language already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.tool} ({self.language})"
