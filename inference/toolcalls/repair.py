"""Mends what small models get wrong in the JSON of a call, as far as its meaning is certain.

A text that breaks off inside a string is never completed: half an order's number would look like
a whole one.
"""

from __future__ import annotations

import json
import re
from typing import Any

_FENCE_PATTERN = re.compile(r"\A\s*```[a-zA-Z]*\s*|\s*```\s*\Z")
_CONSTANTS = {"True": "true", "False": "false", "None": "null"}
_TOKEN_PATTERN = re.compile(
    r"""
    (?P<double>"(?:[^"\\]|\\.)*")
    |(?P<single>'(?:[^'\\]|\\.)*')
    |(?P<open>[\[{])
    |(?P<close>[\]}])
    |(?P<word>[A-Za-z_]+)
    |(?P<other>[^"'\[\]{}A-Za-z_]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_CLOSER = {"{": "}", "[": "]"}


def json_mended(text: str) -> Any:
    """The JSON value in ``text``, mended where that is certain.

    Mended are: a code fence around it, line breaks inside strings, single quotes, Python's
    constants, commas before a closing bracket, brackets missing or left over at the end.

    Raises:
        ValueError: it cannot be mended.
    """
    bare = _FENCE_PATTERN.sub("", text).strip()
    try:
        return json.loads(bare, strict=False)
    except ValueError:
        return json.loads(_rewritten(bare), strict=False)


def _rewritten(text: str) -> str:
    pieces: list[str] = []
    missing: list[str] = []
    position = 0
    while position < len(text):
        found = _TOKEN_PATTERN.match(text, position)
        if found is None:
            raise ValueError("a string is not closed")
        position = found.end()
        piece = found.group()
        if found["single"]:
            piece = _quotes_doubled(piece)
        elif found["open"]:
            missing.append(_CLOSER[piece])
        elif found["close"]:
            if not missing or missing.pop() != piece:
                raise ValueError("the brackets do not match")
            _comma_drop(pieces)
        elif found["word"]:
            piece = _CONSTANTS.get(piece, piece)
        pieces.append(piece)
        if not missing and pieces and found["close"]:
            break  # the value is whole; brackets too many may follow
    if text[position:].strip("}] \n\t\r"):
        raise ValueError("something follows the value")
    if missing:
        _comma_drop(pieces)
    return "".join([*pieces, *reversed(missing)])


def _comma_drop(pieces: list[str]) -> None:
    if pieces and pieces[-1].rstrip().endswith(","):
        pieces[-1] = pieces[-1].rstrip()[:-1]


def _quotes_doubled(text: str) -> str:
    inside = text[1:-1].replace("\\'", "'")
    return '"' + re.sub(r'(?<!\\)"', r"\"", inside) + '"'
