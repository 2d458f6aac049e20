"""A local server that behaves like the hubs and package indexes, and fails on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FileServer:
    """What is served; ``requests`` is the log as (method, path, Range header)."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, tuple[str, dict[str, str]]] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    cut_after: dict[str, list[int]] = field(default_factory=dict)
    """Path -> bytes after which each of the next answers breaks off."""
    statuses: dict[str, list[int]] = field(default_factory=dict)
    """Path -> error statuses of the next answers."""
    stalls: dict[str, threading.Event] = field(default_factory=dict)
    """Path -> sends half of the answer, and the rest when the event is set."""
    ignore_range: bool = False
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def ranges(self, path: str) -> list[str]:
        return [asked for method, where, asked in self.requests if (method, where) == ("GET", path)]

    # Things as the real services serve them

    def hub_add(self, repository: str, name: str, content: bytes, *, lfs: bool = True) -> str:
        """A file of a Hugging Face repository; large ones (LFS) redirect to another address.

        Returns the path that its bytes come from.
        """
        where = f"/{repository}/resolve/main/{name}"
        pinned = f"/{repository}/resolve/{COMMIT}/{name}"
        if not lfs:
            etag = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()  # noqa: S324
            for path in (where, pinned):
                self.files[path] = content
                self.headers[path] = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
            return pinned
        sha256 = hashlib.sha256(content).hexdigest()
        cdn = f"/cdn/{sha256}"
        self.files[cdn] = content
        extra = {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(len(content)),
        }
        for path in (where, pinned):
            # Large files lie on a host of their own, as with the real hub.
            self.redirects[path] = (self.url.replace("127.0.0.1", "localhost") + cdn, extra)
        return cdn

    def modelscope_add(self, repository: str, files: dict[str, bytes]) -> None:
        entries = []
        for name, content in files.items():
            self.files[f"/models/{repository}/resolve/master/{name}"] = content
            sha256 = hashlib.sha256(content).hexdigest()
            entries.append({"Path": name, "Size": len(content), "Sha256": sha256, "Type": "blob"})
        listing = f"/api/v1/models/{repository}/repo/files"
        self.files[listing] = json.dumps({"Code": 200, "Data": {"Files": entries}}).encode()

    def index_add(self, project: str, wheel: str, content: bytes, *, as_json: bool) -> str:
        """A wheel in a package index under ``/simple``; returns the path of its bytes."""
        path = f"/packages/{wheel}"
        self.files[path] = content
        sha256 = hashlib.sha256(content).hexdigest()
        page = f"/simple/{project}/"
        if as_json:
            body: Any = {
                "files": [{"filename": wheel, "url": f"../..{path}", "hashes": {"sha256": sha256}}]
            }
            self.files[page] = json.dumps(body).encode()
            self.types[page] = "application/vnd.pypi.simple.v1+json"
        else:
            self.files[page] = (
                f'<!DOCTYPE html><a href="{path}-old#sha256={"0" * 64}">old</a>'
                f'<a data-x="1" href="../..{path}#sha256={sha256}">{wheel}</a>'
            ).encode()
            self.types[page] = "text/html"
        return path


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    content: FileServer

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        served = self.content
        path = self.path.partition("?")[0]
        asked = self.headers.get("Range", "")
        served.requests.append((self.command, path, asked))
        if body and served.statuses.get(path):
            return self._send(served.statuses[path].pop(0), b"", {}, body)
        if path in served.redirects:
            location, extra = served.redirects[path]
            return self._send(302, b"", {"Location": location, **extra}, body)
        if path not in served.files:
            return self._send(404, b"", {}, body)
        content, extra = served.files[path], dict(served.headers.get(path, {}))
        extra["Content-Type"] = served.types.get(path, "application/octet-stream")
        if asked and not served.ignore_range:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                return self._send(416, b"", {}, body)
            extra["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(206, content[start:], extra, body)
        return self._send(200, content, extra, body)

    def _send(self, status: int, content: bytes, extra: dict[str, str], body: bool) -> None:
        path = self.path.partition("?")[0]
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if not body:
            return
        cuts = self.content.cut_after.get(path)
        if cuts and status in (200, 206):
            self.wfile.write(content[: cuts.pop(0)])
            self.close_connection = True
            return
        if path in self.content.stalls and content:
            self.wfile.write(content[: len(content) // 2])
            self.wfile.flush()
            self.content.stalls[path].wait(30)
            content = content[len(content) // 2 :]
        with suppress(ConnectionError):  # the client may have gone meanwhile
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def file_server() -> Iterator[FileServer]:
    content = FileServer()
    handler = type("Handler", (_Handler,), {"content": content})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        content.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield content
        server.shutdown()
        thread.join()
