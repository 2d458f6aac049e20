"""A generated answer while it arrives: cut into clauses, each checked before it is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conversations.enums import Reason
from inference.support.check import ProblemCode, SupportCheck, SupportPassage, Verdict
from inference.support.clauses import ClauseSplitter

_MARK = re.compile(r"[ \t]*\[([A-Za-z]?\d{1,9})\]")
_WORDS = re.compile(r"\w")
_UNUSABLE = frozenset(
    {
        ProblemCode.TEMPLATE,
        ProblemCode.LEAK,
        ProblemCode.LOOP,
        ProblemCode.LANGUAGE,
        ProblemCode.EMPTY,
    }
)


class DraftRejected(Exception):
    """The text may not be shown; ``reason`` goes into the answer's provenance."""

    def __init__(self, reason: Reason, problems: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.problems = tuple(problems)


class Draft:
    """Feeds a streamed text through the splitter and the support check.

    ``text`` is what may be shown: marks such as ``[E12]`` become ``[1]``, counting in the order of
    ``cited``, and marks of passages that do not support their clause are put right.
    """

    def __init__(self, *, check: SupportCheck, passages: Sequence[SupportPassage]) -> None:
        self._check = check
        self._passages = passages
        self._splitter = ClauseSplitter()
        self._wordless = ""
        self.raw = ""
        self.text = ""
        self.cited: list[str] = []
        self.accepted = False

    def feed(self, text: str) -> str:
        """Take streamed text; return what may be shown now (often nothing yet).

        Raises:
            DraftRejected
        """
        self.raw += text
        return "".join(self._release(clause) for clause in self._splitter.feed(text))

    def finish(self, *, complete: bool) -> str:
        """Take the end of the stream and judge the whole.

        ``complete`` is ``False`` when the token limit cut the text: the clause that it cut is left
        out.

        Raises:
            DraftRejected
        """
        rest = self._splitter.flush()
        shown = "".join(self._release(clause) for clause in (rest if complete else rest[:-1]))
        if not self.text.strip():
            raise DraftRejected(Reason.INVALID_OUTPUT, ("no whole clause",))
        end = self._wordless.rstrip()
        self.text, self._wordless, shown = self.text + end, "", shown + end
        verdict = self._check.answer(self.text)
        self._require(verdict)
        if verdict.refusal:
            raise DraftRejected(Reason.NOT_IN_KNOWLEDGE, ("the model could not confirm",))
        self._cite(verdict.citations)
        self.accepted = True
        return shown

    def _release(self, clause: str) -> str:
        # The check knows marks as numbers only.
        verdict = self._check.clause(_MARK.sub("[1]", clause))
        self._require(verdict)
        if not self.text:
            clause = self._heading_drop(clause)
        marked = _MARK.sub(lambda match: self._mark(match[1], verdict), clause)
        self._cite(verdict.citations)
        marked, self._wordless = self._wordless + marked, ""
        if not _WORDS.search(marked):
            # "<!" or "---" may be the head of what is held back; marks wait for words to go with.
            self._wordless = marked
            return ""
        self.text += marked
        return marked

    def _heading_drop(self, clause: str) -> str:
        """The first clause without what a model copies along from the head of a passage: its mark
        and its title."""
        body = clause
        if mark := _MARK.match(body):
            body = body[mark.end() :]
        body = body.lstrip()
        for passage in self._passages:
            title = passage.question.strip()
            if title and body.startswith(title):
                return body[len(title) :].lstrip(" \t\n:：-—")
        return body if mark else clause

    def _require(self, verdict: Verdict) -> None:
        if verdict.supported:
            return
        unusable = any(problem.code in _UNUSABLE for problem in verdict.problems)
        raise DraftRejected(
            Reason.INVALID_OUTPUT if unusable else Reason.UNSUPPORTED,
            [str(problem) for problem in verdict.problems],
        )

    def _mark(self, label: str, verdict: Verdict) -> str:
        passage_id = self._passage_of(label)
        if verdict.citations and passage_id not in verdict.citations:
            passage_id = verdict.citations[0]
        if passage_id is None:
            return ""
        self._cite((passage_id,))
        return f"[{self.cited.index(passage_id) + 1}]"

    def _passage_of(self, label: str) -> str | None:
        for passage in self._passages:
            if passage.id == label:
                return passage.id
        if label.isdigit() and 1 <= int(label) <= len(self._passages):
            return self._passages[int(label) - 1].id
        return None

    def _cite(self, passage_ids: Sequence[str]) -> None:
        self.cited += [each for each in passage_ids if each not in self.cited]
