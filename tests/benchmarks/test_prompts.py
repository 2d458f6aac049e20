"""The prompts of the comparison: as long as they should be, all different, enough of them."""

from __future__ import annotations

from benchmarks.rivals.comparison import CLIENTS, _PromptSource
from benchmarks.rivals.prompts import Messages, fixed_head, prompts_make


def count(messages: Messages) -> int:
    """A stand-in for the tokenizer: a token for three characters."""
    return sum(len(message["content"]) for message in messages) // 3


def test_prompts_are_nearly_as_long_as_asked_and_never_longer() -> None:
    for tokens in (250, 600):
        sizes = [prompt.tokens for prompt in prompts_make(count, tokens=tokens, number=20)]
        assert max(sizes) <= tokens
        assert min(sizes) >= 0.75 * tokens


def test_no_two_prompts_share_more_than_the_fixed_instructions() -> None:
    prompts = prompts_make(count, tokens=250, number=20)
    heads = {prompt.messages[0]["content"] for prompt in prompts}
    assert heads == {fixed_head("en"), fixed_head("zh-hans")}
    starts = {prompt.messages[1]["content"].split(".")[0] for prompt in prompts}
    assert len(starts) == len(prompts)


def test_there_are_enough_prompts_for_all_rounds() -> None:
    runs = 5
    source = _PromptSource(count, runs)
    seen = {prompt.messages[1]["content"] for _, prompt, _ in source.one_client()}
    for _ in range(runs):
        cases = [prompt for _, prompt, _ in source.one_client()]
        cases += [prompt for clients in CLIENTS for prompt, _ in source.clients(clients)]
        texts = {prompt.messages[1]["content"] for prompt in cases}
        assert len(texts) == len(cases)
        assert not texts & seen
        seen |= texts
