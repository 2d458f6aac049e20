"""Frames of protocol ``support.v1``: decoded by hand, because a stranger writes them.

Channels' stock JSON consumer answers ``{``, ``[1]``, deep nesting and huge integers with a
traceback; here each of them is a :class:`ConversationError`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from uuid import UUID

from conversations.errors import BadFrame, BadJson, UnknownType

VERSION = 1
FRAME_BYTES = 64 * 1024
DEPTH = 5
SEQ_MOST = 2**63 - 1
COMMENT_LIMIT = 1000

_INTEGER_DIGITS = 19
_REASON = re.compile(r"[a-z0-9_]{1,32}")
_DIGEST = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame; ``last_seq`` is the newest item that the client has."""

    version: object
    token: str
    last_seq: int


@dataclass(frozen=True, slots=True)
class Send:
    """A customer's message, not yet cleaned."""

    client_message_id: UUID
    text: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the answer to a message."""

    client_message_id: UUID


@dataclass(frozen=True, slots=True)
class RequestHuman:
    """Ask for a person."""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The customer wants a change made; ``digest`` is that of what they were shown."""

    action_id: UUID
    digest: str


@dataclass(frozen=True, slots=True)
class Decline:
    """The customer does not want a change."""

    action_id: UUID


@dataclass(frozen=True, slots=True)
class Rate:
    """A judgement of the answer with number ``reply_seq``: a thumb (0, 1) or stars (1 to 5)."""

    reply_seq: int
    kind: Literal["thumb", "stars"]
    score: int
    reasons: tuple[str, ...]
    comment: str


@dataclass(frozen=True, slots=True)
class Typing:
    """The customer is typing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The customer has seen everything up to ``seq``."""

    seq: int


@dataclass(frozen=True, slots=True)
class Ping:
    """Answered by a pong with the same number."""

    n: int


Frame = Hello | Send | Cancel | RequestHuman | Confirm | Decline | Rate | Typing | Seen | Ping


def json_object_decode(raw: str | bytes) -> dict[str, Any]:
    """Decode one JSON object.

    Raises:
        BadJson: bad syntax, bad UTF-8, NaN or infinity, a number that is out of range, duplicate
            keys, or deeper nesting than ``DEPTH``.
        BadFrame: JSON, but not an object.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        _depth_check(text)
        value = json.loads(
            text,
            object_pairs_hook=_pairs_unique,
            parse_constant=_constant_refuse,
            parse_int=_integer_parse,
            parse_float=_float_parse,
        )
    except (ValueError, RecursionError) as error:
        raise BadJson from error
    if not isinstance(value, dict):
        raise BadFrame
    return value


def frame_decode(raw: str | bytes) -> Frame:
    """Decode a frame of a client; unknown fields are ignored.

    Raises:
        BadJson, BadFrame, UnknownType.
    """
    data = json_object_decode(raw)
    kind = data.get("type")
    if not isinstance(kind, str):
        raise BadFrame
    reader = _READERS.get(kind)
    if reader is None:
        raise UnknownType
    return reader(data)


def frame_encode(frame: Mapping[str, object]) -> str:
    """The text of a frame to a client."""
    return json.dumps({"v": VERSION, **frame}, ensure_ascii=False, separators=(",", ":"))


def rating_read(data: Mapping[str, Any]) -> Rate:
    """Read a ``rate`` frame; ``kind`` defaults to stars.

    Raises:
        BadFrame
    """
    kind = data.get("kind", "stars")
    if kind not in ("thumb", "stars"):
        raise BadFrame
    least, most = (0, 1) if kind == "thumb" else (1, 5)
    reasons = data.get("reasons", [])
    if (
        not isinstance(reasons, list)
        or len(reasons) > 10
        or not all(isinstance(reason, str) and _REASON.fullmatch(reason) for reason in reasons)
    ):
        raise BadFrame
    comment = data.get("comment", "")
    if not isinstance(comment, str) or len(comment) > COMMENT_LIMIT:
        raise BadFrame
    if "\x00" in comment or any("\ud800" <= character <= "\udfff" for character in comment):
        raise BadFrame
    return Rate(
        reply_seq=_integer(data, "reply_seq", least=1),
        kind=kind,
        score=_integer(data, "score", least=least, most=most),
        reasons=tuple(reasons),
        comment=comment,
    )


def uuid_read(value: object) -> UUID:
    """A UUID in its usual form.

    Raises:
        BadFrame
    """
    if not isinstance(value, str) or len(value) != 36:
        raise BadFrame
    try:
        return UUID(value)
    except ValueError as error:
        raise BadFrame from error


def _hello_read(data: Mapping[str, Any]) -> Hello:
    token = data.get("token")
    if not isinstance(token, str) or len(token) > 4096:
        raise BadFrame
    last_seq = _integer(data, "last_seq", least=0) if "last_seq" in data else 0
    return Hello(version=data.get("v"), token=token, last_seq=last_seq)


def _send_read(data: Mapping[str, Any]) -> Send:
    client_message_id = uuid_read(data.get("client_message_id"))
    text = data.get("text")
    if not isinstance(text, str):
        raise BadFrame(client_message_id=client_message_id)
    return Send(client_message_id=client_message_id, text=text)


def _confirm_read(data: Mapping[str, Any]) -> Confirm:
    digest = data.get("digest")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise BadFrame
    return Confirm(action_id=uuid_read(data.get("action")), digest=digest)


def _integer(data: Mapping[str, Any], name: str, *, least: int = 0, most: int = SEQ_MOST) -> int:
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise BadFrame
    return value


def _depth_check(text: str) -> None:
    """Refuse deep nesting before the parser recurses into it."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > DEPTH:
                raise ValueError("nested too deeply")
        elif character in "]}":
            depth -= 1


def _pairs_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def _constant_refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer_parse(digits: str) -> int:
    if len(digits.lstrip("-")) > _INTEGER_DIGITS:
        raise ValueError("integer out of range")
    return int(digits)


def _float_parse(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return number


_READERS: dict[str, Callable[[Mapping[str, Any]], Frame]] = {
    "hello": _hello_read,
    "send": _send_read,
    "cancel": lambda data: Cancel(uuid_read(data.get("client_message_id"))),
    "request_human": lambda data: RequestHuman(),
    "confirm": _confirm_read,
    "decline": lambda data: Decline(uuid_read(data.get("action"))),
    "rate": rating_read,
    "typing": lambda data: Typing(),
    "seen": lambda data: Seen(_integer(data, "seq")),
    "ping": lambda data: Ping(_integer(data, "n")),
}
