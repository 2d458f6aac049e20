"""Reads ``tokenizer.json`` of a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inference.errors import WeightsError, gettext_noop

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def tokenizer_load(path: Path) -> Tokenizer:
    """The tokenizer of the model directory ``path``.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str((path / "tokenizer.json").read_text(encoding="utf-8"))
    except Exception as error:
        raise WeightsError(
            gettext_noop("The tokenizer in %(path)s cannot be read: %(reason)s."),
            path=path,
            reason=error,
        ) from error
