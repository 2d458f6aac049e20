from __future__ import annotations

from pathlib import Path

import pytest

from inference.errors import WeightsError
from inference.weights.catalog import RepositorySource, WheelSource, catalog_load


def test_every_model_of_the_design_is_in_the_catalog() -> None:
    assert set(catalog_load()) == {
        "Qwen1.5-0.5B-Chat",
        "Qwen1.5-1.8B-Chat",
        "Qwen2.5-0.5B-Instruct",
        "Qwen2.5-1.5B-Instruct",
        "Qwen2.5-3B-Instruct",
        "Qwen2.5-Coder-0.5B-Instruct",
        "Qwen2.5-Coder-1.5B-Instruct",
        "Qwen3-0.6B",
        "Qwen3-1.7B",
        "Qwen3-4B-Instruct-2507",
        "multilingual-e5-small",
        "bge-small-zh-v1.5",
        "bge-m3",
    }


def test_wheels_and_repositories_of_a_model_name_the_same_official_file() -> None:
    for card in catalog_load().values():
        hashes = {
            source.sha256 if isinstance(source, WheelSource) else source.files[0].sha256
            for source in card.sources
            if source.format == "gguf"
        }
        assert len(hashes) <= 1, card.name


def test_what_comes_from_wheels_is_pinned_to_the_byte() -> None:
    for card in catalog_load().values():
        for source in card.sources:
            if isinstance(source, WheelSource):
                assert all(len(part.sha256) == 64 and part.size for part in source.parts)
                assert len(source.sha256) == 64


def test_every_model_has_a_repository_on_both_hubs() -> None:
    for card in catalog_load().values():
        hubs = [source.hub for source in card.sources if isinstance(source, RepositorySource)]
        assert hubs == ["huggingface", "modelscope"], card.name


def test_models_that_a_shop_may_not_use_freely_say_so() -> None:
    noted = {card.name for card in catalog_load().values() if card.licence_note}
    assert noted == {"Qwen1.5-0.5B-Chat", "Qwen1.5-1.8B-Chat", "Qwen2.5-3B-Instruct"}


def test_embeddings_know_how_they_are_used() -> None:
    for card in catalog_load().values():
        assert (card.kind == "embedding") == bool(card.dimensions)
        assert (card.kind == "embedding") == (card.pooling in ("mean", "cls"))


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"no model 'gpt-4'; known are Qwen2\.5-Coder-0\.5B"):
        catalog_load().card("gpt-4")


@pytest.mark.parametrize("text", ["models = 1", "[[models]]\nname = 'x'", "not toml ="])
def test_a_wrong_catalog_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(text)
    with pytest.raises(WeightsError, match=r"catalog\.toml is wrong"):
        catalog_load(file)
