"""Which engines there are: reads the setting that names them.

Two forms, told apart by their first character. On one line, addresses with options in the query,
separated by spaces::

    http://gpu1:8000/v1?model=Qwen3-8B&weight=2 http://gpu2:8000/v1?model=Qwen3-8B

Or TOML, for a file::

    [[engine]]
    url = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    model = "qwen-plus"
    key_file = "/run/secrets/qwen"
    tier = 2
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

LocalOrder = Literal["first", "last", "off"]
"""When the built-in engine is asked: before or after the others, or not at all."""
LOCAL_ORDERS: Final[Mapping[str, LocalOrder]] = {
    "first": "first", "last": "last", "off": "off", "1": "first", "0": "off"
}  # fmt: skip


class BackendsInvalid(ValueError):
    """The setting cannot be understood; ``str()`` is one sentence that names the wrong place."""


@dataclass(frozen=True, slots=True)
class BackendSpec:
    """One engine.

    Attributes:
        url: its base address, with or without ``/v1``.
        name: how logs and pages call it; unique.
        model: the model to ask for; "" takes the first that the server names.
        key: the API key.
        weight: its share of the requests among the engines of its tier.
        tier: engines of a lower tier are asked first; the others when none of those can.
        timeout: seconds that one request may take there at most; None leaves it to the caller.
        first_token: seconds to wait for the first token before the next engine is asked; None
            leaves it to the pool.
        body: fields to add to each request.
        omit: fields that the server does not bear, left out of each request.
        local: the built-in engine on this machine, which a supervisor watches and kills.
    """

    url: str
    name: str
    model: str = ""
    key: str = field(default="", repr=False)
    weight: float = 1.0
    tier: int = 1
    timeout: float | None = None
    first_token: float | None = None
    body: Mapping[str, Any] = field(default_factory=dict)
    omit: tuple[str, ...] = ()
    local: bool = False

    @property
    def host(self) -> str:
        """Host and port of the address: what provenance may tell."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


# What an address may carry in its query; TOML knows ``url`` and ``body`` as well.
_TEXTS: Final = ("name", "model", "key", "key_file", "key_env")
_NUMBERS: Final = ("weight", "timeout", "first_token")
_OPTIONS: Final = (*_TEXTS, *_NUMBERS, "tier", "omit")
_TIER_MOST: Final = 100
_WEIGHT_MOST: Final = 1000.0
_SECONDS_MOST: Final = 3600.0


def backends_parse(
    text: str, environment: Mapping[str, str] = os.environ
) -> tuple[BackendSpec, ...]:
    """The engines that the setting names, in its order; empty for an empty setting.

    ``environment`` is where ``key_env`` looks.

    Raises:
        BackendsInvalid
    """
    text = text.strip()
    rows = list(_toml_rows(text) if text.startswith(("[", "#")) else _address_rows(text))
    specs = [_spec(row, where, environment) for row, where in rows]
    names: set[str] = set()
    for spec in specs:
        if spec.name in names:
            raise BackendsInvalid(f"two engines are called {spec.name!r}; give one another name")
        names.add(spec.name)
    return tuple(specs)


def _toml_rows(text: str) -> Iterator[tuple[dict[str, Any], str]]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BackendsInvalid(f"it is no TOML: {error}") from error
    rows = content.pop("engine", None)
    if content or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BackendsInvalid("TOML must consist of [[engine]] tables")
    for number, row in enumerate(rows, start=1):
        if not isinstance(row.get("url"), str):
            raise BackendsInvalid(f"engine {number} has no url")
        where = f"engine {number} ({_shown(row['url'])})"
        if _split(row["url"], where).query:
            raise BackendsInvalid(f"{where}: in TOML, options do not belong into the url")
        yield dict(row), where


def _address_rows(text: str) -> Iterator[tuple[dict[str, Any], str]]:
    for address in text.split():
        where = _shown(address)
        parts = _split(address, where)
        row: dict[str, Any] = {"url": urlunsplit((*parts[:3], "", ""))}
        try:
            pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise BackendsInvalid(f"{where}: the options after '?' must be name=value") from error
        for name, value in pairs:
            if name in row:
                raise BackendsInvalid(f"{where}: {name} is given twice")
            row[name] = value.split(",") if name == "omit" else value
        yield row, where


def _spec(row: dict[str, Any], where: str, environment: Mapping[str, str]) -> BackendSpec:
    url = _url(row.pop("url"), where)
    body = row.pop("body", {})
    if not isinstance(body, dict):
        raise BackendsInvalid(f"{where}: body must be a table of fields")
    for name in row:
        if name not in _OPTIONS:
            raise BackendsInvalid(f"{where}: there is no option {name!r}; {', '.join(_OPTIONS)}")
    for name in _TEXTS:
        if not isinstance(row.get(name, ""), str):
            raise BackendsInvalid(f"{where}: {name} must be text")
    omit = row.get("omit", [])
    if not isinstance(omit, list) or not all(isinstance(name, str) for name in omit):
        raise BackendsInvalid(f"{where}: omit must be a list of names")
    return BackendSpec(
        url=url,
        name=row.get("name") or urlsplit(url).netloc.rpartition("@")[2],
        model=row.get("model", ""),
        key=_key(row, where, environment),
        weight=_number(row, "weight", where, most=_WEIGHT_MOST) or 1.0,
        tier=_tier(row, where),
        timeout=_number(row, "timeout", where, most=_SECONDS_MOST),
        first_token=_number(row, "first_token", where, most=_SECONDS_MOST),
        body=body,
        omit=tuple(name.strip() for name in omit if name.strip()),
    )


def _split(url: str, where: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # is parsed only now, and may be wrong
    except ValueError as error:
        raise BackendsInvalid(f"{where}: {error}") from error
    return parts


def _url(url: str, where: str) -> str:
    parts = _split(url, where)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise BackendsInvalid(f"{where}: an address must look like http://host:8000/v1")
    return url.rstrip("/")


def _key(row: Mapping[str, Any], where: str, environment: Mapping[str, str]) -> str:
    given = [name for name in ("key", "key_file", "key_env") if row.get(name)]
    if len(given) > 1:
        raise BackendsInvalid(f"{where}: give only one of {' and '.join(given)}")
    if row.get("key_file"):
        path = Path(row["key_file"]).expanduser()
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BackendsInvalid(f"{where}: key_file {str(path)!r} cannot be read") from error
    if row.get("key_env"):
        key = environment.get(row["key_env"], "")
        if not key:
            raise BackendsInvalid(f"{where}: the environment has no {row['key_env']} for the key")
        return key
    return str(row.get("key", ""))


def _number(row: Mapping[str, Any], name: str, where: str, *, most: float) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        number = float(value) if not isinstance(value, bool) else float("nan")
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 < number <= most:
        raise BackendsInvalid(
            f"{where}: {name} must be a number above 0 and up to {most:g}, not {value!r}"
        )
    return number


def _tier(row: Mapping[str, Any], where: str) -> int:
    value = row.get("tier", 1)
    if isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdecimal():
        tier = int(value)
        if tier <= _TIER_MOST:
            return tier
    raise BackendsInvalid(
        f"{where}: tier must be a whole number from 0 to {_TIER_MOST}, not {value!r}"
    )


def _shown(address: str) -> str:
    """An address without what may be secret in it: credentials and options."""
    parts: Sequence[str] = address.partition("?")
    scheme, _, rest = parts[0].rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest.rpartition("@")[2]
