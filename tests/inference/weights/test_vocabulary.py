"""A model with its vocabulary cut says of every text what the whole model says."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.errors import WeightsError
from inference.weights.manifest import Manifest, manifest_verify
from inference.weights.model_file import model_rows_keep
from inference.weights.store import model_convert, model_find
from inference.weights.vocabulary import tokens_kept, vocabulary_cut, vocabulary_wanted
from tests.inference.weights import tiny_models as tiny

HIGH = 50_000


def encoded(text: str) -> str:
    """A text as a byte-level vocabulary writes it."""
    tokenizer = Tokenizer.from_str(
        json.dumps(
            {
                "added_tokens": [],
                "model": {"type": "BPE", "vocab": {}, "merges": []},
                "pre_tokenizer": {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": False,
                    "use_regex": False,
                },
            }
        )
    )
    assert tokenizer.pre_tokenizer is not None
    return "".join(piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))


def kept(*texts: str) -> set[str]:
    """Which of the texts the rule keeps when all of them are rare."""
    vocabulary = {encoded(text): HIGH + place for place, text in enumerate(texts)}
    return {texts[place - HIGH] for place in tokens_kept(vocabulary, [])}


def test_words_signs_and_chinese_are_kept() -> None:
    texts = (
        " refund",
        "Refund",
        " VIP",
        "-day",
        "/month",
        "???",
        "退货",
        "。”",
        "①",
        "￥",
        "é",
        "😀",
    )
    assert kept(*texts) == set(texts)


def test_other_scripts_and_program_code_are_not() -> None:
    assert (
        kept("привет", "שלום", "こんにちは", "안녕", "_refund", "getElement", ".Fatal(", "});\n")
        == set()
    )


def test_what_is_frequent_is_kept_whatever_it_is() -> None:
    vocabulary = {encoded("});\n"): 300, encoded("});\r\n"): HIGH}
    assert tokens_kept(vocabulary, []) == [300]


def test_every_byte_and_every_fragment_of_a_character_is_kept() -> None:
    fragment = encoded("й")[:1]
    vocabulary = {fragment: HIGH, encoded("退")[:2]: HIGH + 1, encoded("й"): HIGH + 2}
    assert tokens_kept(vocabulary, []) == [HIGH, HIGH + 1]


def test_what_a_kept_token_is_merged_of_is_kept() -> None:
    vocabulary = {text: HIGH + place for place, text in enumerate(("_x", "_xy", "_xyz", "zz_x"))}
    vocabulary |= {text: place for place, text in enumerate("_xyz")}
    merges = [("_", "x"), ("_x", "y"), ("_xy", "z"), ("zz", "_x")]
    vocabulary["_xy"] = 100  # frequent, so its halves must stay
    assert tokens_kept(vocabulary, merges) == [0, 1, 2, 3, 100, HIGH]


def logits(directory: Path, tokens: list[str]) -> NDArray[np.float32]:
    generator = ctranslate2.Generator(str(directory), compute_type="int8")
    return np.asarray(generator.forward_batch([tokens], return_log_probs=False))[0]


@pytest.fixture(params=[0, 1, 2], ids=lambda index: tiny.DECODERS[index].name)
def whole(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUPPORTDESK_VOCABULARY", "full")
    source = tiny.gguf_write(tiny.DECODERS[request.param], tmp_path / "tiny.gguf")
    return model_convert(source, tmp_path / "cache", lambda line: None)


def cut(whole: Path, target: Path) -> Manifest:
    target.mkdir()
    return vocabulary_cut(whole, target, frequent=0)


def test_the_cut_model_gives_kept_tokens_the_scores_of_the_whole_one(
    whole: Path, tmp_path: Path
) -> None:
    target = tmp_path / "cut"
    cut(whole, target)
    before: list[str] = json.loads((whole / "vocabulary.json").read_text())
    after: list[str] = json.loads((target / "vocabulary.json").read_text())
    assert set(after) < set(before)
    tokens = Tokenizer.from_file(str(whole / "tokenizer.json")).encode("the train in rain").tokens
    assert (
        Tokenizer.from_file(str(target / "tokenizer.json")).encode("the train in rain").tokens
        == tokens
    )
    places = [before.index(token) for token in after]
    assert np.array_equal(logits(target, tokens), logits(whole, tokens)[:, places])


def test_the_manifest_of_a_cut_model_is_its_own(whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "cut"
    manifest = cut(whole, target)
    assert manifest_verify(target, quick=False) == manifest
    assert manifest.vocabulary == "zh-en"
    names = json.loads((target / "vocabulary.json").read_text())
    assert "<|im_end|>" in [names[i] for i in manifest.eos_token_ids]
    with pytest.raises(WeightsError, match="cut already"):
        vocabulary_cut(target, tmp_path)


def test_control_tokens_stay_whole_and_in_their_order(whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "cut"
    cut(whole, target)
    tokenizer = Tokenizer.from_file(str(target / "tokenizer.json"))
    for token in (*tiny.CONTROL, *tiny.DEFINED):
        assert tokenizer.encode(token).tokens == [token]
    names = json.loads((target / "vocabulary.json").read_text())
    assert all(names[i] == token for token, i in tokenizer.get_vocab().items())


@pytest.mark.parametrize("keep", [4, 100, 1000])
def test_a_model_file_that_is_cut_off_is_refused(whole: Path, tmp_path: Path, keep: int) -> None:
    damaged = tmp_path / "model.bin"
    damaged.write_bytes((whole / "model.bin").read_bytes()[:keep])
    with pytest.raises(WeightsError, match="cut off or damaged"):
        model_rows_keep(
            damaged, tmp_path / "out.bin", variables=["x"], rows=np.arange(3, dtype=np.int64)
        )


def test_a_whole_model_in_the_cache_is_cut_without_its_weights(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "tiny.gguf"
    lines: list[str] = []
    monkeypatch.setenv("SUPPORTDESK_VOCABULARY", "zh-en")
    path = model_convert(source, tmp_path / "cache", lines.append)
    assert path == whole
    assert manifest_verify(path, quick=False).vocabulary == "zh-en"
    assert not any("converting" in line for line in lines)
    monkeypatch.setenv("SUPPORTDESK_VOCABULARY", "full")
    lines.clear()
    model_convert(source, tmp_path / "cache", lines.append)
    assert manifest_verify(path, quick=False).vocabulary == "full"
    assert any("converting" in line for line in lines)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_an_unknown_wish_is_refused_by_name() -> None:
    with pytest.raises(WeightsError, match="'klingon'"):
        vocabulary_wanted({"SUPPORTDESK_VOCABULARY": "klingon"})


@pytest.mark.weights
def test_texts_of_any_script_come_back_from_the_real_tokenizer() -> None:
    from django.conf import settings

    path = model_find(settings.MODEL, settings.CACHE_DIR)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    for text in (
        "退货要几天？",
        "Привет, мир",
        "مرحبا",
        "こんにちは",
        "e\u0301",
        "👩‍👩‍👧",
        "𠮷野家",
        "a\x00b",
    ):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids) == unicodedata.normalize("NFC", text)
