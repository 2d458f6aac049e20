"""Turns the tokens of one answer into chunks of text, and knows when the answer is over."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from inference.chat import ChatChunk, GenerationParameters, Usage
from inference.engines.detokenization import Detokenizer
from inference.engines.protocol import AnswerTask, Prompt
from inference.engines.repetition import RepetitionWatch
from inference.engines.stop_strings import StopStrings


class TokenAnswer(AnswerTask):
    """The task of an engine that yields token ids.

    It ends by itself at an end token, at a stop string, after ``max_tokens``, or when it has
    fallen into a loop (which counts as ``length``: it would not have ended otherwise).
    """

    def __init__(
        self,
        prompt: Prompt,
        parameters: GenerationParameters,
        *,
        vocabulary: Sequence[str],
        end_ids: Collection[int],
        hidden_ids: Collection[int],
    ) -> None:
        super().__init__(prompt, parameters)
        self.token_ids: list[int] = []
        self.over = False
        self._end_ids = end_ids
        self._detokenizer = Detokenizer(vocabulary, hidden_ids)
        self._stops = StopStrings(parameters.stop)
        self._repetition = RepetitionWatch()

    def feed(self, token_id: int) -> ChatChunk:
        """Take the next token; the chunk has a finish reason when the answer is over."""
        if token_id in self._end_ids:
            return self._end(self._stops.flush(), "stop")
        self.token_ids.append(token_id)
        self.written += 1
        text = self._stops.feed(self._detokenizer.feed(token_id))
        if self._stops.reached:
            return self._end(text, "stop")
        if self._repetition.feed(token_id) or self.written >= self.parameters.max_tokens:
            return self._end(text + self._stops.flush(), "length")
        return ChatChunk(text)

    def _end(self, text: str, reason: str) -> ChatChunk:
        self.over = True
        return ChatChunk(text, reason, Usage(len(self.prompt.token_ids), self.written))
