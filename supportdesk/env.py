"""Reads settings from the environment, from ``.env`` and from files named by ``NAME_FILE``.

A wrong value stops the start with one sentence that names it (``ImproperlyConfigured``).
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from inference.backends.specs import BackendsInvalid, BackendSpec, backends_parse

BASE_DIR = Path(__file__).resolve().parent.parent

_env = environ.Env()

Word = TypeVar("Word", bound=str)


def environment_load() -> None:
    """Read ``.env`` beside ``manage.py``; what the environment already has wins."""
    path = BASE_DIR / ".env"
    if path.is_file():
        _env.read_env(str(path))


def text(name: str, default: str = "") -> str:
    """A string; ``NAME_FILE`` may name a file that holds it (for secrets)."""
    file_name = os.environ.get(f"{name}_FILE")
    if file_name:
        try:
            return Path(file_name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names {file_name!r}, which cannot be read: {error}."
            ) from error
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    """A yes or no: 1/true/yes/on or 0/false/no/off."""
    value = os.environ.get(name)
    if value is None or value == "":
        return default
    if value.lower() in {"1", "true", "yes", "on"}:
        return True
    if value.lower() in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def integer(name: str, default: int, *, least: int | None = None, most: int | None = None) -> int:
    """A whole number within bounds."""
    value = os.environ.get(name, "")
    if value == "":
        return default
    try:
        number = int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error
    _bounds_check(name, number, least, most)
    return number


def seconds(name: str, default: float, *, least: float = 0.0, most: float = 86400.0) -> float:
    """A duration in seconds, fractions allowed."""
    value = os.environ.get(name, "")
    if value == "":
        return default
    try:
        number = float(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a number of seconds, not {value!r}.") from error
    _bounds_check(name, number, least, most)
    return number


def probability(name: str) -> float | None:
    """A number from 0 to 1, or None where nothing is set."""
    value = os.environ.get(name, "")
    if value == "":
        return None
    try:
        number = float(value)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be a number from 0 to 1, not {value!r}."
        ) from error
    _bounds_check(name, number, 0.0, 1.0)
    return number


def choice(name: str, default: str, choices: Mapping[str, Word]) -> Word:
    """One of several words; ``choices`` gives what each accepted word means."""
    value = os.environ.get(name, "").strip().lower() or default
    try:
        return choices[value]
    except KeyError:
        known = ", ".join(dict.fromkeys(choices.values()))
        raise ImproperlyConfigured(f"{name} must be one of {known}, not {value!r}.") from None


def redis_url(name: str) -> str:
    """The address of a Redis server; empty for none."""
    value = text(name).strip()
    if value and not value.startswith(("redis://", "rediss://", "unix://")):
        raise ImproperlyConfigured(
            f"{name} must begin with redis://, rediss:// or unix://, unlike {value.partition(':')[0]!r}."
        )
    return value


def engines(name: str) -> tuple[BackendSpec, ...]:
    """The remote engines that ``name`` (or the file that ``NAME_FILE`` names) lists."""
    try:
        return backends_parse(text(name))
    except BackendsInvalid as error:
        raise ImproperlyConfigured(f"{name} cannot be used: {error}.") from error


def secrets_named(prefix: str) -> dict[str, str]:
    """Secrets by name: each variable that begins with ``prefix``, or the file that it names with
    ``_FILE`` at its end; names are in small letters."""
    found = {}
    for name in os.environ:
        if name.startswith(prefix):
            bare = name.removesuffix("_FILE")
            if value := text(bare):
                found[bare.removeprefix(prefix).lower()] = value
    return found


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in; without a host there is none."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    use_tls: bool = False
    use_ssl: bool = False


def email(name: str) -> MailServer:
    """The mail server that ``name`` (or the file that ``NAME_FILE`` names) gives, as
    ``smtp://user:password@host:port``; ``smtp+tls`` begins TLS, ``smtps`` has it from the start.
    """
    value = text(name).strip()
    if not value:
        return MailServer()
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is not the address of a mail server.") from error
    ports = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
    if parts.scheme not in ports or not parts.hostname:
        known = ", ".join(f"{scheme}://" for scheme in ports)
        raise ImproperlyConfigured(f"{name} must begin with one of {known} and name a host.")
    return MailServer(
        host=parts.hostname,
        port=port or ports[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        use_tls=parts.scheme == "smtp+tls",
        use_ssl=parts.scheme == "smtps",
    )


def words(name: str, default: str = "") -> list[str]:
    """A list, separated by commas."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def secret_key(data_dir: Path) -> str:
    """``SECRET_KEY``, or one made once and kept in the data directory (mode 0600)."""
    value = text("SECRET_KEY")
    if value:
        return value
    path = data_dir / "secret_key"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    data_dir.mkdir(parents=True, exist_ok=True)
    value = secrets.token_urlsafe(48)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:  # another process of the tree was first
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(value)
    return value


def _bounds_check(name: str, number: float, least: float | None, most: float | None) -> None:
    if least is not None and number < least:
        raise ImproperlyConfigured(f"{name} must be at least {least:g}, not {number:g}.")
    if most is not None and number > most:
        raise ImproperlyConfigured(f"{name} must be at most {most:g}, not {number:g}.")
