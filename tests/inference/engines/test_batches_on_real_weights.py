"""Batches, scores and prefixes over the real weights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings

from inference.chat import ChatMessage, GenerationParameters, Priority
from inference.engines.answer_text import TokenAnswer
from inference.engines.generator import GeneratorEngine
from inference.engines.protocol import Prompt
from inference.engines.tuning import TUNING, EngineTuning, tuning_save
from inference.scheduler import Scheduler
from inference.weights.manifest import manifest_read
from inference.weights.store import model_find

pytestmark = pytest.mark.weights

RULES = ChatMessage("system", "You work for an online shop. Be brief. 回答要简短。")
QUESTIONS = [
    "Can I return a jacket after ten days?",
    "包裹什么时候到？",
    "Who pays for sending it back if it is broken?",
    "发票怎么开？",
]
GREEDY = GenerationParameters(max_tokens=12)


@pytest.fixture(scope="module")
def engine() -> Iterator[GeneratorEngine]:
    path: Path = model_find(settings.MODEL, settings.CACHE_DIR)
    engine = GeneratorEngine.load(path, manifest_read(path))
    yield engine
    engine.close()


@pytest.fixture
async def scheduler(engine: GeneratorEngine) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(engine)
    yield scheduler
    await scheduler.aclose()
    engine.prefixes_set([])
    while await engine.prefixes_settle():
        pass


def prompt_of(engine: GeneratorEngine, text: str) -> Prompt:
    return engine.prompt_encode([RULES, ChatMessage("user", text)])


async def together(
    engine: GeneratorEngine, prompts: Sequence[Prompt], parameters: Sequence[GenerationParameters]
) -> list[tuple[list[int], str, str | None]]:
    """Token ids, text and finish reason of each answer of one batch, padded to one length."""
    tasks = [
        engine.answer_begin(prompt, options)
        for prompt, options in zip(prompts, parameters, strict=True)
    ]
    longest = max(len(prompt.token_ids) for prompt in prompts)
    for task in tasks:
        task.padding = longest - len(task.prompt.token_ids)
    texts = dict.fromkeys(tasks, "")
    reasons: dict[object, str | None] = {}
    async for task, chunk in engine.answers_run(tasks):
        assert isinstance(task, TokenAnswer)
        texts[task] += chunk.text
        if chunk.finish_reason is not None:
            reasons[task] = chunk.finish_reason
    return [(task.token_ids, texts[task], reasons[task]) for task in tasks]


async def alone(engine: GeneratorEngine, prompt: Prompt) -> list[int]:
    return (await together(engine, [prompt], [GREEDY]))[0][0]


async def test_the_seam_is_between_the_turns(engine: GeneratorEngine) -> None:
    prompt = prompt_of(engine, "Hello")
    seam = prompt.seam
    assert seam is not None
    tokens = [engine.token_bytes(token_id) for token_id in prompt.token_ids]
    assert tokens[seam : seam + 3] == [b"<|im_start|>", b"user", b"\n"]
    assert b"".join(tokens[:seam]).endswith(b"<|im_end|>\n")


async def test_equally_long_prompts_have_the_same_answers_alone_and_together(
    engine: GeneratorEngine,
) -> None:
    prompts = [prompt_of(engine, f"Tell me about the number {number}.") for number in (3, 4, 7)]
    assert len({len(prompt.token_ids) for prompt in prompts}) == 1
    answers = await together(engine, prompts, [GREEDY] * 3)
    for prompt, (token_ids, _, _) in zip(prompts, answers, strict=True):
        assert token_ids == await alone(engine, prompt)


async def test_each_answer_has_its_own_stop_string_cap_and_length(engine: GeneratorEngine) -> None:
    prompts = [
        prompt_of(engine, "Count from 1 to 100, separated by a comma and a space."),
        prompt_of(engine, "Say only: OK"),
        prompt_of(engine, "Count from 1 to 50."),
    ]
    parameters = [
        GenerationParameters(max_tokens=24, stop=("3",)),
        GenerationParameters(max_tokens=24),
        GenerationParameters(max_tokens=5),
    ]
    stopped, short, capped = await together(engine, prompts, parameters)
    assert stopped[1:] == ("1, 2, ", "stop")
    assert short[2] == "stop"
    assert "OK" in short[1]
    assert capped[2] == "length"
    assert len(capped[0]) == 5


async def test_an_interrupted_answer_goes_on_where_it_was(engine: GeneratorEngine) -> None:
    prompt = prompt_of(engine, "Count from 1 to 100, separated by a comma and a space.")
    task = engine.answer_begin(prompt, GenerationParameters(max_tokens=24))
    text = ""
    for tokens in (5, 11, 99):
        async for _, chunk in engine.answers_run([task]):
            text += chunk.text
            if task.written >= tokens:
                task.stop()
        task.resume()
    assert text == ", ".join(map(str, range(1, 20)))[: len(text)]
    assert task.written == 24


async def test_scores_are_the_same_alone_and_together(
    engine: GeneratorEngine, scheduler: Scheduler
) -> None:
    prompts = [
        prompt_of(engine, f"Is this review good or bad? {text} One word:")
        for text in ("I love it.", "I hate it.", "It broke at once, never again!")
    ]
    single = np.concatenate([await engine.score([prompt], None) for prompt in prompts])
    assert np.allclose(np.exp(single.astype(np.float64)).sum(axis=1), 1, atol=1e-4)
    jobs = [scheduler.score_submit([prompt], None, seconds=60) for prompt in prompts]
    jobs.append(scheduler.score_submit(prompts, None, seconds=60))
    tables = await asyncio.gather(*(scheduler.job_scores(job) for job in jobs))
    assert np.abs(np.concatenate(tables[:3]) - single).max() < 1e-5
    assert np.abs(tables[3] - single).max() < 1e-5
    candidates = [int(row.argmax()) for row in single]
    some = await engine.score(prompts, candidates)
    assert np.array_equal(some, single[:, candidates])


async def test_a_prefix_changes_no_more_than_rounding_does(
    engine: GeneratorEngine, scheduler: Scheduler
) -> None:
    prompts = [prompt_of(engine, text) for text in QUESTIONS]
    before = await engine.score(prompts, None)
    report = engine.prefixes_set([[RULES]])
    assert report.kept == 1
    assert report.tokens == prompts[0].seam
    assert {engine.prefix_of(prompt) for prompt in prompts} == {
        prompts[0].token_ids[: report.tokens]
    }
    cold = await engine.score(prompts, None)
    warm = await engine.score(prompts, None)
    assert np.array_equal(cold, warm)
    for one, other in zip(before, warm, strict=True):
        # Int8 rounds: the probable tokens are the same, their probabilities nearly so.
        probable = one > np.log(0.02)
        assert np.abs(np.exp(one) - np.exp(other))[probable].max() < 0.25
        assert np.corrcoef(one, other)[0, 1] > 0.98
    assert await alone(engine, prompts[0]) == await alone(engine, prompts[0])


async def test_a_prefix_is_dropped_when_it_is_not_registered_any_more(
    engine: GeneratorEngine, scheduler: Scheduler
) -> None:
    prompt = prompt_of(engine, QUESTIONS[0])
    engine.prefixes_set([[RULES]])
    scheduler.chore_add(engine.prefixes_settle)
    await scheduler.idle_wait()
    assert engine.prefix_of(prompt)
    with_prefix = await alone(engine, prompt)
    engine.prefixes_set([[ChatMessage("system", "Other rules.")]])
    assert not engine.prefix_of(prompt)
    scheduler.chore_add(engine.prefixes_settle)
    await scheduler.idle_wait()
    assert not await engine.prefixes_settle()
    assert await alone(engine, prompt)
    engine.prefixes_set([[RULES]])
    assert await alone(engine, prompt) == with_prefix


async def test_customer_text_is_never_part_of_a_prefix(engine: GeneratorEngine) -> None:
    engine.prefixes_set([[RULES]])
    try:
        hostile = engine.prompt_encode([ChatMessage("user", RULES.content)])
        assert engine.prefix_of(hostile) == ()
        other = engine.prompt_encode([ChatMessage("system", RULES.content + "!"), RULES])
        assert engine.prefix_of(other) == ()
    finally:
        engine.prefixes_set([])


async def test_waiting_requests_are_answered_as_a_batch_through_the_scheduler(
    engine: GeneratorEngine, scheduler: Scheduler
) -> None:
    held = scheduler.job_submit(
        prompt_of(engine, "Count from 1 to 100, separated by a comma and a space."),
        GenerationParameters(max_tokens=24),
        seconds=120,
        priority=Priority.BACKGROUND,
    )
    jobs = [
        scheduler.job_submit(prompt_of(engine, text), GREEDY, seconds=120, conversation=text)
        for text in QUESTIONS
    ]

    async def read(job: object) -> tuple[str, int]:
        chunks = [chunk async for chunk in scheduler.job_chunks(job)]  # type: ignore[arg-type]
        usage = chunks[-1].usage
        assert usage is not None
        return "".join(chunk.text for chunk in chunks), usage.completion_tokens

    counted, *answers = await asyncio.gather(read(held), *(read(job) for job in jobs))
    assert counted[1] == 24
    assert counted[0].startswith("1, 2, 3, 4")
    for text, tokens in answers:
        assert text.strip()
        assert 0 < tokens <= GREEDY.max_tokens
    assert held.pauses >= 1


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[GeneratorEngine]:
    """The same weights, run by two workers of one thread each."""
    path: Path = model_find(settings.MODEL, settings.CACHE_DIR)
    for file in path.iterdir():
        if file.name != TUNING:
            (tmp_path / file.name).symlink_to(file)
    tuning_save(tmp_path, EngineTuning(inter_threads=2, intra_threads=1))
    engine = GeneratorEngine.load(tmp_path, manifest_read(path))
    yield engine
    engine.close()


async def test_two_workers_share_a_batch_and_write_what_one_writes(
    engine: GeneratorEngine, shared: GeneratorEngine
) -> None:
    try:
        assert shared._generator.num_generators == 2
        for each in (engine, shared):
            each.prefixes_set([[RULES]])
            while await each.prefixes_settle():
                pass
        prompts = [prompt_of(engine, question) for question in QUESTIONS]
        limits = [GenerationParameters(max_tokens=count) for count in (3, 12, 7, 5)]
        one = await together(engine, prompts, limits)
        assert all(token_ids for token_ids, _, _ in one)
        assert await together(shared, prompts, limits) == one
        scores = await shared.score([prompts[0]] * 3, [0, 1, 2])
        assert scores.shape == (3, 3)
        assert np.array_equal(scores[0], scores[2])
    finally:
        engine.prefixes_set([])
        while await engine.prefixes_settle():
            pass
