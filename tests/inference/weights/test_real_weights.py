"""The converted default models themselves."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
import regex
from django.conf import settings
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from inference.weights.manifest import Manifest
from inference.weights.store import model_find, model_verify
from inference.weights.tokenizer_files import QWEN_SPLIT

pytestmark = pytest.mark.weights

CHAT = "Qwen2.5-Coder-0.5B-Instruct"
EMBEDDING = "multilingual-e5-small"

TRICKY = [
    "您好，请问7天内可以退货吗？订单号：20240315-8871。",
    "I'd like a refund — it's 3.5 kg, costs $1,299.00 & weighs <2kg.",
    "  leading and trailing   spaces  \n\n\n new\tlines\r\n",
    "e\u0301 u\u0308 A\u030a \u1100\u1161\u11a8 \u304b\u3099 Å ﬁ ½ ① ㎏ Ⅷ",
    "🙂🎉👨‍👩‍👧‍👦🇨🇳 ❤️ \u200b zero\u200dwidth \ufeff",
    "ＡＢＣ１２３～　全角，。！？「」『』",
    "don't can't we've I'M YOU'LL he'd'S",
    "العربية עברית हिन्दी ไทย Ελληνικά Кириллица 한국어 日本語",
    "https://shop.example/a?b=1&c=%20#x mail@shop.example +86 (10) 1234-5678",
    "def f(x):\n    return {'a': [1, 2.0, 3e-7], **x}  # comment",
    "\x00\x01\x7f\x85 \u2028\u2029 \ud7ff\ue000\uffff",
    "....------======____~~~~ !!!??? 。。。，，，",
    "１２３４５６７８９０ ٠١٢٣ ०१२३ 一二三 ⅠⅡⅢ",
    "\U0001f600\U00020000\U0010ffff 𝒜𝓫𝕔",
    "",
    " ",
    "\n",
    "a" * 300,
    "的" * 300,
]


@cache
def _manifest(name: str) -> tuple[Path, Manifest]:
    path = model_find(name, settings.CACHE_DIR)
    return path, model_verify(path)


class _SlowTokenizer:
    """Byte-pair encoding as the paper has it, with another regular expression engine than ours."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.ids = content["model"]["vocab"]
        merges = (m if isinstance(m, list) else m.split(" ") for m in content["model"]["merges"])
        self.ranks = {tuple(merge): rank for rank, merge in enumerate(merges)}
        self.split = regex.compile(QWEN_SPLIT)
        self.letters = _byte_letters()

    def encode(self, text: str) -> list[int]:
        normal = unicodedata.normalize("NFC", text)
        return [i for word in self.split.findall(normal) for i in self._word(word)]

    def _word(self, word: str) -> list[int]:
        parts = [self.letters[byte] for byte in word.encode("utf-8")]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, len(self.ranks)))
            if best not in self.ranks:
                break
            merged, index = [], 0
            while index < len(parts):
                if tuple(parts[index : index + 2]) == best:
                    merged.append(best[0] + best[1])
                    index += 2
                else:
                    merged.append(parts[index])
                    index += 1
            parts = merged
        return [self.ids[part] for part in parts]


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in byte-level vocabularies (GPT-2's table)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {byte: chr(byte) for byte in shown}
    letters |= {byte: chr(256 + place) for place, byte in enumerate(hidden)}
    assert set(letters.values()) == set(ByteLevel.alphabet())
    return [letters[byte] for byte in range(256)]


def test_both_default_models_are_as_their_manifests_say() -> None:
    _, chat = _manifest(CHAT)
    assert (chat.kind, chat.architecture, chat.quantization) == ("chat", "qwen2", "int8")
    assert chat.vocabulary == "zh-en"
    assert chat.eos_token_ids == (104195, 104193)
    _, embedding = _manifest(EMBEDDING)
    assert (embedding.kind, embedding.dimensions) == ("embedding", 384)
    assert (embedding.query_prefix, embedding.passage_prefix) == ("query: ", "passage: ")


def test_tricky_strings_get_the_tokens_of_a_plain_implementation() -> None:
    path, _ = _manifest(CHAT)
    fast = Tokenizer.from_file(str(path / "tokenizer.json"))
    slow = _SlowTokenizer(json.loads((path / "tokenizer.json").read_text(encoding="utf-8")))
    for text in TRICKY:
        assert fast.encode(text).ids == slow.encode(text), repr(text)


def test_tricky_strings_come_back_as_they_were_but_for_nfc() -> None:
    path, _ = _manifest(CHAT)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    for text in TRICKY:
        decoded = tokenizer.decode(tokenizer.encode(text).ids)
        assert decoded == unicodedata.normalize("NFC", text)


def test_special_tokens_follow_the_words_in_the_order_of_qwen() -> None:
    path, _ = _manifest(CHAT)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    words = len(json.loads((path / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"])
    ids = tokenizer.encode("<|endoftext|><|im_start|><|im_end|><tool_call>").ids
    assert ids == [words, words + 1, words + 2, words + 14]
    # Of Qwen's 151,643 words those of Chinese and English, and 22 special tokens.
    assert (words, tokenizer.get_vocab_size()) == (104193, 104215)


def test_the_chat_model_answers_a_sum() -> None:
    path, manifest = _manifest(CHAT)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    prompt = "<|im_start|>user\n12+30=?<|im_end|>\n<|im_start|>assistant\n"
    generator = ctranslate2.Generator(str(path), compute_type="int8")
    (result,) = generator.generate_batch(
        [tokenizer.encode(prompt).tokens],
        max_length=24,
        include_prompt_in_result=False,
        end_token=list(manifest.eos_token_ids),
    )
    assert "42" in tokenizer.decode(result.sequences_ids[0])


def test_the_embedding_model_puts_the_answer_next_to_its_question() -> None:
    path, manifest = _manifest(EMBEDDING)
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    encoder = ctranslate2.Encoder(str(path), compute_type="int8")

    def vector(text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        output = encoder.forward_batch([tokenizer.encode(text).ids])
        mean = np.asarray(output.last_hidden_state)[0].mean(0)
        return mean / np.linalg.norm(mean)

    passages = ["7天内可无理由退货，商品需完好。", "一般地区3-5个工作日送达。", "We accept Visa."]
    vectors = [vector(manifest.passage_prefix + passage) for passage in passages]
    for place, question in enumerate(["怎么退货？", "几天能收到？", "Can I pay by card?"]):
        query = vector(manifest.query_prefix + question)
        assert int(np.argmax([query @ other for other in vectors])) == place
