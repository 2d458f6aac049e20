"""What an encoder makes of the tokens' vectors, with an encoder that spells tokens out."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from inference.engines.encoder import EncoderEngine

VOCABULARY = {"<s>": 0, "</s>": 1, "query": 2, "passage": 3, ":": 4, "tea": 5, "?": 6, "[?]": 7}


class SpellingEncoder:
    """A token's vector has a one at the token's number."""

    def forward_batch(self, batch: list[list[str]]) -> SimpleNamespace:
        states = [[np.eye(len(VOCABULARY))[VOCABULARY[token]] for token in row] for row in batch]
        return SimpleNamespace(last_hidden_state=states)

    def unload_model(self) -> None:
        pass


def engine_make(pooling: str) -> EncoderEngine:
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[?]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    manifest = SimpleNamespace(
        pooling=pooling, query_prefix="query: ", passage_prefix="passage: ", dimensions=8
    )
    return EncoderEngine(SpellingEncoder(), tokenizer, manifest)


@pytest.fixture
def engine() -> Iterator[EncoderEngine]:
    engine = engine_make("mean")
    yield engine
    engine.close()


def tokens(vector: np.ndarray) -> set[str]:
    return {token for token, number in VOCABULARY.items() if vector[number] > 0}


async def test_a_question_is_the_mean_of_its_own_tokens(engine: EncoderEngine) -> None:
    [question] = await engine.embed(["tea tea ?"], "question")

    assert tokens(question) == {"tea", "?"}
    assert question[VOCABULARY["tea"]] == pytest.approx(2 * question[VOCABULARY["?"]])
    assert np.linalg.norm(question) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["query", "passage"])
async def test_other_texts_are_the_mean_of_all_tokens(engine: EncoderEngine, kind) -> None:
    [vector] = await engine.embed(["tea ?"], kind)

    assert tokens(vector) == {"<s>", kind, ":", "tea", "?", "</s>"}


async def test_a_question_without_tokens_of_its_own_has_a_vector(engine: EncoderEngine) -> None:
    [question] = await engine.embed([" "], "question")

    assert tokens(question) == {"<s>", "query", ":", "</s>"}


async def test_a_model_that_pools_by_its_first_token_does_so_for_questions() -> None:
    engine = engine_make("cls")
    [question] = await engine.embed(["tea"], "question")
    engine.close()

    assert tokens(question) == {"<s>"}
