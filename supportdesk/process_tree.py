"""``manage.py serve``: the whole desk on one machine, as one supervised tree of processes."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import math
import os
import secrets
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from inference.errors import WeightsError
from inference.ports import port_free
from knowledge.demo_shop import ORDERS_FILE, SECRET_NAME
from supportdesk.control import control_open
from supportdesk.model_switch import ModelSwitch
from supportdesk.sentences import error_text
from supportdesk.sentences import gettext as _
from supportdesk.supervisor import ChildSpec, Supervisor, Timing, line_print

# In the data directory; conversations/engine_lease.py reads it.
STATE_FILE = "serve.json"
ENGINE = "engine"
# What commands may ask of a running desk (control.py).
MODEL_USE = "model_use"
# An engine whose place is taken has this much more than the longest answer to a customer, and so
# long at least, since programs may have asked for more.
_DRAIN_MARGIN_SECONDS = 2.0
_DRAIN_LEAST_SECONDS = 120.0
# The engine may use every core; its niceness keeps sockets and pages quick meanwhile.
ENGINE_NICE = 5
# Imports and measurements must not hold up a customer.
WORKER_NICE = 10
WEB_STOP_SECONDS = 15.0
# How long a process whose model is unusable stays to say so at /health.
LINGER_SECONDS = 30.0


def main() -> int:
    """Serve as the settings say; a wrong setting is told in one sentence."""
    try:
        host, port = settings.HOST, settings.PORT
    except ImproperlyConfigured as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return serve(host=host, port=port)


def serve(*, host: str, port: int) -> int:
    """Run the desk at ``host``:``port`` until a signal comes; returns the exit code."""
    problem = address_problem(host, port) or memory_problem()
    if problem:
        print(problem, file=sys.stderr)  # noqa: T201
        return 1
    children = children_plan(host=host, port=port)
    lines = addresses(host, port)
    site_key, identity_secret = demo_site()
    if site_key:
        children.append(demo_shop_spec(host, port, site_key, identity_secret))
        shop = f"{_base_url(host, settings.DEMOSHOP_PORT)}/"
        lines.append(_("Demo shop            %(address)s") % {"address": shop})
    timing = Timing(answer=settings.ENGINE_KILL_SECONDS, overdue=settings.ENGINE_KILL_SECONDS)

    async def run() -> int:
        supervisor = Supervisor(children, timing=timing, announce=lines, translate=_)
        environment = children[0].environment
        switch = _model_switch(supervisor, environment)
        key = environment["SUPPORTDESK_ENGINE_API_KEY"]
        async with control_open(key, {MODEL_USE: switch.use}) as control_port:
            with _state_told(environment, control_port):
                return await supervisor.run()

    return asyncio.run(run())


def _model_switch(supervisor: Supervisor, environment: Mapping[str, str]) -> ModelSwitch:
    engine = next((child for child in supervisor.children if child.spec.name == ENGINE), None)
    port = urlsplit(environment["SUPPORTDESK_ENGINE_URL"]).port or 0
    key = environment["SUPPORTDESK_ENGINE_API_KEY"]
    return ModelSwitch(
        supervisor,
        engine,
        spec=lambda path, aliases, wait: _chat_engine_spec(
            port, path, aliases, key, when_ready=wait
        ),
        aliases=_model_aliases(),
        drain=_drain_seconds(),
    )


@contextmanager
def _state_told(environment: Mapping[str, str], control_port: int) -> Iterator[None]:
    """While the desk runs, tell commands like ``manage.py ask`` where its engines are.

    The file holds the engines' key, so that only this user may read it.
    """
    path: Path = settings.DATA_DIR / STATE_FILE
    state = {
        "engine_url": environment["SUPPORTDESK_ENGINE_URL"],
        "encoder_url": environment["SUPPORTDESK_ENCODER_URL"],
        "api_key": environment["SUPPORTDESK_ENGINE_API_KEY"],
        "control_port": control_port,
    }
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(state, file)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def children_plan(*, host: str, port: int) -> list[ChildSpec]:
    """The processes to run: the web process first; engine and encoder unless they are elsewhere,
    or the desk is set to do without an engine of its own."""
    key = settings.ENGINE_API_KEY or secrets.token_urlsafe(24)
    engine_url, encoder_url = settings.ENGINE_URL, settings.ENCODER_URL
    engines: list[ChildSpec] = []
    if not engine_url and settings.LOCAL_ENGINE != "off":
        engine_port = port_free()
        engine_url = f"http://127.0.0.1:{engine_port}"
        path = model_path(settings.MODEL)
        engines.append(_chat_engine_spec(engine_port, path, _model_aliases(), key))
    label_url = settings.LABEL_ENGINE_URL
    if labels_apart():
        label_port = port_free()
        label_url = f"http://127.0.0.1:{label_port}"
        spec = _chat_engine_spec(label_port, model_path(settings.LABEL_MODEL), _label_names(), key)
        engines.append(replace(spec, name="labels"))
    if not encoder_url:
        encoder_port = port_free()
        encoder_url = f"http://127.0.0.1:{encoder_port}"
        options = ["--embedding-model", str(model_path(settings.EMBEDDING_MODEL))]
        engines.append(_engine_spec("encoder", encoder_port, options, key))
    where = {
        "SUPPORTDESK_ENGINE_URL": engine_url,
        "SUPPORTDESK_ENCODER_URL": encoder_url,
        "SUPPORTDESK_LABEL_ENGINE_URL": label_url,
        "SUPPORTDESK_ENGINE_API_KEY": key,
    }
    web = ChildSpec(
        name="web",
        command=[sys.executable, str(settings.BASE_DIR / "manage.py"), "web"],
        environment={"HOST": host, "PORT": str(port), **where},
        stop_seconds=WEB_STOP_SECONDS,
        essential=True,
        ready_host=_reachable(host),
        ready_port=port,
    )
    worker = ChildSpec(
        name="worker",
        command=[sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"],
        environment=where,
        nice=WORKER_NICE,
    )
    return [web, *engines, worker]


def labels_apart() -> bool:
    """Whether an engine of its own is to be started for labels."""
    own = settings.LABEL_MODEL and settings.LABEL_MODEL != settings.MODEL
    return bool(own) and not settings.LABEL_ENGINE_URL


def memory_problem() -> str:
    """Why two models do not fit beside each other, as a sentence; empty if they do, or if there
    is only one."""
    if not labels_apart():
        return ""
    from inference.weights.memory import memory_available, memory_needed
    from inference.weights.progress import size_text

    names = [settings.LABEL_MODEL]
    if not settings.ENGINE_URL and settings.LOCAL_ENGINE != "off":
        names.append(settings.MODEL)
    try:
        needed = sum(memory_needed(model_path(name)) for name in names)
    except WeightsError as error:
        return error_text(error)
    room = memory_available()
    if room is None or needed <= room:
        return ""
    return _(
        "%(names)s need about %(needed)s of memory, and only %(free)s are free: leave"
        " SUPPORTDESK_LABEL_MODEL out, or name a smaller one."
    ) % {
        "names": _(" and ").join(names),
        "needed": size_text(needed),
        "free": size_text(room),
    }


def _label_names() -> list[str]:
    return [Path(settings.LABEL_MODEL).name]


def model_path(name: str) -> Path:
    """The directory of a model by catalog name or path.

    One that is not there yet is no error here: its process says what is missing and looks again
    every now and then, while the rules answer.
    """
    path: Path = settings.CACHE_DIR / "models" / name
    if path.is_dir():
        return path
    # Only needed for paths to local weights, and not light.
    from inference.weights.store import model_find

    try:
        return model_find(name, settings.CACHE_DIR)
    except WeightsError as error:
        line_print("serve", error_text(error))
        return path


def address_problem(host: str, port: int) -> str:
    """Why the desk cannot listen there, as a sentence; empty if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            reason = error.strerror or str(error)
            return _(
                "The desk cannot listen on %(host)s port %(port)s: %(reason)s."
                " Choose another with PORT=... (and HOST=...)."
            ) % {"host": host, "port": port, "reason": reason}
    return ""


