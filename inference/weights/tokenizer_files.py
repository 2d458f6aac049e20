"""Writes ``tokenizer.json`` and ``tokenizer_config.json`` from vocabularies inside weights files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from inference.errors import WeightsError, gettext_noop

# How Qwen splits text before byte-pair encoding; numbers are split into single digits.
# Source: tokenizer.json of Qwen/Qwen2.5-0.5B-Instruct.
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Token types in GGUF (llama.cpp's enum llama_token_type).
_CONTROL, _USER_DEFINED, _UNUSED = 3, 4, 5


@dataclass(frozen=True, slots=True)
class ByteLevelVocabulary:
    """A byte-level BPE vocabulary as GGUF keeps it; a token's id is its place in ``tokens``.

    ``control`` tokens steer the model and are left out of decoded text; ``defined`` tokens (such as
    ``<tool_call>``) are matched whole, too, but decoded; ``unused`` ids only pad the matrices.
    """

    tokens: Sequence[str]
    merges: Sequence[str]
    control: frozenset[int]
    defined: frozenset[int]
    unused: frozenset[int]


def vocabulary_of_gguf(metadata: Mapping[str, object], name: str) -> ByteLevelVocabulary:
    """The vocabulary in a GGUF header.

    Raises:
        WeightsError: It is missing, or not Qwen's byte-level BPE.
    """
    kind = metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre", "qwen2")
    if kind != ("gpt2", "qwen2"):
        raise WeightsError(
            gettext_noop("%(name)s has a tokenizer of the kind %(kind)s, not Qwen's."),
            name=name,
            kind=kind,
        )
    tokens = metadata.get("tokenizer.ggml.tokens")
    merges = metadata.get("tokenizer.ggml.merges")
    types = metadata.get("tokenizer.ggml.token_type")
    if not (isinstance(tokens, list) and isinstance(merges, list) and isinstance(types, list)):
        raise WeightsError(
            gettext_noop("%(name)s is not usable: its vocabulary is missing."), name=name
        )
    if len(tokens) != len(types):
        raise WeightsError(
            gettext_noop("%(name)s is damaged: %(count)s tokens, %(count2)s token types."),
            name=name,
            count=len(tokens),
            count2=len(types),
        )
    by_type = {
        kind: frozenset(index for index, value in enumerate(types) if value == kind)
        for kind in (_CONTROL, _USER_DEFINED, _UNUSED)
    }
    return ByteLevelVocabulary(
        tokens=[str(token) for token in tokens],
        merges=[str(merge) for merge in merges],
        control=by_type[_CONTROL],
        defined=by_type[_USER_DEFINED],
        unused=by_type[_UNUSED],
    )


def byte_level_tokenizer(vocabulary: ByteLevelVocabulary) -> Tokenizer:
    """Qwen's tokenizer.

    Raises:
        WeightsError: The vocabulary contradicts itself.
    """
    added = vocabulary.control | vocabulary.defined
    left_out = added | vocabulary.unused
    words = {token: index for index, token in enumerate(vocabulary.tokens) if index not in left_out}
    merges: list[tuple[str, str]] = []
    for merge in vocabulary.merges:
        first, _, second = merge.partition(" ")
        merges.append((first, second))
    # Tokens in byte-level form hold no space, so two halves always part at the first one.
    try:
        tokenizer = Tokenizer(models.BPE(words, merges, byte_fallback=False))
    except Exception as error:  # the library raises no narrower type
        raise WeightsError(
            gettext_noop("The vocabulary of the weights is damaged: %(error)s."), error=error
        ) from error
    # Qwen's files normalise to NFC; without it 0.6 % of tricky strings get other tokens.
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(
        add_prefix_space=False, trim_offsets=False, use_regex=False
    )
    # In id order: an added token gets the next free id, whatever it was in the file.
    for index in sorted(added):
        token = AddedToken(
            vocabulary.tokens[index],
            special=index in vocabulary.control,
            normalized=False,
        )
        tokenizer.add_tokens([token])
        if tokenizer.token_to_id(token.content) != index:
            raise WeightsError(
                gettext_noop(
                    "The vocabulary of the weights is not usable: token %(content)s has id "
                    "%(index)s, but ordinary tokens follow it."
                ),
                content=token.content,
                index=index,
            )
    return tokenizer


# Whitespace and control characters as SentencePiece's nmt_nfkc treats them before NFKC.
# Source: builder.cc of google/sentencepiece; checked against the table inside e5-small-q4.bin.
_NMT_REMOVED = r"[\x01-\x08\x0B\x0E-\x1F\x7F\x{8F}\x{9F}]"
_NMT_SPACES = r"[\t\n\f\r\x{1680}\x{200B}-\x{200F}\x{2028}\x{2029}\x{2581}\x{FEFF}\x{FFFD}]"
_WIDE_TILDE = "\uff5e"
_NONCHARACTER = "\ufdd0"  # Unicode promises never to use it


def unigram_tokenizer(pieces: Sequence[tuple[str, float]]) -> Tokenizer:
    """XLM-RoBERTa's tokenizer from SentencePiece pieces with their scores, in id order.

    The ids 0 to 3 are ``<s> <pad> </s> <unk>``, and ``<mask>`` is the last.
    """
    tokenizer = Tokenizer(models.Unigram(list(pieces), unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(_NMT_REMOVED), ""),
            normalizers.Replace(Regex(_NMT_SPACES), " "),
            # nmt_nfkc keeps the full-width tilde, which NFKC would turn into "~".
            normalizers.Replace(_WIDE_TILDE, _NONCHARACTER),
            normalizers.NFKC(),
            normalizers.Replace(_NONCHARACTER, _WIDE_TILDE),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="always"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="\u2581", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True) for token in ("<s>", "<pad>", "</s>", "<unk>")]
        + [AddedToken("<mask>", special=True, lstrip=True)]
    )
    return tokenizer


def tokenizer_write(path: Path, tokenizer: Tokenizer, config: Mapping[str, Any]) -> None:
    """Write both files into the directory ``path``; transformers' AutoTokenizer reads them."""
    tokenizer.save(str(path / "tokenizer.json"))
    text = json.dumps(dict(config), indent=2, ensure_ascii=False)
    (path / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
