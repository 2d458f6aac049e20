"""An OpenAI-compatible server of another make that misbehaves as it is told.

``faulty_server.py PORT MANNER``: prints its port once it listens. Every answer says which requests
it has seen, so that tests need no other way to look inside.

Manners: ``good``; ``stall`` takes requests and never answers; ``broken`` answers 500, ``busy`` 429,
``unauthorised`` 401; ``hangup`` cuts the connection after two pieces; ``exit`` ends the process
there; ``pause`` stops sending there; ``hungry`` asks for a gigabyte there and, like native code,
aborts when it gets none. A hungry server has a ``/health`` as the built-in one.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import sys

PIECES = ["In ", "seven ", "days."]
STATUS = {"broken": "500 Oops", "busy": "429 Slow Down", "unauthorised": "401 Who"}


class FaultyServer:
    def __init__(self, manner: str) -> None:
        self.manner = manner
        self.requests: list[dict[str, object]] = []

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self.connection, "127.0.0.1", port)
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
        await server.serve_forever()

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (line := await reader.readline()).strip():
                path = line.split()[1].decode()
                headers = {}
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if path == "/v1/models":
                    self.answer(writer, "200 OK", {"data": [{"id": "faulty-model"}]})
                elif path == "/health" and self.manner == "hungry":
                    self.answer(writer, "200 OK", {"state": "ready", "models": ["faulty-model"]})
                elif path == "/seen":
                    self.answer(writer, "200 OK", {"requests": self.requests})
                elif path == "/v1/chat/completions":
                    self.requests.append({"headers": headers, "body": json.loads(body)})
                    await self.completion(writer)
                else:
                    self.answer(writer, "404 Not Found", {})
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def completion(self, writer: asyncio.StreamWriter) -> None:
        if self.manner == "stall":
            await asyncio.Event().wait()
        if self.manner in STATUS:
            error = {"error": {"message": f"This server is {self.manner}.", "code": None}}
            self.answer(writer, STATUS[self.manner], error)
            return
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for number, piece in enumerate(PIECES):
            if number == 2 and self.manner == "hangup":
                writer.transport.abort()
                return
            if number == 2 and self.manner == "exit":
                os._exit(1)
            if number == 2 and self.manner == "hungry":
                try:
                    mmap.mmap(-1, 10**9).close()
                except OSError:
                    os.abort()
            if number == 2 and self.manner == "pause":
                await asyncio.Event().wait()
            self.event(writer, {"delta": {"content": piece}, "finish_reason": None})
            await writer.drain()
        self.event(writer, {"delta": {}, "finish_reason": "stop"})
        self.chunk(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    def event(self, writer: asyncio.StreamWriter, choice: dict[str, object]) -> None:
        row = {
            "id": "x", "object": "chat.completion.chunk", "created": 1, "model": "faulty-model",
            "choices": [{"index": 0, **choice}],
        }  # fmt: skip
        self.chunk(writer, f"data: {json.dumps(row)}\n\n".encode())

    def chunk(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def answer(self, writer: asyncio.StreamWriter, status: str, body: object) -> None:
        data = json.dumps(body).encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}"
        writer.write(f"{head}\r\n\r\n".encode() + data)


if __name__ == "__main__":
    asyncio.run(FaultyServer(sys.argv[2]).serve(int(sys.argv[1])))
