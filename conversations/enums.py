"""The words that are stored and sent for the state of a conversation; one enum each."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Mode(models.TextChoices):
    """Who answers in a conversation."""

    BOT = "bot", _("Assistant")
    QUEUED = "queued", _("Waiting for a person")
    HUMAN = "human", _("With a person")
    CLOSED = "closed", _("Closed")


class Role(models.TextChoices):
    """Who wrote an item."""

    CUSTOMER = "customer", _("Customer")
    ASSISTANT = "assistant", _("Assistant")
    OPERATOR = "operator", _("Operator")
    SYSTEM = "system", _("System")


class Tier(models.TextChoices):
    """The rung of the ladder that gave an answer."""

    GUARD = "guard", _("Guard")
    RULES = "rules", _("Rules")
    TOOL = "tool", _("Tool")
    CACHE = "cache", _("Cache")
    DIRECT = "direct", _("Direct answer")
    GENERATED = "generated", _("Generated")
    FALLBACK = "fallback", _("Fallback rules")
    APOLOGY = "apology", _("Apology")


class Outcome(models.TextChoices):
    """How a turn ended; every accepted message with a turn gets exactly one."""

    ANSWER = "answer", _("Answer")
    HANDOFF = "handoff", _("Handed to a person")
    CANCELLED = "cancelled", _("Cancelled")
    MERGED = "merged", _("Answered with the next message")


class Reason(models.TextChoices):
    """Why a tier other than the usual one answered."""

    FIRST_TOKEN = "first_token", _("The model was late to begin")
    DEADLINE = "deadline", _("The model was late to finish")
    OVERLOAD = "overload", _("Too many questions at once")
    ENGINE_DOWN = "engine_down", _("The model was not running")
    STARTING = "starting", _("The model was still loading")
    INVALID_OUTPUT = "invalid_output", _("The model's output was not usable")
    UNSUPPORTED = "unsupported", _("The model's answer was not supported by the knowledge")
    NOT_IN_KNOWLEDGE = "not_in_knowledge", _("The knowledge base does not answer this")
    HUMAN_REQUESTED = "human_requested", _("The customer asked for a person")
    RULE = "rule", _("A rule fired")
    TOOL_FAILED = "tool_failed", _("A tool failed")
    AMBIGUOUS = "ambiguous", _("Several entries fit; the customer was asked which one")


class TurnState(models.TextChoices):
    """Where a turn is in its life."""

    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
