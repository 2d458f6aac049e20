"""Prompts as they are stored: JSON, compressed.

A prompt is some thousand characters, most of them the same in every answer, and each answer keeps
its own: what the model really got cannot be made again from a template whose code, filters or
budget may have changed since. Compressed it takes about a third.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any, Final

PROMPT_MOST: Final = 256 * 1024
"""Bytes of a prompt that are kept; a longer one's messages are cut, the last ones first."""
_CUT: Final = "…"


def packed_make(messages: Sequence[dict[str, str]]) -> bytes | None:
    """The messages (role, content) as they are stored; ``None`` for none."""
    if not messages:
        return None
    left = PROMPT_MOST
    kept = []
    for message in messages:
        content = message["content"]
        encoded = content.encode("utf-8", "surrogatepass")
        if len(encoded) > left:
            content = encoded[:left].decode("utf-8", "ignore") + _CUT
        left -= min(left, len(encoded))
        kept.append({"role": message["role"], "content": content})
    return zlib.compress(json.dumps(kept, ensure_ascii=True).encode("ascii"), level=6)


def packed_read(stored: bytes | memoryview | None) -> list[dict[str, Any]]:
    """The messages as they were given to :func:`packed_make`."""
    if not stored:
        return []
    messages: list[dict[str, Any]] = json.loads(zlib.decompress(bytes(stored)))
    return messages
