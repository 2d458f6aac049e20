"""The engine over a tiny model with a random mind: prefixes, loops, and native calls that fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest

from inference.chat import ChatChunk, ChatMessage, GenerationParameters
from inference.engines.chat_template import ChatTemplate
from inference.engines.generator import GeneratorEngine
from inference.engines.protocol import Prompt
from inference.engines.tuning import EngineTuning
from inference.errors import EngineDown, RequestInvalid
from inference.weights.manifest import manifest_read
from inference.weights.store import model_convert
from inference.wire import TOP_K_ALL
from tests.inference.weights.tiny_models import TinyDecoder, gguf_write

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)
RULES = ChatMessage("system", "Never change what stands here, it is read only once.")
PARAMETERS = GenerationParameters(max_tokens=8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny = TinyDecoder("tiny", "qwen2", tied=True, seed=7, context=512)
    source = gguf_write(tiny, folder / "tiny.gguf", template=TEMPLATE)
    return model_convert(source, folder / "cache", lambda line: None)


@pytest.fixture
def engine(model: Path) -> Iterator[GeneratorEngine]:
    """The model in float32, where only real differences make a difference."""
    manifest = manifest_read(model)
    engine = GeneratorEngine(
        ctranslate2.Generator(str(model), compute_type="float32"),
        ChatTemplate.load(model),
        context_length=manifest.context_length,
        end_ids=manifest.eos_token_ids,
        tuning=EngineTuning(),
    )
    yield engine
    engine.close()


def prompt_of(engine: GeneratorEngine, text: str) -> Prompt:
    return engine.prompt_encode([RULES, ChatMessage("user", text)])


async def answer(
    engine: GeneratorEngine, prompt: Prompt, parameters: GenerationParameters = PARAMETERS
) -> list[ChatChunk]:
    return [chunk async for chunk in engine.generate(prompt, parameters)]


def text_of(chunks: list[ChatChunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


class FailingNative:
    """A native generator whose calls fail, at once or when their result is fetched."""

    def __init__(self, native: Any, error: Exception, *, late: bool) -> None:
        self.native = native
        self.error = error
        self.late = late
        self.model_is_loaded = True

    def generate_batch(self, starts: list[list[str]], **options: Any) -> list[Any]:
        if not self.late or not options.get("asynchronous"):
            raise self.error
        return [self for _ in starts]

    def result(self) -> Any:
        raise self.error


async def test_a_prefix_changes_neither_scores_nor_answers(engine: GeneratorEngine) -> None:
    prompts = [prompt_of(engine, text) for text in ("one", "two 7", "three in a row")]
    long = GenerationParameters(max_tokens=40)
    scores = await engine.score(prompts, None)
    answers = [text_of(await answer(engine, prompt, long)) for prompt in prompts]
    assert engine.prefixes_set([[RULES]]).kept == 1
    assert all(engine.prefix_of(prompt) for prompt in prompts)
    for _ in range(2):  # the first time it is read, the second time it has been
        assert np.allclose(await engine.score(prompts, None), scores, atol=1e-3)
        assert [text_of(await answer(engine, prompt, long)) for prompt in prompts] == answers


async def test_a_prefix_is_used_only_by_what_begins_with_it(engine: GeneratorEngine) -> None:
    engine.prefixes_set([[RULES]])
    assert engine.prefix_of(engine.prompt_encode([ChatMessage("user", RULES.content)])) == ()
    other = engine.prompt_encode([ChatMessage("system", RULES.content + "!"), RULES])
    assert engine.prefix_of(other) == ()
    longer = engine.prompt_encode(
        [RULES, ChatMessage("user", "a"), ChatMessage("assistant", "b"), ChatMessage("user", "c")]
    )
    assert engine.prefix_of(longer) == engine.prefix_of(prompt_of(engine, "x")) != ()


async def test_settling_reads_what_is_new_and_drops_what_is_gone(engine: GeneratorEngine) -> None:
    prompt = prompt_of(engine, "one")
    before = text_of(await answer(engine, prompt))
    engine.prefixes_set([[RULES], [ChatMessage("system", "Another.")]])
    assert await engine.prefixes_settle()
    assert not await engine.prefixes_settle()
    engine.prefixes_set([])
    assert not await engine.prefixes_settle()  # loads the model anew
    assert text_of(await answer(engine, prompt)) == before


async def test_an_answer_that_loops_is_ended(engine: GeneratorEngine) -> None:
    chunks = await answer(
        engine, prompt_of(engine, "Go on and on."), GenerationParameters(max_tokens=450)
    )
    assert chunks[-1].finish_reason == "length"
    assert chunks[-1].usage is not None
    assert 48 <= chunks[-1].usage.completion_tokens < 400


@pytest.mark.parametrize("error", [RuntimeError("std::bad_alloc"), MemoryError(), ValueError("x")])
@pytest.mark.parametrize("late", [False, True])
async def test_a_native_call_that_fails_is_an_error_of_that_request_alone(
    engine: GeneratorEngine, error: Exception, late: bool
) -> None:
    prompt = prompt_of(engine, "one")
    native = engine._generator
    engine._generator = FailingNative(native, error, late=late)  # type: ignore[assignment]
    with pytest.raises(EngineDown):
        await answer(engine, prompt)
    with pytest.raises(EngineDown):
        await engine.score([prompt], None)
    engine._generator = native
    assert await answer(engine, prompt)


async def test_a_model_that_could_not_be_loaded_anew_is_loaded_later(
    engine: GeneratorEngine,
) -> None:
    prompt = prompt_of(engine, "one")
    before = text_of(await answer(engine, prompt))
    engine._generator.unload_model()
    assert text_of(await answer(engine, prompt)) == before
    engine._generator.unload_model()
    assert (await engine.score([prompt], None)).shape[0] == 1


async def test_a_token_that_the_model_does_not_know_is_refused(engine: GeneratorEngine) -> None:
    prompt = Prompt((ChatMessage("user", "x"),), (1, 10**6))
    with pytest.raises(RequestInvalid):
        await answer(engine, prompt)
    with pytest.raises(RequestInvalid):
        await engine.score([prompt], None)


async def test_more_tokens_to_choose_from_than_there_are_means_all(
    engine: GeneratorEngine,
) -> None:
    many = replace(PARAMETERS, temperature=1.0, top_k=TOP_K_ALL)
    assert (await answer(engine, prompt_of(engine, "one"), many))[-1].finish_reason
