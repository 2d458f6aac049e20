"""Cuts the vocabulary of a converted chat model to the languages that the desk speaks.

Qwen knows 151,643 tokens; a third of them are of other scripts, or pieces of program code. Each costs
a row of the output matrix, which every decoding step reads whole. A token is kept by what it is
written with, never by how often some text needs it:

- every single byte, and every fragment of a character, so that nothing becomes unencodable;
- words in ASCII letters, in one of the usual cases, with or without a space, hyphen or slash before
  them, and runs of one sign (``???``);
- what else is ASCII (punctuation, spaces, code), if it is among the most frequent: in byte-level BPE
  the id of a token is its rank;
- texts of the characters in ``_RANGES``: Latin-1, Han characters, Chinese and general punctuation,
  full-width forms, currencies, signs and emoji;
- every control token, and every token out of which a kept one is merged.

The last rule makes the encoding exact: each merge that leads to a kept token is still there with its
rank, so a text whose tokens are all kept is encoded into the same tokens as before, gets the same
probabilities (but for the share of the tokens that are gone), and any other text is spelled in
smaller pieces.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from tokenizers import Tokenizer

from inference.engines.detokenization import token_bytes
from inference.errors import WeightsError, gettext_noop
from inference.weights.manifest import Manifest, files_record, manifest_read, manifest_write
from inference.weights.model_file import model_rows_keep

VocabularyCut = Literal["full", "zh-en"]

# Other ASCII than words: the ids below this are what the texts of the web, not only programs, need.
FREQUENT: Final = 20_000
_PLAIN: Final = re.compile(r"[ /-]?(?:[a-z]+|[A-Z][a-z]+|[A-Z]+)|([^\sA-Za-z])\1*")
_RANGES: Final = (
    (0x0000, 0x00FF),  # ASCII and Latin-1
    (0x2000, 0x27BF),  # general punctuation, currencies, arrows, signs, dingbats
    (0x2E80, 0x303F),  # radicals, Chinese punctuation
    (0x3100, 0x312F),  # bopomofo
    (0x3200, 0x33FF),  # enclosed and compatibility signs
    (0x3400, 0x9FFF),  # Han characters
    (0xF900, 0xFAFF),
    (0xFE00, 0xFE0F),  # variation selectors of emoji
    (0xFE30, 0xFE4F),
    (0xFF01, 0xFF60),  # full-width forms
    (0xFFE0, 0xFFE6),
    (0x1F000, 0x1FAFF),  # emoji
    (0x20000, 0x3FFFF),  # rare Han characters
)
_ROWS: Final = frozenset(
    f"decoder/{part}/{name}"
    for part in ("embeddings", "projection")
    for name in ("weight", "weight_scale", "bias")
)


@dataclass(frozen=True, slots=True)
class _Reduced:
    """A tokenizer's JSON with fewer tokens, and the old id of each new one."""

    content: dict[str, Any]
    ids: Sequence[int]


def vocabulary_wanted(environment: Mapping[str, str] = os.environ) -> VocabularyCut:
    """What ``SUPPORTDESK_VOCABULARY`` asks for; without it, the languages of the desk.

    Raises:
        WeightsError: it is neither ``zh-en`` nor ``full``.
    """
    value = environment.get("SUPPORTDESK_VOCABULARY") or "zh-en"
    if value == "full":
        return "full"
    if value == "zh-en":
        return "zh-en"
    raise WeightsError(
        gettext_noop("SUPPORTDESK_VOCABULARY is %(value)r; say zh-en or full."), value=value
    )


