"""Which models a trial may be answered by, and how to reach them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from django.conf import settings
from django.utils.translation import gettext as _

from conversations.engine_lease import EngineUnavailable, server_started
from conversations.engines import model_name
from inference.backends.assembly import backends_make
from inference.backends.pool import PoolPolicy
from inference.chat import ChatClient
from inference.errors import WeightsError
from inference.weights.inventory import inventory
from inference.weights.memory import memory_check
from inference.weights.store import model_find

_ENGINE: Final = "engine:"
_WEIGHTS: Final = "model:"
_FIRST_TOKEN_SECONDS: Final = 60.0


def model_choices() -> list[tuple[str, str]]:
    """Value and words of every model that a trial may use: the remote engines of the settings, and
    the converted weights on this machine."""
    choices = [("", _("The one that answers customers: %(name)s") % {"name": model_name()})]
    choices += [
        (f"{_ENGINE}{spec.name}", _("Engine %(name)s (%(host)s)") % {"name": spec.name, "host": spec.host})
        for spec in settings.ENGINES
    ]  # fmt: skip
    choices += [
        (f"{_WEIGHTS}{entry.name}", _("%(name)s, on this machine") % {"name": entry.name})
        for entry in inventory(settings.CACHE_DIR)
        if entry.manifest is not None and entry.kind == "chat" and entry.name != model_name()
    ]
    return choices


def model_words(model: str) -> str:
    """A stored choice in words, also of a model that is gone."""
    return dict(model_choices()).get(model, model.partition(":")[2] or model)


def is_started_for_it(model: str) -> bool:
    """Whether a process has to be started for this model, which takes seconds."""
    return model.startswith(_WEIGHTS)


@asynccontextmanager
async def model_opened(model: str) -> AsyncIterator[ChatClient | None]:
    """The model of a trial; ``None`` for the one that answers customers.

    Weights on this machine run in a server of their own for as long as the body does.

    Raises:
        EngineUnavailable: it is not known any more, or cannot run here; says why.
    """
    policy = PoolPolicy(first_token=_FIRST_TOKEN_SECONDS)
    kind, _colon, name = model.partition(":")
    if not model:
        yield None
    elif kind == _ENGINE.rstrip(":"):
        specs = [spec for spec in settings.ENGINES if spec.name == name]
        if not specs:
            raise EngineUnavailable(_("There is no engine “%(name)s” any more.") % {"name": name})
        remote = backends_make(specs, local_order="off", pool_policy=policy)
        try:
            yield remote
        finally:
            await remote.aclose()
    else:
        try:
            path = model_find(name, settings.CACHE_DIR)
            memory_check(path)
        except WeightsError as error:
            raise EngineUnavailable(str(error)) from error
        async with server_started(chat=path) as addresses:
            local = backends_make(
                (), local_url=addresses.engine_url, local_model=path.name,
                local_key=addresses.api_key, pool_policy=policy,
            )  # fmt: skip
            try:
                yield local
            finally:
                await local.aclose()
