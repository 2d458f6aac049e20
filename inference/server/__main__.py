"""``python -m inference.server``: serve models from directories over HTTP.

Exit codes, if no signal ended the process: 0 interrupted from the keyboard; 1 the address is taken; 2 wrong arguments; 78 the model cannot
be used, and starting again at once will not help (EX_CONFIG of sysexits.h).
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from inference.engines.scripted import ScriptedEngine, script_load
from inference.errors import WeightsError, gettext_noop
from inference.server.app import application_make
from inference.server.service import (
    ChatLoader,
    EmbeddingLoader,
    InferenceService,
    LoadedChat,
    LoadedEmbedding,
)
from inference.weights.manifest import Manifest, ModelKind, file_sha256, manifest_verify

EXIT_ADDRESS_TAKEN = 1
EXIT_USAGE = 2
EXIT_MODEL_UNUSABLE = 78
API_KEY_VARIABLE = "SUPPORTDESK_ENGINE_API_KEY"
_BACKLOG = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes; returns the exit code."""
    options = _parser().parse_args(arguments)
    api_key = os.environ.get(API_KEY_VARIABLE, "")
    if not api_key and not _is_loopback(options.host):
        _complain(f"Set {API_KEY_VARIABLE} before listening on {options.host}.")
        return EXIT_USAGE
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    # The tokenizer's library must neither reach for a model hub nor advertise itself.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    try:
        service = _service_make(options)
    except (OSError, ValueError) as error:
        _complain(str(error))
        return EXIT_USAGE
    try:
        listener = _listen(
            options.host, options.port, shared=options.share_port, now=not options.when_ready
        )
        health = _listen("127.0.0.1", options.health_port) if options.health_port else None
    except OSError as error:
        _complain(
            f"Cannot listen on {options.host} port {options.port}: {error.strerror or error}."
        )
        return EXIT_ADDRESS_TAKEN
    try:
        return asyncio.run(_serve(service, listener, health, options, api_key))
    except KeyboardInterrupt:
        return 0
    finally:
        listener.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference.server", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001, help="0 takes any free one")
    parser.add_argument("--chat-model", type=Path, metavar="DIR")
    parser.add_argument("--embedding-model", type=Path, metavar="DIR")
    parser.add_argument("--alias", action="append", default=[], metavar="NAME")
    parser.add_argument("--scripted", type=Path, metavar="FILE", help="answer from a script")
    parser.add_argument(
        "--threads", type=int, default=0, help="0: as tuned for the model, else every core"
    )
    parser.add_argument(
        "--health-port", type=int, default=0, metavar="P", help="answer /health there, too"
    )
    parser.add_argument(
        "--share-port",
        action="store_true",
        help="let another server of this user listen on the same port, to take over from this one",
    )
    parser.add_argument(
        "--when-ready", action="store_true", help="listen on the port only with the model loaded"
    )
    parser.add_argument(
        "--drain",
        type=int,
        default=5,
        metavar="SECONDS",
        help="how long answers under way have after a signal to stop",
    )
    parser.add_argument(
        "--linger",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="after a model could not be loaded, tell why at /health for so long",
    )
    return parser


def _service_make(options: argparse.Namespace) -> InferenceService:
    """The service that the options describe; nothing is loaded yet.

    Raises:
        ValueError, OSError: no model is given, two are, or the script is not usable.
    """
    if options.when_ready and not options.health_port:
        raise ValueError("--when-ready needs a --health-port to tell when that is.")
    if options.scripted and options.chat_model:
        raise ValueError("Give either --chat-model or --scripted.")
    chat_loader: ChatLoader | None = None
    embedding_loader: EmbeddingLoader | None = None
    if options.scripted:
        chat_loader = _scripted_loader(options.scripted)
    elif options.chat_model:
        chat_loader = _chat_loader(options.chat_model, options.threads)
    if options.embedding_model:
        cores = len(os.sched_getaffinity(0))
        embedding_loader = _embedding_loader(options.embedding_model, options.threads or cores)
    if chat_loader is None and embedding_loader is None:
        raise ValueError("Give --chat-model, --embedding-model or --scripted.")
    return InferenceService(chat_loader, embedding_loader, aliases=tuple(options.alias))


def _chat_loader(path: Path, threads: int) -> ChatLoader:
    def load() -> LoadedChat:
        from inference.engines.generator import GeneratorEngine

        manifest = _manifest_check(path, "chat")
        engine = GeneratorEngine.load(path, manifest, threads=threads)
        return LoadedChat(manifest.name, engine, manifest.model_hash)

    return load


def _embedding_loader(path: Path, threads: int) -> EmbeddingLoader:
    def load() -> LoadedEmbedding:
        from inference.engines.encoder import EncoderEngine

        manifest = _manifest_check(path, "embedding")
        return LoadedEmbedding(manifest.name, EncoderEngine.load(path, manifest, threads=threads))

    return load


def _manifest_check(path: Path, kind: ModelKind) -> Manifest:
    manifest = manifest_verify(path, quick=True)
    if manifest.kind != kind:
        raise WeightsError(
            gettext_noop("The model in %(path)s is of the kind %(found)s, not %(kind)s."),
            path=path,
            found=manifest.kind,
            kind=kind,
        )
    return manifest


def _scripted_loader(path: Path) -> ChatLoader:
    script = script_load(path)

    def load() -> LoadedChat:
        time.sleep(script.load_seconds)
        return LoadedChat("scripted", ScriptedEngine(script), file_sha256(path))

    return load


async def _serve(
    service: InferenceService,
    listener: socket.socket,
    health: socket.socket | None,
    options: argparse.Namespace,
    api_key: str,
) -> int:
    application = application_make(service, api_key=api_key)
    # Two servers of one application: /health answers, for a supervisor, before the port is open.
    servers = [_server_make(application, options.drain, lifespan=True)]
    if health is not None:
        servers.append(_server_make(application, options.drain, lifespan=False))
    host, port = listener.getsockname()[:2]

    async def listener_serve(server: uvicorn.Server) -> None:
        if options.when_ready:
            await service.loaded.wait()
            listener.listen(_BACKLOG)
        print(f"Listening on http://{host}:{port}", flush=True)  # noqa: T201
        await server.serve(sockets=[listener])
        # Signals reach the server that was started last; the first one ends after it.
        servers[0].should_exit = True

    async def failure_watch() -> None:
        await service.failed.wait()
        _complain(service.detail)
        await asyncio.sleep(options.linger)
        for server in servers:
            server.should_exit = True

    watching = [asyncio.create_task(failure_watch())]
    try:
        if health is None:
            await listener_serve(servers[0])
        else:
            watching.append(asyncio.create_task(listener_serve(servers[1])))
            await servers[0].serve(sockets=[health])
    finally:
        for task in watching:
            task.cancel()
    return EXIT_MODEL_UNUSABLE if service.failed.is_set() else 0


def _server_make(application: Starlette, drain: int, *, lifespan: bool) -> uvicorn.Server:
    config = uvicorn.Config(
        application,
        lifespan="on" if lifespan else "off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=drain,
    )
    return uvicorn.Server(config)


def _listen(host: str, port: int, *, shared: bool = False, now: bool = True) -> socket.socket:
    """A socket at that address, ``shared`` with other servers of this user; it listens ``now`` or
    when it is told to."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where it knows the protocol to be TCP. With it on,
    # the body of an answer waits 40 ms for the client to acknowledge the head.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        if now:
            listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _complain(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    exit_code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # At once: waiting for native threads, as an orderly exit does, would let a hung one keep the
    # process.
    os._exit(exit_code)
