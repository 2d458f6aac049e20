"""Signed identities: the shop says who its logged-in customer is.

A JWT with HS256, signed with the site's identity secret. ``kid`` is ``current`` or ``previous``, so
that the secret can be changed without a gap; ``aud`` is the site key; ``sub`` is the shop's own id
of the customer; ``name`` and ``region`` may be given. The algorithm is pinned: whatever the token's
header claims, nothing but HS256 is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from conversations.errors import Forbidden
from knowledge.models import Site

LIFE_MOST = timedelta(hours=1)
"""A token must expire within this time: a leaked one is soon worth nothing."""
_LEEWAY = timedelta(seconds=30)
_ALGORITHM = "HS256"


@dataclass(frozen=True, slots=True)
class Identity:
    """What the shop says of its customer."""

    external_id: str
    name: str
    region: str


def identity_verify(*, site: Site, token: str) -> Identity:
    """Check a token and read it.

    Raises:
        Forbidden: no secret is set, or the signature, key, audience, time or a claim is wrong.
    """
    try:
        header = jwt.get_unverified_header(token)
        secret = _secret_of(site, header.get("kid"))
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            audience=site.key,
            leeway=_LEEWAY,
            options={"require": ["exp", "aud", "sub"]},
        )
    except jwt.InvalidTokenError as error:
        raise Forbidden from error
    if datetime.fromtimestamp(claims["exp"], UTC) > datetime.now(UTC) + LIFE_MOST + _LEEWAY:
        raise Forbidden
    external_id = claims["sub"]
    name, region = claims.get("name", ""), claims.get("region", "")
    for value, most in ((external_id, 120), (name, 120), (region, 80)):
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            raise Forbidden
    if not external_id:
        raise Forbidden
    return Identity(external_id=external_id, name=name, region=region)


def _secret_of(site: Site, kid: object) -> str:
    secrets = {"current": site.identity_secret, "previous": site.identity_secret_previous}
    secret = secrets.get(kid, "") if isinstance(kid, str) else ""
    if not secret:
        raise Forbidden
    return secret
