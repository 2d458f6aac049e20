"""Writes to sites."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from knowledge.models import Site

FIELDS = frozenset(
    [
        "name", "key", "allowed_origins", "language", "region", "identity_secret",
        "identity_secret_previous", "welcome_zh", "welcome_en", "review_is_required",
        "trial_is_required", "trial_margin", "is_active",
    ]
)  # fmt: skip


@transaction.atomic
def site_create(*, is_demo: bool = False, **values: Any) -> Site:
    """Create a site from the values of ``FIELDS``.

    Raises:
        ValidationError: a value is not usable, for example an origin with a path.
    """
    site = Site(is_demo=is_demo, **_known(values))
    return _save(site)


@transaction.atomic
def site_update(*, site: Site, **values: Any) -> Site:
    """Change the given values of a site; others, and the revisions, stay as they are."""
    for name, value in _known(values).items():
        setattr(site, name, value)
    return _save(site, fields=sorted(values))


@transaction.atomic
def site_delete(*, site: Site) -> None:
    """Delete a site with its entries, own prompts, own rules and conversations."""
    site.delete()


def _known(values: dict[str, Any]) -> dict[str, Any]:
    unknown = values.keys() - FIELDS
    if unknown:
        raise TypeError(f"A site has no {', '.join(sorted(unknown))}.")
    return values


def _save(site: Site, fields: list[str] | None = None) -> Site:
    site.allowed_origins = "\n".join(origin_clean(line=line) for line in site.origins)
    site.full_clean()
    # Naming the columns keeps an old copy's revisions from being written back.
    site.save(update_fields=fields)
    return site


def origin_clean(*, line: str) -> str:
    """An origin as browsers send it: scheme, host, and port unless it is the scheme's own.

    Raises:
        ValidationError: it is none; under ``allowed_origins``, with a sentence.
    """
    try:
        parts = urlsplit(line.lower().rstrip("/"))
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or parts.path or parts.query:
        raise ValidationError(
            {
                "allowed_origins": _("“%(line)s” is not an origin such as https://shop.example.")
                % {"line": line}
            }
        )
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError as error:
        raise ValidationError(
            {
                "allowed_origins": _("“%(line)s” is not an origin such as https://shop.example.")
                % {"line": line}
            }
        ) from error
    host = f"[{host}]" if ":" in host else host
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")
