"""Signed identities: the shop says who its logged-in customer is.

A JWT, signed with the site's identity key. ``kid`` is ``current`` or ``previous``, so that the key
can be changed without a gap; ``aud`` is the site key; ``sub`` is the shop's own id of the customer;
``name``, ``region`` and ``groups`` (a list of names, which audiences of entries ask for) may be
given. The kind of key pins the algorithm: a shared secret takes
HS256, a public key ES256, whatever the token's header claims. A token with a ``jti`` works in the
browser that used it first and nowhere else (``services/sessions.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from conversations.errors import Forbidden
from knowledge.models import Site
from knowledge.models.audiences import GROUP_MOST
from knowledge.models.sites import identity_key_is_public

LIFE_MOST = timedelta(hours=1)
"""A token must expire within this time: a leaked one is soon worth nothing."""
_LEEWAY = timedelta(seconds=30)
_GROUPS_MOST = 50


@dataclass(frozen=True, slots=True)
class Identity:
    """What the shop says of its customer."""

    external_id: str
    name: str
    region: str
    expires_at: datetime
    jti: str = ""
    groups: tuple[str, ...] = ()


def identity_verify(*, site: Site, token: str) -> Identity:
    """Check a token and read it.

    Raises:
        Forbidden: no secret is set, or the signature, key, audience, time or a claim is wrong.
    """
    try:
        header = jwt.get_unverified_header(token)
        key = _key_of(site, header.get("kid"))
        claims = jwt.decode(
            token,
            key,
            algorithms=["ES256" if identity_key_is_public(key) else "HS256"],
            audience=site.key,
            leeway=_LEEWAY,
            options={"require": ["exp", "aud", "sub"]},
        )
    except (jwt.InvalidTokenError, jwt.InvalidKeyError) as error:
        raise Forbidden from error
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    if expires_at > datetime.now(UTC) + LIFE_MOST + _LEEWAY:
        raise Forbidden
    external_id, jti = claims["sub"], claims.get("jti", "")
    name, region = claims.get("name", ""), claims.get("region", "")
    groups = claims.get("groups", [])
    if not isinstance(groups, list) or len(groups) > _GROUPS_MOST:
        raise Forbidden
    texts = ((external_id, 120), (name, 120), (region, 80), (jti, 120))
    for value, most in (*texts, *((group, GROUP_MOST) for group in groups)):
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            raise Forbidden
    if not external_id:
        raise Forbidden
    return Identity(
        external_id, name, region, expires_at + _LEEWAY, jti, tuple(dict.fromkeys(groups))
    )


def _key_of(site: Site, kid: object) -> str:
    keys = {"current": site.identity_secret, "previous": site.identity_secret_previous}
    key = keys.get(kid, "") if isinstance(kid, str) else ""
    if not key:
        raise Forbidden
    return key.strip()
