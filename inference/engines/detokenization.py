"""Turns the tokens of a byte-level BPE model into text while they arrive."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from functools import cache


@cache
def _byte_of_character() -> dict[str, int]:
    """The alphabet of byte-level BPE: the byte that each visible character stands for.

    Printable bytes stand for themselves; the others are moved to U+0100 and up, in order
    (GPT-2's ``bytes_to_unicode``).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in printable}
    moved = (byte for byte in range(0x100) if byte not in set(printable))
    table.update({chr(0x100 + index): byte for index, byte in enumerate(moved)})
    return table


def token_bytes(token: str) -> bytes:
    """The bytes that a token of the vocabulary stands for.

    A token outside the byte-level alphabet (an added one, written as plain text) stands for its
    own UTF-8.
    """
    table = _byte_of_character()
    try:
        return bytes([table[character] for character in token])
    except KeyError:
        return token.encode("utf-8")


class Detokenizer:
    """Decodes one answer token by token; never shows half a character.

    The bytes of a character that is not complete are held back; bytes that can no longer become
    a character, and those left over at the end, are dropped.
    """

    def __init__(self, vocabulary: Sequence[str], hidden: Iterable[int] = ()) -> None:
        """``hidden`` are the ids of tokens that stand for no text, such as the end of a turn."""
        self._vocabulary = vocabulary
        self._hidden = frozenset(hidden)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")

    def feed(self, token_id: int) -> str:
        """Take the next token; return the characters that it completes, perhaps none."""
        if token_id in self._hidden or token_id >= len(self._vocabulary):  # a row of padding
            return ""
        return self._decoder.decode(token_bytes(self._vocabulary[token_id]))
