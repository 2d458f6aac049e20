"""Renders a conversation with the model's own chat template and encodes it.

Control tokens (``<|im_start|>``, ``<tool_call>`` ...) come from the template alone. The template
is rendered with a placeholder for every message; its control tokens are then cut out and the
messages put in, so that what a message says is only ever encoded as ordinary text, by a tokenizer
that knows no added tokens. For texts without control tokens the result equals the tokenizer's own
``apply_chat_template``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import TemplateError

from inference.chat import ChatMessage
from inference.engines.tokenizer_file import tokenizer_load
from inference.errors import RequestInvalid, WeightsError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# From the private use area: no template contains it, and none trims it away.
_PLACEHOLDER = "\uf8f0{index}\uf8f1"
_PLACEHOLDER_PATTERN = re.compile("\uf8f0([0-9]+)\uf8f1")

Rows = list[dict[str, str]]
Render = Callable[[Rows], str]


class ChatTemplate:
    """The tokenizer and chat template of one model directory."""

    def __init__(self, render: Render, tokenizer: Tokenizer) -> None:
        """``render`` turns rows of role and content into the prompt's text; see :meth:`load`."""
        self._render_rows = render
        added = tokenizer.get_added_tokens_decoder()
        self._added_tokens = {token.content: token_id for token_id, token in added.items()}
        alternatives = sorted(self._added_tokens, key=len, reverse=True)
        self._added_pattern = re.compile("|".join(map(re.escape, alternatives)) or r"(?!)")
        self.control_ids = frozenset(token_id for token_id, token in added.items() if token.special)
        """Ids of the tokens that frame the conversation and are never text."""
        self.vocabulary = _vocabulary(tokenizer)
        """The token of every id that the tokenizer knows."""
        # The same model without its added tokens: no text can make it yield one.
        self._plain = type(tokenizer)(tokenizer.model)
        if tokenizer.normalizer is not None:
            self._plain.normalizer = tokenizer.normalizer
        self._plain.pre_tokenizer = tokenizer.pre_tokenizer

    @classmethod
    def load(cls, path: Path) -> ChatTemplate:
        """Read ``tokenizer.json`` and ``tokenizer_config.json`` of a model directory.

        Raises:
            WeightsError: a file is missing or of a kind that the engine cannot use.
        """
        # Importing transformers takes a second and 65 MB: only the engine process pays for it.
        from tokenizers.decoders import ByteLevel
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            config = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise WeightsError(f"The tokenizer in {path} cannot be read: {error}.") from error
        tokenizer = tokenizer_load(path)
        if not isinstance(tokenizer.decoder, ByteLevel):
            raise WeightsError(f"The tokenizer in {path} is not a byte-level one.")
        template = config.get("chat_template")
        if not isinstance(template, str):
            raise WeightsError(f"The tokenizer in {path} has no chat template.")
        special: dict[str, Any] = {
            name: value if isinstance(value, str) else value["content"]
            for name in ("bos_token", "eos_token", "pad_token", "unk_token")
            if (value := config.get(name))
        }

        def render(rows: Rows) -> str:
            # Models that can think aloud (Qwen3) are asked for the answer at once.
            # Its annotation says str; it returns the texts and their spans.
            rendered: Any = render_jinja_template(
                [rows],
                chat_template=template,
                add_generation_prompt=True,
                enable_thinking=False,
                **special,
            )
            return str(rendered[0][0])

        return cls(render, tokenizer)

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        """Token ids of the conversation, ending where the assistant's answer begins.

        Raises:
            RequestInvalid: the template refuses this order of roles.
        """
        ids: list[int] = []
        rendered = self._render(messages)
        contents = [message.content for message in messages]
        position = 0
        for control in self._added_pattern.finditer(rendered):
            ids += self.text_encode(self._fill(rendered[position : control.start()], contents))
            ids.append(self._added_tokens[control.group()])
            position = control.end()
        ids += self.text_encode(self._fill(rendered[position:], contents))
        return ids

    def text_encode(self, text: str) -> list[int]:
        """Token ids of plain text: what looks like a control token is encoded letter by letter."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def _render(self, messages: Sequence[ChatMessage]) -> str:
        rows = [
            {"role": message.role, "content": _PLACEHOLDER.format(index=index)}
            for index, message in enumerate(messages)
        ]
        try:
            rendered = self._render_rows(rows)
        except TemplateError as error:
            raise RequestInvalid(
                f"The chat template refuses these messages: {error.message}."
            ) from error
        placed = {int(found) for found in _PLACEHOLDER_PATTERN.findall(rendered)}
        if missing := set(range(len(rows))) - placed:
            raise RequestInvalid(
                f"The chat template has no place for messages.{min(missing)}"
                f" (role {messages[min(missing)].role})."
            )
        return rendered

    @staticmethod
    def _fill(text: str, contents: Sequence[str]) -> str:
        return _PLACEHOLDER_PATTERN.sub(lambda found: contents[int(found.group(1))], text)


def _vocabulary(tokenizer: Tokenizer) -> list[str]:
    tokens = tokenizer.get_vocab(with_added_tokens=True)
    vocabulary = [""] * (max(tokens.values()) + 1)
    for token, token_id in tokens.items():
        vocabulary[token_id] = token
    return vocabulary
