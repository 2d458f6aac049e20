"""The Content-Security-Policy: strict everywhere, a little wider under the admin.

Unfold's Alpine evaluates expressions from attributes (``unsafe-eval``) and styles elements in
place (``unsafe-inline`` for styles). Scripts written into a page stay forbidden there as well.
"""

from __future__ import annotations

from typing import Any, Final

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

STRICT: Final[dict[str, list[str]]] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "data:"],
    "font-src": [SELF],
    "connect-src": [SELF],
    "manifest-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "object-src": [NONE],
    "frame-ancestors": [NONE],
}
ADMIN: Final[dict[str, list[str]]] = {
    **STRICT,
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
}


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Chooses the policy by the path."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts: PolicyParts = super().get_policy_parts(request, response, report_only)
        if report_only:
            return parts
        under_admin = request.path.startswith(reverse("admin:index"))
        config: dict[str, Any] = dict(ADMIN if under_admin else STRICT)
        parts.config = parts.config or config
        return parts
