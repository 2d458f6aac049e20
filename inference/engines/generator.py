"""Runs a chat model with CTranslate2, in int8 on the CPU."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.chat import ChatChunk, ChatMessage, GenerationParameters, Usage
from inference.engines.chat_template import ChatTemplate
from inference.engines.detokenization import Detokenizer, token_bytes
from inference.engines.protocol import PLAIN_PROMPT, Prompt, PromptOptions
from inference.engines.stop_strings import StopStrings
from inference.errors import EngineDown, RequestInvalid, WeightsError

if TYPE_CHECKING:
    from ctranslate2 import Generator
    from numpy.typing import NDArray

    from inference.weights.manifest import Manifest


class GeneratorEngine:
    """A ``ChatEngine`` over a CTranslate2 ``Generator``."""

    def __init__(
        self,
        generator: Generator,
        template: ChatTemplate,
        *,
        context_length: int,
        end_ids: Sequence[int],
    ) -> None:
        self._generator = generator
        self._template = template
        self._context_length = context_length
        self._end_ids = list(end_ids)
        self._hidden = template.control_ids | set(end_ids)
        # One thread that waits for the native code to be done with a request.
        self._waiter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="generator")

    @classmethod
    def load(cls, path: Path, manifest: Manifest, *, threads: int) -> GeneratorEngine:
        """Load a verified model directory; blocks for seconds.

        ``threads`` is the number of cores that one generation uses.

        Raises:
            WeightsError: the engine cannot use what is there.
        """
        import ctranslate2

        with ThreadPoolExecutor(max_workers=1) as pool:  # the two take a second or two each
            template_loading = pool.submit(ChatTemplate.load, path)
            try:
                generator = ctranslate2.Generator(
                    str(path), device="cpu", compute_type="int8",
                    inter_threads=1, intra_threads=threads,
                )  # fmt: skip
            except (RuntimeError, ValueError) as error:
                raise WeightsError(f"The model in {path} cannot be loaded: {error}.") from error
            template = template_loading.result()
        _vocabulary_check(path, template)
        return cls(
            generator,
            template,
            context_length=manifest.context_length,
            end_ids=manifest.eos_token_ids,
        )

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
        token_ids = self._template.encode(messages, options)
        return Prompt(tuple(messages), tuple(token_ids), options)

    def text_encode(self, text: str) -> Sequence[int]:
        return self._template.text_encode(text)

    async def generate(
        self, prompt: Prompt, parameters: GenerationParameters
    ) -> AsyncGenerator[ChatChunk, None]:
        loop = asyncio.get_running_loop()
        steps: asyncio.Queue[int | None] = asyncio.Queue()
        stopped = threading.Event()

        def step_take(step: Any) -> bool:
            """Called on the native thread for each token; True stops the generation.

            It must never raise: that would break the native worker for good.
            """
            if not stopped.is_set():
                try:
                    loop.call_soon_threadsafe(steps.put_nowait, step.token_id)
                except RuntimeError:  # the loop is closed: the process is going down
                    return True
            return stopped.is_set()

        native = self._native_start(prompt, parameters, step_take)
        native.add_done_callback(lambda _: steps.put_nowait(None))
        try:
            detokenizer = Detokenizer(self._template.vocabulary, self._hidden)
            stops = StopStrings(parameters.stop)
            count = 0
            finish_reason = "length"
            while (token_id := await steps.get()) is not None:
                if token_id in self._end_ids:
                    finish_reason = "stop"
                    continue
                count += 1
                text = stops.feed(detokenizer.feed(token_id))
                if stops.reached:
                    finish_reason = "stop"
                    stopped.set()
                if text:
                    yield ChatChunk(text)
                if stops.reached:
                    break
            _failure_raise(await asyncio.shield(native))
            yield ChatChunk(stops.flush(), finish_reason, Usage(len(prompt.token_ids), count))
        finally:
            # Prefill cannot be interrupted; the engine is free only when the native call is done.
            stopped.set()
            await asyncio.wait([native])

    async def score(
        self, prompts: Sequence[Prompt], candidates: Sequence[int] | None
    ) -> NDArray[np.float32]:
        rows = []
        for prompt in prompts:
            future = asyncio.get_running_loop().run_in_executor(
                self._waiter, self._score_one, self._tokens(prompt)
            )
            try:
                logits = await asyncio.shield(future)
            finally:
                await asyncio.wait([future])
            rows.append(_log_softmax(logits))
        table = np.stack(rows)
        return table if candidates is None else table[:, list(candidates)]

    def _score_one(self, tokens: list[str]) -> NDArray[np.float32]:
        try:
            [result] = self._generator.generate_batch(
                [tokens], include_prompt_in_result=False, max_length=1, return_logits_vocab=True
            )
        except (RuntimeError, ValueError, MemoryError) as error:
            raise EngineDown(f"The model failed: {error}.") from error
        return np.array(result.logits[0][-1], dtype=np.float32)

    def token_bytes(self, token_id: int) -> bytes:
        if not 0 <= token_id < len(self._template.vocabulary):
            return b""
        return token_bytes(self._template.vocabulary[token_id])

    def token_hidden(self, token_id: int) -> bool:
        return token_id in self._hidden

    def _tokens(self, prompt: Prompt) -> list[str]:
        try:
            return [self._template.vocabulary[token_id] for token_id in prompt.token_ids]
        except IndexError as error:
            raise RequestInvalid("The prompt has a token that the model does not know.") from error

    def _native_start(
        self, prompt: Prompt, parameters: GenerationParameters, step_take: Any
    ) -> asyncio.Future[BaseException | None]:
        """Hand the request to the native thread; the future holds its error once it is done."""
        start = self._tokens(prompt)
        greedy = parameters.temperature == 0
        [result] = self._generator.generate_batch(
            [start],
            asynchronous=True,
            callback=step_take,
            include_prompt_in_result=False,
            end_token=self._end_ids,
            max_length=parameters.max_tokens,
            repetition_penalty=parameters.repetition_penalty,
            sampling_topk=1 if greedy else parameters.top_k,
            sampling_topp=1.0 if greedy else parameters.top_p,
            sampling_temperature=1.0 if greedy else parameters.temperature,
        )

        def wait() -> BaseException | None:
            try:
                result.result()
            except (RuntimeError, ValueError, MemoryError) as error:
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
        raise WeightsError(f"The vocabulary in {path} cannot be read: {error}.") from error
    if tokens[: len(template.vocabulary)] != template.vocabulary:
        raise WeightsError(f"Tokenizer and vocabulary in {path} do not belong together.")
