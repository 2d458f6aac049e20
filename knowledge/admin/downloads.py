"""Files that are made while they are downloaded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

Piece = TypeVar("Piece", str, bytes)


def download(
    request: HttpRequest, pieces: Iterator[Piece], *, file_name: str, content_type: str
) -> StreamingHttpResponse:
    """A download whose pieces go out as they are made."""
    # Under ASGI Django would collect all of a plain iterator before it sends the first byte.
    content = _awaited(pieces) if isinstance(request, ASGIRequest) else pieces
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response


async def _awaited(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
    def following() -> Piece | None:
        return next(pieces, None)

    while (piece := await sync_to_async(following)()) is not None:
        yield piece