def addresses(host: str, port: int) -> list[str]:
    """What people open in their browsers."""
    base = _base_url(host, port)
    return [
        _("The desk is ready at %(address)s") % {"address": f"{base}/"},
        _("Staff sign in at     %(address)s") % {"address": f"{base}/admin/"},
        _("OpenAI-style API at  %(address)s") % {"address": f"{base}/v1"},
    ]


def demo_site() -> tuple[str, str]:
    """Key and identity secret of the demo data's site; empty when there is none (any more).

    Read without the models: loading every app would hold up the start by seconds.
    """
    from django.db import DatabaseError, connection

    try:
        with warnings.catch_warnings(), connection.cursor() as cursor:
            # Django warns of queries before the apps are loaded; here they never are.
            warnings.simplefilter("ignore", RuntimeWarning)
            cursor.execute(
                "SELECT key, identity_secret FROM knowledge_site"
                " WHERE is_demo AND is_active ORDER BY id LIMIT 1"
            )
            row = cursor.fetchone()
    except DatabaseError:  # no database yet: the web process will say so
        return "", ""
    finally:
        connection.close()
    return (str(row[0]), str(row[1])) if row else ("", "")


def _model_aliases() -> list[str]:
    """The names that clients may use for the chat model, whichever it is."""
    return list(dict.fromkeys([Path(settings.MODEL).name, *settings.MODEL_ALIASES]))


