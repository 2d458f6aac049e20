"""Renders a conversation with the model's own chat template and encodes it.

Control tokens (``<|im_start|>``, ``<tool_call>`` ...) come from the template alone. The template
is rendered with a placeholder for every message and for the arguments of every tool call; its
control tokens are then cut out and the texts put in, so that what a message, a tool's result or a
call says is only ever encoded as ordinary text, by a tokenizer that knows no added tokens. For
texts without control tokens the result equals the tokenizer's own ``apply_chat_template``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2.exceptions import TemplateError

from inference.chat import ChatMessage, Tool, ToolCall
from inference.engines.protocol import PLAIN_PROMPT, PromptOptions
from inference.engines.tokenizer_file import tokenizer_load
from inference.errors import RequestInvalid, WeightsError, gettext_noop
from inference.thinking.parsing import THINK_START
from inference.wire import tool_row

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# From the private use area: no template contains it, and none trims it away. Arguments are written
# by some templates as JSON: a placeholder, being a text, then has quotes around it, which a JSON
# object has not.
_PLACEHOLDER = "\uf8f0{index}\uf8f1"
_PLACEHOLDER_PATTERN = re.compile("\uf8f0([0-9]+)\uf8f1")
_ARGUMENTS_PLACEHOLDER = "\uf8f2{index}\uf8f1"
_FILLED_PATTERN = re.compile(
    '\uf8f0(?P<text>[0-9]+)\uf8f1|"\uf8f2(?P<quoted>[0-9]+)\uf8f1"|\uf8f2(?P<bare>[0-9]+)\uf8f1'
)
_NAME_PATTERN = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RESERVED_PATTERN = re.compile("[\uf8f0-\uf8f2]")

Rows = list[dict[str, Any]]
Render = Callable[[Rows, list[dict[str, Any]], bool], str]


class ChatTemplate:
    """The tokenizer and chat template of one model directory."""

    def __init__(self, render: Render, tokenizer: Tokenizer, *, thinks: bool = False) -> None:
        """``render`` turns rows, tools and whether to think into a text; see :meth:`load`."""
        self._render_rows = render
        self.thinks = thinks
        """Whether the template can ask the model to reason before it answers."""
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
            raise WeightsError(
                gettext_noop("The tokenizer in %(path)s cannot be read: %(reason)s."),
                path=path,
                reason=error,
            ) from error
        tokenizer = tokenizer_load(path)
        if not isinstance(tokenizer.decoder, ByteLevel):
            raise WeightsError(
                gettext_noop("The tokenizer in %(path)s is not a byte-level one."), path=path
            )
        template = config.get("chat_template")
        if not isinstance(template, str):
            raise WeightsError(
                gettext_noop("The tokenizer in %(path)s has no chat template."), path=path
            )
        special: dict[str, Any] = {
            name: value if isinstance(value, str) else value["content"]
            for name in ("bos_token", "eos_token", "pad_token", "unk_token")
            if (value := config.get(name))
        }

        def render(rows: Rows, tools: list[dict[str, Any]], thinking: bool) -> str:
            # Its annotation says str; it returns the texts and their spans.
            rendered: Any = render_jinja_template(
                [rows],
                tools=list(tools) or None,
                chat_template=template,
                add_generation_prompt=True,
                enable_thinking=thinking,
                **special,
            )
            return str(rendered[0][0])

        return cls(render, tokenizer, thinks="enable_thinking" in template)

    @cached_property
    def calls_tools(self) -> bool:
        """Whether the template tells the model of its tools."""
        probe = Tool("probe_of_tools")
        rows = [{"role": "user", "content": "x"}]
        return probe.name in self._render_rows(rows, [tool_row(probe)], False)

    def encode(
        self, messages: Sequence[ChatMessage], options: PromptOptions = PLAIN_PROMPT
    ) -> list[int]:
        """Token ids of the conversation, ending where the assistant's answer begins or goes on.

        Raises:
            RequestInvalid: the template refuses this order of roles, or has no place for a
                message; or a tool's description contains a control token.
        """
        return self.encode_with_seam(messages, options)[0]

    def encode_with_seam(
        self, messages: Sequence[ChatMessage], options: PromptOptions = PLAIN_PROMPT
    ) -> tuple[list[int], int | None]:
        """Token ids as of :meth:`encode`, and the place before the last user turn, if there is one.

        The place is in front of a control token, so that text put there joins none of either turn.
        """
        last = max(
            (index for index, message in enumerate(messages) if message.role in ("user", "tool")),
            default=-1,
        )
        mark = _PLACEHOLDER.format(index=last)
        seam: int | None = None
        tools = [tool_row(tool) for tool in options.tools]
        self._tools_check(tools)
        texts = _Texts(messages)
        rendered = self._render(texts, tools, options.thinking)
        ids: list[int] = []
        position, opened = 0, 0
        for control in self._added_pattern.finditer(rendered):
            between = rendered[position : control.start()]
            if position and seam is None and mark in between:
                seam = opened
            ids += self.text_encode(texts.fill(between))
            opened = len(ids)
            ids.append(self._added_tokens[control.group()])
            position = control.end()
        ids += self.text_encode(texts.fill(rendered[position:]))
        if options.thinking and not rendered.rstrip().endswith(THINK_START):
            ids += self._trusted_encode(f"{THINK_START}\n")
        for part in options.opening:
            ids += self._trusted_encode(part.text) if part.trusted else self.text_encode(part.text)
        return ids, seam

    def _trusted_encode(self, text: str) -> list[int]:
        ids: list[int] = []
        position = 0
        for control in self._added_pattern.finditer(text):
            ids += self.text_encode(text[position : control.start()])
            ids.append(self._added_tokens[control.group()])
            position = control.end()
        return ids + self.text_encode(text[position:])

    def _tools_check(self, tools: list[dict[str, Any]]) -> None:
        """Tools are written into the template as they are, so nothing in them may steer it."""
        text = json.dumps(tools, ensure_ascii=False)
        found = self._added_pattern.search(text) or _RESERVED_PATTERN.search(text)
        if found is not None:
            raise RequestInvalid(f"The tools must not contain {found.group()}.")

    def text_encode(self, text: str) -> list[int]:
        """Token ids of plain text: what looks like a control token is encoded letter by letter."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        return ids

    def _render(self, texts: _Texts, tools: list[dict[str, Any]], thinking: bool) -> str:
        try:
            rendered = self._render_rows(texts.rows, tools, thinking)
        except TemplateError as error:
            raise RequestInvalid(
                f"The chat template refuses these messages: {error.message}."
            ) from error
        texts.placed_check(rendered)
        return rendered


