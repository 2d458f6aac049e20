"""Downloads over HTTP that resume, are checked, and never leave a wrong file behind.

A file arrives as ``NAME.HASH.part`` and gets its name only when its size and hash are right. A part
that was left by a lost connection or Ctrl-C is continued with a Range request; its name holds the
expected hash, so parts of two versions never mix.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

import httpx2

from inference.errors import WeightsError, gettext_noop
from inference.weights.manifest import file_sha256
from inference.weights.progress import Progress, TransferProgress, size_text

_CHUNK_BYTES: Final = 2**17
_CONNECT_SECONDS: Final = 5.0
# Also how long Ctrl-C may have to wait for a silent server; a silence is followed by a new attempt.
_READ_SECONDS: Final = 10.0
_ATTEMPTS: Final = 5
_WORKERS: Final = 4
_RANGE_NOT_SATISFIABLE: Final = 416


class SourceUnavailable(WeightsError):
    """This source cannot give the file now; another one may."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file to fetch. Give ``sha256``, or ``git_blob`` (Git's SHA-1) for small files of a hub.

    ``size`` is in bytes. ``name`` is the file's name in the download directory.
    """

    url: str
    name: str
    size: int
    sha256: str = ""
    git_blob: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return self.sha256 or self.git_blob


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


def _digest(item: Download) -> _Digest:
    if item.sha256:
        return hashlib.sha256()
    # A Git blob is hashed with its length in front; Git itself still uses SHA-1.
    return hashlib.sha1(b"blob %d\0" % item.size, usedforsecurity=False)


def client_open(certificates: str = "") -> httpx2.Client:
    """A client with this module's time limits; ``certificates`` is a file of trusted issuers."""
    timeout = httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    verify = ssl.create_default_context(cafile=certificates) if certificates else True
    return httpx2.Client(timeout=timeout, follow_redirects=True, verify=verify)


def transport_sentence(url: httpx2.URL | str, error: httpx2.HTTPError) -> str:
    """Why a request got no answer, for people, without a full stop."""
    host = httpx2.URL(str(url)).host
    if isinstance(error, httpx2.TimeoutException):
        return f"{host} does not answer in time"
    return f"{host} cannot be reached ({str(error) or type(error).__name__})"


def disk_check(path: Path, needed: int) -> None:
    """Raises: WeightsError if fewer than ``needed`` bytes are free on the disk of ``path``."""
    free = shutil.disk_usage(path).free
    if free < needed:
        raise WeightsError(
            gettext_noop(
                "The disk of %(path)s is too full: %(needed)s are needed, %(room)s are free."
            ),
            path=path,
            needed=size_text(needed),
            room=size_text(free),
        )