def _chat_engine_spec(
    port: int, path: Path, aliases: Sequence[str], key: str, *, when_ready: bool = False
) -> ChildSpec:
    """The engine; another one may take over its port, so the supervisor asks each at its own."""
    health_port = port_free()
    options = [
        "--chat-model", str(path), "--share-port", "--health-port", str(health_port),
        "--drain", str(math.ceil(_drain_seconds())),
    ]  # fmt: skip
    if when_ready:
        options.append("--when-ready")
    for alias in aliases:
        if alias != path.name:
            options += ["--alias", alias]
    spec = _engine_spec(ENGINE, port, options, key, nice=ENGINE_NICE)
    return replace(spec, health_port=health_port)


def _drain_seconds() -> float:
    return max(settings.DEADLINE_SECONDS + _DRAIN_MARGIN_SECONDS, _DRAIN_LEAST_SECONDS)


def _engine_spec(
    name: str, port: int, options: Sequence[str], key: str, *, nice: int = 0
) -> ChildSpec:
    return ChildSpec(
        name=name,
        command=[
            sys.executable, "-m", "inference.server",
            "--host", "127.0.0.1", "--port", str(port),
            "--linger", str(LINGER_SECONDS),
            *options,
        ],
        environment={
            "SUPPORTDESK_ENGINE_API_KEY": key,
            "PYTHONPATH": str(settings.BASE_DIR),
        },
        nice=nice,
        health_port=port,
    )  # fmt: skip


def demo_shop_spec(host: str, port: int, site_key: str, identity_secret: str) -> ChildSpec:
    """The demo shop's process, with the widget of the desk at ``host``:``port`` on its page."""
    return ChildSpec(
        name="demoshop",
        command=[
            sys.executable, "-m", "supportdesk.demoshop",
            "--host", host, "--port", str(settings.DEMOSHOP_PORT),
            "--desk", _base_url(host, port),
            f"--site-key={site_key}",  # in one: a key may begin with a hyphen
            "--orders", str(settings.DATA_DIR / ORDERS_FILE),
        ],
        environment={
            "PYTHONPATH": str(settings.BASE_DIR),
            # Not among the arguments, which every user of the machine can read.
            "DEMOSHOP_IDENTITY_SECRET": identity_secret,
            "DEMOSHOP_API_KEY": settings.TOOL_SECRETS[SECRET_NAME],
        },
    )  # fmt: skip


def _base_url(host: str, port: int) -> str:
    shown = _reachable(host)
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


def _reachable(host: str) -> str:
    """An address of this machine that reaches a server which listens on ``host``."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host
