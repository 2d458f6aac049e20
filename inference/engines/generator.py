"""Runs a chat model with CTranslate2, in int8 on a CPU."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from inference.chat import ChatChunk, ChatMessage, GenerationParameters
from inference.engines.answer_text import TokenAnswer
from inference.engines.chat_template import ChatTemplate
from inference.engines.detokenization import token_bytes
from inference.engines.devices import device_choose
from inference.engines.prefixes import PrefixTable
from inference.engines.protocol import (
    PLAIN_PROMPT,
    AnswerTask,
    PrefixReport,
    Prompt,
    PromptOptions,
)
from inference.engines.tuning import EngineTuning, tuning_load
from inference.errors import EngineDown, RequestInvalid, WeightsError, gettext_noop

if TYPE_CHECKING:
    from ctranslate2 import Generator
    from numpy.typing import NDArray

    from inference.weights.manifest import Manifest

logger = logging.getLogger(__name__)
T = TypeVar("T")
_RENEW_TRIES = 100
# What the native code raises; the process goes on after any of them.
_NATIVE_ERRORS = (RuntimeError, ValueError, MemoryError)


class GeneratorEngine:
    """A ``ChatEngine`` over a CTranslate2 ``Generator``."""

    def __init__(
        self,
        generator: Generator,
        template: ChatTemplate,
        *,
        context_length: int,
        end_ids: Sequence[int],
        tuning: EngineTuning,
    ) -> None:
        self._generator = generator
        self._template = template
        self._context_length = context_length
        self._end_ids = list(end_ids)
        self._hidden = template.control_ids | set(end_ids)
        self._tuning = tuning
        self._prefixes = PrefixTable()
        self._line_break = template.text_encode("\n")[0]
        # One thread that waits for the native code to be done with a request.
        self._waiter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generator")

    @classmethod
    def load(cls, path: Path, manifest: Manifest, *, threads: int = 0) -> GeneratorEngine:
        """Load a verified model directory; blocks for seconds.

        ``threads`` is the number of cores that its one worker uses; 0 leaves it to the tuning of
        the model for this machine.

        Raises:
            WeightsError: the engine cannot use what is there.
        """
        import ctranslate2

        choice = device_choose(ctranslate2, stored=manifest.quantization)
        tuning = tuning_load(path) or EngineTuning()
        if threads:
            tuning = replace(tuning, inter_threads=1, intra_threads=threads)
        with ThreadPoolExecutor(max_workers=1) as pool:  # the two take a second or two each
            template_loading = pool.submit(ChatTemplate.load, path)
            try:
                generator = ctranslate2.Generator(
                    str(path), device=choice.device, compute_type=choice.compute_type,
                    inter_threads=tuning.inter_threads, intra_threads=tuning.threads,
                )  # fmt: skip
            except (RuntimeError, ValueError) as error:
                raise WeightsError(
                    gettext_noop("The model in %(path)s cannot be loaded: %(reason)s."),
                    path=path,
                    reason=error,
                ) from error
            template = template_loading.result()
        _vocabulary_check(path, template)
        return cls(
            generator,
            template,
            context_length=manifest.context_length,
            end_ids=manifest.eos_token_ids,
            tuning=tuning,
        )

    @property
    def tuning(self) -> EngineTuning:
        return self._tuning

    @property
    def context_length(self) -> int:
        return self._context_length

    @property
    def thinks(self) -> bool:
        return self._template.thinks

    @property
    def calls_tools(self) -> bool:
        return self._template.calls_tools

    def prompt_encode(
        self, messages: Sequence[ChatMessage], options: PromptOptions = PLAIN_PROMPT
    ) -> Prompt:
        token_ids, seam = self._template.encode_with_seam(messages, options)
        return Prompt(tuple(messages), tuple(token_ids), options, seam)

    def text_encode(self, text: str) -> Sequence[int]:
        return self._template.text_encode(text)

    def answer_begin(self, prompt: Prompt, parameters: GenerationParameters) -> TokenAnswer:
        return TokenAnswer(
            prompt,
            parameters,
            vocabulary=self._template.vocabulary,
            end_ids=self._end_ids,
            hidden_ids=self._hidden,
        )

    async def generate(
        self, prompt: Prompt, parameters: GenerationParameters
    ) -> AsyncGenerator[ChatChunk, None]:
        """One answer alone; see ``answers_run`` for closing and errors."""
        async with aclosing(self.answers_run([self.answer_begin(prompt, parameters)])) as chunks:
            async for _, chunk in chunks:
                if chunk.text or chunk.finish_reason:
                    yield chunk

    async def answers_run(
        self, tasks: Sequence[AnswerTask]
    ) -> AsyncGenerator[tuple[AnswerTask, ChatChunk], None]:
        answers = [task for task in tasks if isinstance(task, TokenAnswer)]
        await self._model_present()
        loop = asyncio.get_running_loop()
        # Pairs of an answer's place and its next token; None is "let go of", the end is (-1, None).
        steps: asyncio.Queue[tuple[int, int | None]] = asyncio.Queue()
        closing = False
        rooms = [answer.parameters.max_tokens - answer.written for answer in answers]

        def step_take(step: Any) -> bool:
            """Called on the native thread for each token; True ends that answer.

            It must never raise: that would break the native worker for good.
            """
            index, token_id = int(step.batch_id), int(step.token_id)
            answer = answers[index]
            stopped: bool = closing or answer.stopped or answer.over
            rooms[index] -= 1
            try:
                loop.call_soon_threadsafe(steps.put_nowait, (index, None if stopped else token_id))
            except RuntimeError:  # the loop is closed: the process is going down
                return True
            return stopped or rooms[index] <= 0

        native = self._native_start(answers, step_take)
        native.add_done_callback(lambda _: steps.put_nowait((-1, None)))
        try:
            told: set[int] = set()
            while (step := await steps.get()) != (-1, None):
                index, token_id = step
                if index in told:
                    continue
                answer = answers[index]
                chunk = ChatChunk("", "cancelled") if token_id is None else answer.feed(token_id)
                if chunk.finish_reason is not None:
                    told.add(index)
                yield answer, chunk
            _failure_raise(await asyncio.shield(native))
            if len(told) < len(answers):
                raise EngineDown("The model broke off in the middle of an answer.")
        finally:
            # Prefill cannot be interrupted; the engine is free only when the native call is done.
            closing = True
            await asyncio.wait([native])

    async def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[int] | None
    ) -> NDArray[np.float32]:
        """See ``ChatEngine.score``.

        Prompts of one length and prefix are one native call: with other neighbours, or alone, the
        result is the same to the last bit. Prompts of several lengths are never mixed, because
        that would change how they are read (see ``_native_options``).
        """
        await self._model_present()
        groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}
        for index, prompt in enumerate(prompts):
            key = (len(prompt.token_ids), self.prefix_of(prompt))
            groups.setdefault(key, []).append(index)
        rows: dict[int, NDArray[np.float32]] = {}
        for (_, prefix), indices in groups.items():
            starts = [self._tokens(prompts[index].token_ids[len(prefix) :]) for index in indices]
            table = await self._native_wait(self._score_together, starts, prefix)
            rows.update(zip(indices, table, strict=True))
        whole = np.stack([rows[index] for index in range(len(prompts))])
        return whole if candidates is None else whole[:, list(candidates)]

    def _score_together(
        self, starts: list[list[str]], prefix: tuple[int, ...]
    ) -> list[NDArray[np.float32]]:
        results = self._generator.generate_batch(
            starts,
            **self._native_options(prefix),
            max_length=1,
            max_batch_size=self._share(len(starts)),
            return_logits_vocab=True,
        )
        return [_log_softmax(np.array(result.logits[0][-1], np.float32)) for result in results]

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < len(self._template.vocabulary):
            return b""
        return token_bytes(self._template.vocabulary[token_id])

    def token_hidden(self, token_id: int) -> bool:
        return token_id in self._hidden

    def prefix_of(self, prompt: Prompt) -> tuple[int, ...]:
        # What is padded has its padding behind the prefix; the last token is never in it.
        most = len(prompt.token_ids) - 1 if prompt.seam is None else prompt.seam
        return self._prefixes.match(prompt.token_ids, most)

    def prefixes_set(self, prefixes: Sequence[Sequence[ChatMessage]]) -> PrefixReport:
        return self._prefixes.replace([self._prefix_encode(messages) for messages in prefixes])

    def _prefix_encode(self, messages: Sequence[ChatMessage]) -> tuple[int, ...]:
        """What every prompt begins with that begins with these messages and goes on with a user."""
        follow = ChatMessage("user", "x")
        token_ids, seam = self._template.encode_with_seam([*messages, follow])
        return tuple(token_ids[:seam]) if seam is not None else ()

    async def prefixes_settle(self) -> bool:
        if self._prefixes.stale:
            if await self._native_wait(self._model_renew):
                self._prefixes.forget()
                logger.debug("The model is loaded anew, without what is not kept any more.")
        elif prefix := self._prefixes.cold():
            await self._native_wait(self._prefix_read, prefix)
            logger.debug("Read a beginning of %d tokens to keep it.", len(prefix))
        return bool(self._prefixes.stale or self._prefixes.cold())

    async def _model_present(self) -> None:
        """Load the model if it could not be loaded when it was to be renewed."""
        if not self._generator.model_is_loaded:
            await self._native_wait(self._generator.load_model)

    def _model_renew(self) -> bool:
        """Load the model anew, which is the only way to make it forget states."""
        for _ in range(_RENEW_TRIES):
            self._generator.unload_model()
            if not self._generator.model_is_loaded:
                self._generator.load_model()
                return True
            time.sleep(0.01)  # the native worker is just putting its last batch away
        return False

    def _prefix_read(self, prefix: tuple[int, ...]) -> None:
        starts = [self._tokens(prefix[-1:])] * self._tuning.inter_threads  # each keeps its own
        self._generator.generate_batch(
            starts, **self._native_options(prefix), max_length=1, max_batch_size=1
        )

    def _top_k(self, parameters: GenerationParameters) -> int:
        """CTranslate2 takes 0 for "all", and refuses more than there are."""
        return parameters.top_k if parameters.top_k < len(self._template.vocabulary) else 0

    def _share(self, count: int) -> int:
        """How many sequences of ``count`` each worker takes; 0 for a worker that is alone."""
        workers = self._tuning.inter_threads
        return -(-count // workers) if workers > 1 else 0

    def _tokens(self, token_ids: Sequence[int]) -> list[str]:
        try:
            return [self._template.vocabulary[token_id] for token_id in token_ids]
        except IndexError as error:
            raise RequestInvalid("The prompt has a token that the model does not know.") from error

    def _native_options(self, prefix: tuple[int, ...]) -> dict[str, Any]:
        """Options of every native call.

        Whether a prefix is read apart or together with the rest is the same but for rounding; in
        int8 rounding changes about a third of the greedy answers of a 0.5B model somewhere. So a
        prompt goes the same way every time, whether the prefix has been read before or not.
        """
        options: dict[str, Any] = {"include_prompt_in_result": False}
        if prefix:
            options["static_prompt"] = self._tokens(prefix)
            options["cache_static_prompt"] = True
            self._prefixes.hold(prefix)
        return options

    async def _native_wait(self, call: Callable[..., T], *arguments: Any) -> T:
        """Make a native call on the engine's thread; returns, or is cancelled, when it is done."""
        future = asyncio.get_running_loop().run_in_executor(self._waiter, call, *arguments)
        try:
            return await asyncio.shield(future)
        except _NATIVE_ERRORS as error:
            raise EngineDown(f"The model failed: {error}.") from error
        finally:
            await asyncio.wait([future])

    def _answer_tokens(self, answer: TokenAnswer) -> list[int]:
        """What the model has before it: the prompt, padded at its seam, and what is written."""
        token_ids, seam = answer.prompt.token_ids, answer.prompt.seam
        if answer.padding and seam is not None:
            padding = [self._line_break] * answer.padding
            token_ids = (*token_ids[:seam], *padding, *token_ids[seam:])
        return [*token_ids, *answer.token_ids]

    def _native_start(
        self, answers: Sequence[TokenAnswer], step_take: Callable[[Any], bool]
    ) -> asyncio.Future[BaseException | None]:
        """Hand the answers to the native thread; the future holds the error once it is done."""
        prefixes = {self.prefix_of(answer.prompt) for answer in answers}
        prefix = prefixes.pop() if len(prefixes) == 1 else ()
        starts = [self._tokens(self._answer_tokens(answer)[len(prefix) :]) for answer in answers]
        parameters = answers[0].parameters
        greedy = parameters.temperature == 0
        try:
            results = self._generator.generate_batch(
                starts,
                **self._native_options(prefix),
                asynchronous=True,
                callback=step_take,
                end_token=self._end_ids,
                max_batch_size=self._share(len(starts)),
                max_length=max(answer.parameters.max_tokens - answer.written for answer in answers),
                repetition_penalty=parameters.repetition_penalty,
                sampling_topk=1 if greedy else self._top_k(parameters),
                sampling_topp=1.0 if greedy else parameters.top_p,
                sampling_temperature=1.0 if greedy else parameters.temperature,
            )
        except _NATIVE_ERRORS as error:
            raise EngineDown(f"The model failed: {error}.") from error

        def wait() -> BaseException | None:
            try:
                for result in results:
                    result.result()
            except _NATIVE_ERRORS as error:
                return error
            return None

        return asyncio.get_running_loop().run_in_executor(self._waiter, wait)

    def close(self) -> None:
        self._generator.unload_model()
        self._waiter.shutdown(wait=False)


def _log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = logits.astype(np.float64) - logits.max()
    logarithms: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum())
    return logarithms.astype(np.float32)


def _failure_raise(error: BaseException | None) -> None:
    if error is not None:
        raise EngineDown(f"The model failed: {error}.") from error


def _vocabulary_check(path: Path, template: ChatTemplate) -> None:
    """The engine gets tokens by name and maps unknown ones silently to another: so none may be."""
    try:
        tokens = json.loads((path / "vocabulary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            gettext_noop("The vocabulary in %(path)s cannot be read: %(reason)s."),
            path=path,
            reason=error,
        ) from error
    if tokens[: len(template.vocabulary)] != template.vocabulary:
        raise WeightsError(
            gettext_noop("Tokenizer and vocabulary in %(path)s do not belong together."), path=path
        )