def vocabulary_cut(source: Path, target: Path, *, frequent: int = FREQUENT) -> Manifest:
    """Write the converted model ``source`` with its vocabulary cut into the empty ``target``.

    ``frequent`` is the rank up to which ASCII that is no word is kept.

    Raises:
        WeightsError: it is no chat model with byte-level BPE, is damaged, or is cut already.
        OSError: a file cannot be read or written.
    """
    manifest = manifest_read(source)
    if manifest.vocabulary != "full":
        raise WeightsError(
            gettext_noop("The vocabulary of %(source)s is cut already."), source=source
        )
    content, names = _json(source / "tokenizer.json"), _json(source / "vocabulary.json")
    for name in ("config.json", "tokenizer_config.json"):
        (target / name).write_bytes((source / name).read_bytes())
    try:
        reduced = _reduced(content, source, frequent)
        new_ids = {old: new for new, old in enumerate(reduced.ids)}
        tokenizer = Tokenizer.from_str(json.dumps(reduced.content, ensure_ascii=False))
        kept_names = [names[old] for old in reduced.ids]
        ends = tuple(new_ids[old] for old in manifest.eos_token_ids)
    except WeightsError:
        raise
    except Exception as error:  # the tokenizer library raises no narrower type
        raise WeightsError(
            gettext_noop("The vocabulary of %(source)s cannot be cut: %(error)r."),
            source=source,
            error=error,
        ) from error
    tokenizer.save(str(target / "tokenizer.json"))
    text = json.dumps(kept_names, indent=2, ensure_ascii=False)
    (target / "vocabulary.json").write_text(text, encoding="utf-8")
    model_rows_keep(
        source / "model.bin",
        target / "model.bin",
        variables=_ROWS,
        rows=np.array(reduced.ids, np.int64),
    )
    result = replace(manifest, vocabulary="zh-en", eos_token_ids=ends, files=files_record(target))
    manifest_write(target, result)
    return result


def tokens_kept(
    vocabulary: Mapping[str, int],
    merges: Sequence[tuple[str, str]],
    *,
    frequent: int = FREQUENT,
) -> list[int]:
    """The ids of the ordinary tokens that the rule keeps, in order.

    ``vocabulary`` and ``merges`` are those of ``tokenizer.json``.
    """
    halves: defaultdict[str, list[str]] = defaultdict(list)
    for first, second in merges:
        halves[first + second] += first, second
    waiting = [token for token, token_id in vocabulary.items() if _keeps(token, token_id, frequent)]
    kept: set[str] = set()
    while waiting:
        token = waiting.pop()
        if token not in kept:
            kept.add(token)
            waiting += halves[token]
    return sorted(vocabulary[token] for token in kept)


def _keeps(token: str, token_id: int, frequent: int) -> bool:
    try:
        text = token_bytes(token).decode("utf-8")
    except UnicodeDecodeError:
        return True  # a fragment of a character
    if text.isascii():
        return len(text) == 1 or token_id < frequent or _PLAIN.fullmatch(text) is not None
    return all(any(first <= ord(c) <= last for first, last in _RANGES) for c in text)


def _reduced(content: dict[str, Any], source: Path, frequent: int) -> _Reduced:
    model, decoder = content.get("model") or {}, content.get("decoder") or {}
    if model.get("type") != "BPE" or decoder.get("type") != "ByteLevel":
        raise WeightsError(
            gettext_noop("The tokenizer in %(source)s is not a byte-level one."), source=source
        )
    vocabulary: dict[str, int] = model["vocab"]
    merges = [_halves(merge) for merge in model["merges"]]
    ids = tokens_kept(vocabulary, merges, frequent=frequent)
    tokens = {token_id: token for token, token_id in vocabulary.items()}
    kept = {tokens[old]: new for new, old in enumerate(ids)}
    added = []
    # An added token gets the next free id when the file is read, so they follow in their order.
    for row in sorted(content["added_tokens"], key=lambda row: int(row["id"])):
        if row["content"] not in kept:
            ids.append(row["id"])
            added.append({**row, "id": len(ids) - 1})
        else:
            added.append({**row, "id": kept[row["content"]]})
    model = {**model, "vocab": kept}
    model["merges"] = [
        [first, second]
        for first, second in merges
        if first in kept and second in kept and first + second in kept
    ]
    return _Reduced({**content, "model": model, "added_tokens": added}, ids)


def _halves(merge: str | Sequence[str]) -> tuple[str, str]:
    """Older files write the halves of a merge with a space between them."""
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(
            gettext_noop("%(path)s is damaged: it is not JSON."), path=path
        ) from error
