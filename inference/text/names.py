"""Names that are written in two languages at once."""

from __future__ import annotations

import re

_BOTH = re.compile("^([\u3400-\u9fff·]+)\\s+([\x20-\x7e]*[A-Za-z][\x20-\x7e]*)$")


def name_in(name: str, language: str) -> str:
    """``青禾家居 Greenstem Home`` holds two names: the one of the language, else all of it.

    The widget does the same (``shopName`` in ``widget/src/i18n.ts``).

    >>> name_in("青禾家居 Greenstem Home", "en")
    'Greenstem Home'
    """
    both = _BOTH.match(name.strip())
    if both is None:
        return name.strip()
    return both[2] if language == "en" else both[1]
