"""What an answer hangs on besides its question; when any of it changes, the answer is not given
again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Final

_WAY: Final = 1
"""Raised with every change of how answers are made or checked, which no revision tells of."""


@dataclass(frozen=True, slots=True)
class AnswerBasis:
    """Everything that an answer to a question that stands alone hangs on.

    ``wording_revision`` counts changes of rules and prompts. ``region`` is the one that the prompt
    may name. ``valid_until`` is the next moment at which an entry of the site begins or ceases to
    be valid; it is no part of the key.
    """

    site_id: int
    language: str
    audiences: tuple[int, ...]
    knowledge_revision: int
    wording_revision: int
    prompt_version_id: int
    model: str
    model_hash: str
    shop_name: str
    region: str
    valid_until: datetime | None = None

    def made_by(self, model: str, model_hash: str) -> AnswerBasis:
        """The basis of an answer that this model made."""
        return replace(self, model=model, model_hash=model_hash)

    @property
    def key(self) -> str:
        """A SHA-256 that is another one when anything differs."""
        parts = asdict(replace(self, valid_until=None))
        told = json.dumps([_WAY, parts], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
