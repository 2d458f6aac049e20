"""The models of one server process: their names, their state, the way to run them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from inference.chat import EngineState
from inference.engines.protocol import ChatEngine, EmbeddingEngine, PrefixReport
from inference.errors import EngineDown, EngineStarting, WeightsError
from inference.scheduler import Scheduler, SchedulerStatus
from inference.server.errors import ApiError


@dataclass(frozen=True, slots=True)
class LoadedChat:
    """A chat engine, the name that it goes by, and the hash of its weights."""

    name: str
    engine: ChatEngine
    model_hash: str = ""


@dataclass(frozen=True, slots=True)
class LoadedEmbedding:
    """An embedding engine and the name that it goes by."""

    name: str
    engine: EmbeddingEngine


ChatLoader = Callable[[], LoadedChat]
EmbeddingLoader = Callable[[], LoadedEmbedding]


@dataclass(slots=True)
class InferenceService:
    """Loads the models in threads and hands out the engines once they are there.

    A loader that raises ``WeightsError`` stops the service for good: ``detail`` says why, and
    ``failed`` is set; otherwise ``loaded`` is, in the end.
    """

    chat_loader: ChatLoader | None = None
    embedding_loader: EmbeddingLoader | None = None
    aliases: Sequence[str] = ()
    state: EngineState = "loading"
    detail: str = ""
    prefixes: PrefixReport = field(default=PrefixReport(kept=0, tokens=0, refused=0))
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    loaded: asyncio.Event = field(default_factory=asyncio.Event)
    _chat: LoadedChat | None = None
    _embedding: LoadedEmbedding | None = None
    _scheduler: Scheduler | None = None

    async def load(self) -> None:
        """Load every model; returns when all are loaded or one cannot be."""
        try:
            if self.embedding_loader is not None:
                self._embedding = await asyncio.to_thread(self.embedding_loader)
            if self.chat_loader is not None:
                self._chat = await asyncio.to_thread(self.chat_loader)
                self._scheduler = Scheduler(self._chat.engine)
        except WeightsError as error:
            self._fail(str(error))
        except BaseException:
            self._fail("The model could not be loaded.")
            raise
        else:
            self.state = "ready"
            self.loaded.set()

    def _fail(self, detail: str) -> None:
        self.state, self.detail = "stopped", detail
        self.failed.set()

    @property
    def fingerprint(self) -> str:
        """Name and hash of the chat model, ``name@hash``, whatever clients call it."""
        return f"{self._chat.name}@{self._chat.model_hash}" if self._chat is not None else ""

    def close(self) -> None:
        """Stop taking requests and give the memory back."""
        self.state = "stopped"
        for loaded in (self._chat, self._embedding):
            if loaded is not None:
                loaded.engine.close()

    @property
    def models(self) -> tuple[str, ...]:
        """Every name that clients may use."""
        return (*self._chat_names(), *self._embedding_names())

    def scheduler(self, model: str) -> Scheduler:
        """The scheduler of the chat model that goes by this name.

        Raises:
            EngineStarting, EngineDown: no model is loaded (yet, or any more).
            ApiError: no chat model has this name.
        """
        self._ready_check()
        if self._scheduler is None or model not in self._chat_names():
            raise _model_unknown(model, self._chat_names())
        return self._scheduler

    def chat_default(self) -> str:
        """The chat model's own name.

        Raises:
            ApiError: this server has none.
        """
        self._ready_check()
        if self._chat is None:
            raise _model_unknown("", ())
        return self._chat.name

    def embedding_engine(self, model: str) -> EmbeddingEngine:
        """The engine of the embedding model that goes by this name; errors as ``scheduler``."""
        self._ready_check()
        if self._embedding is None or model not in self._embedding_names():
            raise _model_unknown(model, self._embedding_names())
        return self._embedding.engine

    def status(self) -> SchedulerStatus:
        if self._scheduler is None:
            return SchedulerStatus(running=0, waiting=0, overdue_seconds=0.0)
        return self._scheduler.status()

    def _ready_check(self) -> None:
        if self.state == "loading":
            raise EngineStarting("The model is still loading: try again in a few seconds.")
        if self.state == "stopped":
            raise EngineDown(self.detail or "The server is stopping.")

    def _chat_names(self) -> tuple[str, ...]:
        return () if self._chat is None else (self._chat.name, *self.aliases)

    def _embedding_names(self) -> tuple[str, ...]:
        return () if self._embedding is None else (self._embedding.name,)


def _model_unknown(model: str, known: Sequence[str]) -> ApiError:
    names = ", ".join(known) or "none for this purpose"
    return ApiError(
        404, f"There is no model {model!r} here; known: {names}.", "model_not_found", "model"
    )