class _Texts:
    """The texts of a conversation, and the rows with placeholders that stand for them."""

    def __init__(self, messages: Sequence[ChatMessage]) -> None:
        self._messages = messages
        self._contents = [message.content for message in messages]
        self._arguments: list[str] = []
        self.rows: Rows = [self._row(index, message) for index, message in enumerate(messages)]

    def _row(self, index: int, message: ChatMessage) -> dict[str, Any]:
        row: dict[str, Any] = {"role": message.role, "content": _PLACEHOLDER.format(index=index)}
        if message.tool_calls:
            if not message.content:  # templates ask whether there is any
                row["content"] = ""
            row["tool_calls"] = [self._call_row(call) for call in message.tool_calls]
        return row

    def _call_row(self, call: ToolCall) -> dict[str, Any]:
        if not _NAME_PATTERN.fullmatch(call.name):  # it is written into the template as it is
            raise RequestInvalid(f"{call.name!r} is not a name that a tool can have.")
        function = {"name": call.name, "arguments": self._arguments_take(call.arguments)}
        return {"type": "function", "function": function}

    def _arguments_take(self, arguments: str) -> str:
        try:  # written anew, as templates write a JSON object
            written = json.dumps(json.loads(arguments), ensure_ascii=False)
            written.encode()
        except ValueError as error:  # half a surrogate pair is one, too
            raise RequestInvalid("The arguments of a tool call must be valid JSON.") from error
        self._arguments.append(written)
        return _ARGUMENTS_PLACEHOLDER.format(index=len(self._arguments) - 1)

    def placed_check(self, rendered: str) -> None:
        """Nothing that was said may get lost.

        Raises:
            RequestInvalid: the template has left a message out.
        """
        placed = {int(found) for found in _PLACEHOLDER_PATTERN.findall(rendered)}
        for index, row in enumerate(self.rows):
            if row["content"] and index not in placed:
                raise RequestInvalid(
                    f"The chat template has no place for messages.{index}"
                    f" (role {self._messages[index].role})."
                )
        if rendered.count("\uf8f2") != len(self._arguments):
            raise RequestInvalid("The chat template has no place for tool calls.")

    def fill(self, text: str) -> str:
        """Put the texts in the place of their placeholders."""

        def found(match: re.Match[str]) -> str:
            if (index := match["text"]) is not None:
                return self._contents[int(index)]
            return self._arguments[int(match["quoted"] or match["bare"])]

        return _FILLED_PATTERN.sub(found, text)


def _vocabulary(tokenizer: Tokenizer) -> list[str]:
    tokens = tokenizer.get_vocab(with_added_tokens=True)
    vocabulary = [""] * (max(tokens.values()) + 1)
    for token, token_id in tokens.items():
        vocabulary[token_id] = token
    return vocabulary
