"""The part of an answer that may call tools: text and calls, malformed ones repaired or dropped."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, replace

from inference.chat import ChatChunk, ChatMessage, Tool, ToolCall
from inference.engines.protocol import Opening, PromptOptions
from inference.server.runs import EngineRuns
from inference.toolcalls.parsing import CALL_START, CallParser, FoundCall, Part
from inference.toolcalls.validation import CallInvalid, calls_check

_COMPLAINT = (
    "That call is not valid. {reason} Make the call again as valid JSON, or answer without a call."
)


@dataclass(slots=True)
class CallReader:
    """Reads one run of the engine whose text may contain calls.

    ``forced`` says that the client wants a call and nothing else, so no text is shown.
    """

    tools: tuple[Tool, ...]
    opening: str
    one_call: bool
    raw: str = ""
    called: bool = False
    shown: bool = False
    cut: bool = False
    invalid: CallInvalid | None = None

    @property
    def forced(self) -> bool:
        return bool(self.opening)

    @property
    def done(self) -> bool:
        """Whether nothing more of the run is wanted."""
        return self.invalid is not None or (self.called and self.one_call)

    async def chunks(self, runs: EngineRuns) -> AsyncGenerator[ChatChunk, None]:
        """Yield text and calls as they become certain; none has a finish reason."""
        parser = CallParser([tool.name for tool in self.tools]) if self.tools else _NoCalls()
        finish_reason = None
        parts = parser.feed(self.opening)
        async with aclosing(runs.chunks()) as chunks:
            async for chunk in chunks:
                self.raw += chunk.text
                finish_reason = chunk.finish_reason
                for made in self._chunks_of([*parts, *parser.feed(chunk.text)]):
                    yield made
                parts = []
                if self.done:
                    return
        self.cut = finish_reason == "length"
        for made in self._chunks_of(parser.finish(cut=self.cut)):
            yield made

    def _chunks_of(self, parts: Iterable[Part]) -> Iterable[ChatChunk]:
        for part in parts:
            if self.done:
                return
            if isinstance(part, FoundCall):
                yield from self._calls_of(part)
            elif not self.forced:
                self.shown = self.shown or bool(part.strip())
                yield ChatChunk(part)

    def _calls_of(self, found: FoundCall) -> Iterable[ChatChunk]:
        if not found.whole:  # its end is missing: nobody knows what it would have said
            return
        try:
            checked = calls_check(found.text, self.tools)
        except CallInvalid as error:
            self.invalid = error
            return
        made = tuple(
            ToolCall(f"call_{secrets.token_hex(12)}", name, text) for name, text in checked
        )
        if made:
            self.called = True
            yield ChatChunk("", tool_calls=made[:1] if self.one_call else made)


class _NoCalls:
    """Stands in for a ``CallParser`` where there are no tools: everything is text."""

    def feed(self, text: str) -> list[Part]:
        return [text] if text else []

    def finish(self, *, cut: bool) -> list[Part]:
        return []


def opening_of(tools: tuple[Tool, ...], choice: str) -> str:
    """How an answer begins that must call one of the tools; empty if it need not.

    Arguments are an object, whatever the tool; left to itself a small model writes a bare value.
    """
    if choice == "required" and len(tools) == 1:
        choice = tools[0].name
    if choice == "auto" or not tools:
        return ""
    if choice == "required":
        return f'{CALL_START}\n{{"name": "'
    return f'{CALL_START}\n{{"name": "{choice}", "arguments": {{'


@dataclass(slots=True)
class CallingAnswer:
    """An answer that may call tools.

    A malformed call is mended, if its meaning is certain; else the model is told what is wrong and
    tries once more. A call that is malformed then is dropped, and if nothing has been said, the
    model answers without tools.
    """

    runs: EngineRuns
    messages: tuple[ChatMessage, ...]
    options: PromptOptions
    _reader: CallReader | None = None
    finish_reason: str = "stop"

    async def start(self) -> None:
        """Hand the first run to the scheduler."""
        request = self.runs.request
        opening = opening_of(self.options.tools, request.options.tool_choice)
        await self._start(self.messages, self.options, opening)

    async def chunks(self) -> AsyncGenerator[ChatChunk, None]:
        """Yield text and calls; in the end ``finish_reason`` is set."""
        first = self._reader
        assert first is not None  # noqa: S101 (start() comes first)
        async for chunk in self._read(first):
            yield chunk
        if self._given_up(first):
            second = await self._again(first)
            async for chunk in self._read(second):
                yield chunk
            if self._given_up(second) and not (first.shown or second.shown):
                plain = replace(self.options, tools=())
                async for chunk in self._read(await self._start(self.messages, plain, "")):
                    yield chunk

    async def _read(self, reader: CallReader) -> AsyncGenerator[ChatChunk, None]:
        async with aclosing(reader.chunks(self.runs)) as chunks:
            async for chunk in chunks:
                yield chunk
        if reader.called:
            self.finish_reason = "tool_calls"
        elif reader.cut:
            self.finish_reason = "length"

    def _given_up(self, reader: CallReader) -> bool:
        """Whether a run has come to nothing but a malformed call."""
        return reader.invalid is not None and not reader.called and not self.runs.cancelled

    async def _again(self, failed: CallReader) -> CallReader:
        complaint = _COMPLAINT.format(reason=failed.invalid)
        messages = (
            *self.messages,
            ChatMessage("assistant", failed.opening + failed.raw),
            ChatMessage("user", complaint),
        )
        return await self._start(messages, self.options, failed.opening)

    async def _start(
        self, messages: tuple[ChatMessage, ...], options: PromptOptions, opening: str
    ) -> CallReader:
        request = self.runs.request
        if opening:
            forced = Opening(opening, trusted=True)
            options = replace(options, opening=(*options.opening, forced))
        prompt = await self.runs.encode(messages, options)
        self.runs.start(prompt, self.runs.answer_parameters(prompt))
        named = request.options.tool_choice not in {"auto", "none", "required"}
        self._reader = CallReader(options.tools, opening, one_call=request.one_call or named)
        return self._reader