class Downloader:
    """Fetches files into ``directory``; several at a time. Use it as a context manager.

    ``pause`` waits for some seconds between two attempts (a parameter so that tests need not wait).
    """

    def __init__(
        self,
        directory: Path,
        progress: Progress,
        *,
        client: httpx2.Client | None = None,
        attempts: int = _ATTEMPTS,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.directory = directory
        self._progress = progress
        self._client = client or client_open()
        self._attempts = attempts
        self._stop = threading.Event()
        self._pause = pause or self._stop.wait

    def __enter__(self) -> Downloader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def fetch_all(self, items: Sequence[Download], what: str) -> Iterator[Path]:
        """Yield the path of every file in order, each as soon as it is there and right.

        ``what`` names the whole in the progress lines.

        Raises:
            SourceUnavailable: The network or the server fails, also after several attempts.
            WeightsError: A file has the wrong size or hash, or the disk is too full.
            OSError: A file cannot be written.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        disk_check(self.directory, sum(item.size - self._there(item) for item in items))
        transfer = TransferProgress(self._progress, what, sum(item.size for item in items))
        pool = ThreadPoolExecutor(max_workers=_WORKERS)
        try:
            futures = [pool.submit(self._fetch, item, transfer) for item in items]
            for future in futures:
                yield future.result()
            transfer.finish()
        finally:
            # Reached on Ctrl-C and on another file's failure, too: the others stop at once.
            self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            self._stop.clear()

    def _there(self, item: Download) -> int:
        for path in (self.directory / item.name, self._part(item)):
            if path.exists():
                return min(path.stat().st_size, item.size)
        return 0

    def _part(self, item: Download) -> Path:
        return self.directory / f"{item.name}.{item.digest[:16]}.part"

    def _fetch(self, item: Download, transfer: TransferProgress) -> Path:
        path = self.directory / item.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            if path.stat().st_size == item.size and _file_digest(item, path) == item.digest:
                transfer.add(item.size, new=False)
                return path
            path.unlink()
        part = self._part(item)
        resumed = part.exists()
        try:
            self._attempt_all(item, part, transfer)
        except _WrongContent:
            part.unlink(missing_ok=True)
            if not resumed:
                raise
            # The fault may lie in what an earlier run left on the disk: once more, from the start.
            transfer.add(-item.size, new=False)
            try:
                self._attempt_all(item, part, transfer)
            except _WrongContent:
                part.unlink(missing_ok=True)
                raise
        part.replace(path)
        return path

    def _attempt_all(self, item: Download, part: Path, transfer: TransferProgress) -> None:
        digest = _digest(item)
        done = 0
        if part.exists():
            with part.open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    done += len(chunk)
            transfer.add(done, new=False)
        failures = restarts = 0
        while done < item.size:
            before = done
            try:
                with part.open("ab") as file:
                    for chunk in self._chunks(item, done):
                        if done + len(chunk) > item.size:
                            raise _WrongContent(
                                f"{item.url} is longer than the {item.size} bytes that were "
                                "expected, so it was not used."
                            )
                        file.write(chunk)
                        digest.update(chunk)
                        done += len(chunk)
                        transfer.add(len(chunk))
            except _RangeIgnored as error:
                restarts += 1
                if restarts >= self._attempts:
                    host = httpx2.URL(item.url).host
                    raise SourceUnavailable(
                        f"{host} gives less of {item.name} than its {item.size} bytes."
                    ) from error
                part.unlink(missing_ok=True)
                transfer.add(-done, new=False)
                digest, done = _digest(item), 0
                continue
            except _Interrupted as error:
                # Whoever gets something on each attempt may go on for ever; a dead line may not.
                failures = failures + 1 if done == before else 1
                if failures >= self._attempts:
                    raise SourceUnavailable(f"{error}.") from error
                self._pause(min(2.0**failures, 15.0))
        if done > item.size or digest.hexdigest() != item.digest:
            raise _WrongContent(
                f"{item.name} from {httpx2.URL(item.url).host} does not have the hash that was "
                f"expected ({item.digest[:16]}…), so it was not used."
            )

    def _chunks(self, item: Download, start: int) -> Iterator[bytes]:
        # The bytes must arrive as they are stored, or the Range would count others.
        headers = {**item.headers, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        try:
            with self._client.stream("GET", item.url, headers=headers) as answer:
                _answer_check(answer, start, item)
                received = start
                for chunk in answer.iter_raw(_CHUNK_BYTES):
                    if self._stop.is_set():
                        raise SourceUnavailable(f"The download of {item.name} was stopped.")
                    received += len(chunk)
                    yield chunk
        except httpx2.TransportError as error:
            raise _Interrupted(transport_sentence(item.url, error)) from error
        if received < item.size:
            host = httpx2.URL(item.url).host
            raise _Interrupted(f"{host} broke off {item.name} at {received} of {item.size} bytes")


class _WrongContent(WeightsError):
    """Size or hash are wrong."""


class _Interrupted(Exception):
    """The connection failed; trying again may help. The text has no full stop."""


class _RangeIgnored(Exception):
    """The server sent the whole file instead of its rest, or does not know that range."""


def _answer_check(answer: httpx2.Response, start: int, item: Download) -> None:
    status = answer.status_code
    host = answer.url.host
    if status >= 500 or status in (408, 429):
        raise _Interrupted(f"{host} answers {status} for {item.name}")
    if start and status == _RANGE_NOT_SATISFIABLE:
        raise _RangeIgnored
    if status not in (200, 206):
        raise SourceUnavailable(f"{host} answers {status} for {item.name}.")
    if start and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise _RangeIgnored


def _file_digest(item: Download, path: Path) -> str:
    if item.sha256:
        return file_sha256(path)
    digest = _digest(item)
    digest.update(path.read_bytes())
    return digest.hexdigest()


def downloads_remove(directory: Path) -> None:
    """Delete a download directory; no error if it is not there."""
    if os.path.lexists(directory):
        shutil.rmtree(directory)
