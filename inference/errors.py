"""The errors of the inference app: a caller decides retry, fallback or report by their type."""

from __future__ import annotations


def gettext_noop(message: str) -> str:
    """Mark a sentence for the catalogue, whose tool finds it by this name.

    This app knows no languages: who shows an error to a person translates its ``message``.
    """
    return message


class InferenceError(Exception):
    """Base of every error that this app raises on purpose; ``str()`` is one plain sentence.

    ``message`` is the sentence with places like ``%(line)d`` when there are ``params`` to fill
    them, so that it can be translated first.
    """

    def __init__(self, message: str = "", **params: object) -> None:
        super().__init__(message % params if params else message)
        self.message = message
        self.params = params


class WeightsError(InferenceError):
    """Weights are missing, damaged, of an unsupported kind, or cannot be had."""


class EngineError(InferenceError):
    """Base of the errors of one request to an engine."""


class EngineStarting(EngineError):
    """The engine process is up, but its model is still loading."""


class EngineDown(EngineError):
    """No engine answers at the address, or it broke off mid-answer."""


class EngineUnreachable(EngineDown):
    """Nobody listens at the engine's address: it is stopped, or just being started again."""


class EngineOverloaded(EngineError):
    """The engine refused the request: the queue is full or the wait would pass the deadline."""


class EngineTimeout(EngineError):
    """The caller's deadline passed before the engine was done."""


class RequestInvalid(EngineError):
    """The engine refused the request for its contents (unknown model, bad parameter, too long)."""


class ModelUnknown(RequestInvalid):
    """The engine has no model of the name that it was asked for: a setting is wrong."""


class ContextExceeded(RequestInvalid):
    """Prompt and answer together do not fit into the model's context."""


class PromptError(InferenceError):
    """A prompt template cannot be rendered: bad syntax, unknown variable, endless loop, too long."""


class RuleError(InferenceError):
    """A rule is not usable, for example because of its pattern."""


class LabelsError(InferenceError):
    """A label set is not usable: its examples, labels or stored weights."""
