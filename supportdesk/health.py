"""Says whether the process lives and whether it takes traffic."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse

from conversations.desk import desk_current
from conversations.errors import ConversationError
from conversations.lanes import READS
from conversations.selectors import database_check


async def live(request: HttpRequest) -> JsonResponse:
    """The event loop answers."""
    return JsonResponse({"status": "live"})


async def ready(request: HttpRequest) -> JsonResponse:
    """The database answers and the process is not about to stop; 503 otherwise."""
    if desk_current().draining:
        return JsonResponse({"status": "draining"}, status=503)
    try:
        await READS.run(database_check)
    except ConversationError:
        return JsonResponse({"status": "unavailable"}, status=503)
    return JsonResponse({"status": "ready"})
