"""Sessions of the widget: who it is, and which conversation goes on."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from conversations.enums import Mode
from conversations.errors import Forbidden
from conversations.models import Conversation, IdentityUse, ResumeToken, Visitor
from conversations.services.identities import Identity
from knowledge.models import Site

RESUME_LIFE = timedelta(days=30)
ROTATION_GRACE = timedelta(seconds=60)
"""How long a used token still works: the answer that carried its successor may have been lost."""


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A visitor with a conversation, and the token that brings the browser back to them."""

    visitor_id: UUID
    conversation_id: UUID
    mode: str
    head_seq: int
    resume_token: str


def session_open(
    *,
    site: Site,
    origin: str,
    resume_token: str = "",
    identity: Identity | None = None,
    language: str = "",
    region: str = "",
) -> OpenedSession:
    """Find or make the visitor and the conversation; rotate the resume token.

    A signed identity outranks the resume token, so nobody sees a customer's old conversations
    without one. ``region`` is the widget's attribute; it never replaces a signed region.

    Raises:
        Forbidden: the identity's token was used in another browser before.
    """
    with transaction.atomic():
        visitor = _visitor_find(
            site=site, origin=origin, resume_token=resume_token, identity=identity
        )
        # Two pages that a browser opens at once get one conversation: the second one waits here.
        visitor = Visitor.objects.select_for_update(no_key=True).get(pk=visitor.pk)
        if language:
            visitor.language = language
        if identity is not None:
            visitor.name = identity.name or visitor.name
            # Those of this token and no others: who left a group sees its entries no more.
            visitor.groups = list(identity.groups)
            if identity.region:
                visitor.region, visitor.region_is_signed = identity.region, True
        if region and not visitor.region_is_signed:
            visitor.region = region
        visitor.save()
        conversation = (
            Conversation.objects.filter(visitor=visitor)
            .exclude(mode=Mode.CLOSED)
            .order_by("-updated_at")
            .first()
        ) or Conversation.objects.create(site=site, visitor=visitor, language=language)
        return OpenedSession(
            visitor_id=visitor.pk,
            conversation_id=conversation.pk,
            mode=conversation.mode,
            head_seq=conversation.head_seq,
            resume_token=_token_issue(visitor=visitor, origin=origin),
        )


def _visitor_find(
    *, site: Site, origin: str, resume_token: str, identity: Identity | None
) -> Visitor:
    resumed = _token_use(site=site, origin=origin, resume_token=resume_token)
    if identity is not None:
        known, _ = Visitor.objects.get_or_create(site=site, external_id=identity.external_id)
        if identity.jti:
            _identity_use(site=site, visitor=known, identity=identity, resumed=resumed)
        return known
    if resumed is not None and not resumed.external_id:
        return resumed
    return Visitor.objects.create(site=site)


def _identity_use(
    *, site: Site, visitor: Visitor, identity: Identity, resumed: Visitor | None
) -> None:
    """Note that a token was used; later only the browser that did so may use it again.

    That browser shows the resume token which it got then: it opens a session again whenever the
    last one ends, with the same token as long as that is good.

    Raises:
        Forbidden: somebody else has used it.
    """
    IdentityUse.objects.filter(expires_at__lte=Now()).delete()
    _, is_first = IdentityUse.objects.get_or_create(
        site=site,
        jti_hash=_hash(identity.jti),
        defaults={"visitor": visitor, "expires_at": identity.expires_at},
    )
    if not is_first and resumed != visitor:
        raise Forbidden


def _token_use(*, site: Site, origin: str, resume_token: str) -> Visitor | None:
    """The visitor of a resume token, which is used up (but for ``ROTATION_GRACE``)."""
    if not resume_token:
        return None
    tokens = ResumeToken.objects.filter(
        token_hash=_hash(resume_token), origin=origin, visitor__site=site
    )
    token = (
        tokens.select_related("visitor")
        .filter(
            Q(rotated_at__isnull=True) | Q(rotated_at__gt=_now_plus(-ROTATION_GRACE)),
            expires_at__gt=Now(),
        )
        .first()
    )
    if token is None:
        return None
    tokens.filter(rotated_at__isnull=True).update(rotated_at=Now())
    return token.visitor


def _token_issue(*, visitor: Visitor, origin: str) -> str:
    ResumeToken.objects.filter(
        Q(expires_at__lte=Now()) | Q(rotated_at__lte=_now_plus(-ROTATION_GRACE)), visitor=visitor
    ).delete()
    value = secrets.token_urlsafe(32)
    ResumeToken.objects.create(
        visitor=visitor,
        origin=origin,
        token_hash=_hash(value),
        expires_at=_now_plus(RESUME_LIFE),
    )
    return value


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _now_plus(delta: timedelta) -> Combinable:
    return ExpressionWrapper(Now() + delta, output_field=DateTimeField())
