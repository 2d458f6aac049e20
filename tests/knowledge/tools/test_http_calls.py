"""HTTP tools against a real server that misbehaves as it is told."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from knowledge.tools.calls import Caller
from knowledge.tools.values import Actor, CallOutcome, CallResult, ToolSpec

ALICE = Actor("alice-7", "爱丽丝")
SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": "string", "maxLength": 40},
        "address": {"type": "string"},
    },
    "required": ["number"],
    "additionalProperties": False,
}
Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class ShopServer:
    """An order system: ``handle`` answers; ``seen`` are requests as (method, path, headers, body)."""

    handle: Handle
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
def shop() -> Iterator[ShopServer]:
    made = ShopServer(json_answer({"state": "sent"}))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.seen.append((self.command, self.path, headers, body))
            made.handle(self)

        do_PUT = do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join(5)


def json_answer(value: Any, status: int = 200) -> Handle:
    return body_answer(json.dumps(value).encode(), status=status)


def body_answer(body: bytes, *, status: int = 200, kind: str = "application/json") -> Handle:
    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return handle


def redirect(target: str, status: int = 302) -> Handle:
    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return handle


def spec_make(shop: ShopServer, **values: Any) -> ToolSpec:
    defaults: dict[str, Any] = {
        "id": 1,
        "key": "order",
        "title": "Order",
        "parameters": SCHEMA,
        "url": f"http://{shop.host}/orders/{{number}}",
        "headers": (("Authorization", "Bearer {secret.orders}"), ("X-Customer", "{actor.id}")),
        "timeout_seconds": 2.0,
    }
    return ToolSpec(**{**defaults, **values})


async def call(
    shop: ShopServer,
    arguments: dict[str, Any] | None = None,
    *,
    hosts: Sequence[str] | None = None,
    actor: Actor | None = ALICE,
    key: str = "",
    resolve: Any = None,
    **values: Any,
) -> CallResult:
    caller = Caller(
        secrets={"orders": "s3cret"}, hosts=[shop.host] if hosts is None else hosts, resolve=resolve
    )
    return await caller.call(
        spec_make(shop, **values),
        {"number": "A1"} if arguments is None else arguments,
        actor=actor,
        seconds=5,
        idempotency_key=key,
    )


async def test_the_secret_and_the_customer_go_into_headers_and_nowhere_else(
    shop: ShopServer,
) -> None:
    result = await call(shop)
    assert result.outcome is CallOutcome.OK
    assert result.result == {"state": "sent"}
    [(method, path, headers, body)] = shop.seen
    assert (method, path, body) == ("GET", "/orders/A1", b"")
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["x-customer"] == "alice-7"
    assert "s3cret" not in repr(result)


async def test_a_customer_named_by_arguments_is_refused_before_anything_is_sent(
    shop: ShopServer,
) -> None:
    for forged in ({"actor": "bob"}, {"customer_id": "bob"}, {"actor.id": "bob"}):
        result = await call(shop, {"number": "A1", **forged})
        assert result.outcome is CallOutcome.FAILED
    assert shop.seen == []


async def test_without_an_identity_nothing_is_sent(shop: ShopServer) -> None:
    result = await call(shop, actor=None)
    assert result.outcome is CallOutcome.FAILED
    assert shop.seen == []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("../../admin", "/orders/..%2F..%2Fadmin"),
        ("a?b=c&d#e", "/orders/a%3Fb%3Dc%26d%23e"),
        ("@evil.example", "/orders/%40evil.example"),
        ("x\r\nX-Evil: 1", "/orders/x%0D%0AX-Evil%3A%201"),
        ("订单1", "/orders/%E8%AE%A2%E5%8D%951"),
    ],
)
async def test_a_value_stays_one_piece_of_the_path(shop: ShopServer, value: str, path: str) -> None:
    await call(shop, {"number": value})
    assert [seen[1] for seen in shop.seen] == [path]


async def test_a_value_that_would_climb_is_refused(shop: ShopServer) -> None:
    for value in ("..", ".", ""):
        assert (await call(shop, {"number": value})).outcome is CallOutcome.FAILED
    assert shop.seen == []


async def test_what_is_not_in_the_address_goes_into_the_body_with_the_key(
    shop: ShopServer,
) -> None:
    await call(
        shop,
        {"number": "A1", "address": "新地址"},
        method="PUT",
        changes=True,
        key="k-1",
        parameters=SCHEMA,
    )
    [(method, _, headers, body)] = shop.seen
    assert method == "PUT"
    assert json.loads(body) == {"address": "新地址"}
    assert headers["idempotency-key"] == "k-1"


async def test_a_private_address_is_refused_unless_the_settings_name_it(shop: ShopServer) -> None:
    refused = await call(shop, hosts=())
    assert refused.outcome is CallOutcome.FAILED
    assert "not on the public internet" in refused.problem
    elsewhere = await call(shop, hosts=["orders.example"])
    assert "SUPPORTDESK_TOOL_HOSTS" in elsewhere.problem
    assert shop.seen == []


async def test_a_name_that_resolves_anew_while_connecting_gains_nothing(shop: ShopServer) -> None:
    """DNS rebinding: the address that was judged is the one that is called."""
    answers = [["93.184.215.14", "127.0.0.1"], ["127.0.0.1"], ["127.0.0.1"]]

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    url = f"http://rebind.example:{shop.port}/orders/{{number}}"
    for _ in range(2):
        result = await call(shop, hosts=(), resolve=resolve, url=url)
        assert result.outcome is CallOutcome.FAILED
        assert "not on the public internet" in result.problem
    assert shop.seen == []


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f.1", "127.1", "localhost", "[::ffff:127.0.0.1]"]
)
async def test_odd_names_of_this_machine_are_refused(shop: ShopServer, host: str) -> None:
    result = await call(shop, hosts=(), url=f"http://{host}:{shop.port}/orders/{{number}}")
    assert result.outcome is CallOutcome.FAILED
    assert shop.seen == []


async def test_a_redirect_is_followed_on_the_same_host_only(shop: ShopServer) -> None:
    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        step = redirect("/moved") if request.path != "/moved" else json_answer({"ok": True})
        step(request)

    shop.handle = handle
    result = await call(shop)
    assert result.result == {"ok": True}
    assert shop.seen[-1][2]["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost/",
        "http://127.0.0.1:1/",
        "//evil.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user@127.0.0.1/",
        "http://[::1]/",
        "",
    ],
)
async def test_a_redirect_elsewhere_is_refused(shop: ShopServer, target: str) -> None:
    shop.handle = redirect(target)
    result = await call(shop)
    assert result.outcome is CallOutcome.FAILED
    assert len(shop.seen) <= 4


async def test_a_redirect_to_an_allowed_host_takes_no_secret_along(shop: ShopServer) -> None:
    def handle(request: http.server.BaseHTTPRequestHandler) -> None:
        here = request.headers["Host"].startswith("127.0.0.1")
        step = redirect(f"http://localhost:{shop.port}/x") if here else json_answer({"ok": True})
        step(request)

    shop.handle = handle
    result = await call(
        shop,
        hosts=[shop.host, f"localhost:{shop.port}"],
        allowed_hosts=(f"localhost:{shop.port}",),
    )
    assert result.result == {"ok": True}
    assert "authorization" not in shop.seen[-1][2]
    assert "x-customer" not in shop.seen[-1][2]


async def test_a_change_follows_no_redirect_and_its_outcome_is_uncertain(
    shop: ShopServer,
) -> None:
    shop.handle = redirect("/again", 307)
    result = await call(shop, method="PUT", changes=True)
    assert result.outcome is CallOutcome.UNCERTAIN
    assert len(shop.seen) == 1


async def test_endless_redirects_end(shop: ShopServer) -> None:
    shop.handle = redirect("/again")
    result = await call(shop)
    assert result.outcome is CallOutcome.FAILED
    assert len(shop.seen) == 4


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (b"{", "application/json", "not valid JSON"),
        (b"[1, 2]", "application/json", "no JSON object"),
        (b"null", "application/json", "no JSON object"),
        (b'{"a": NaN}', "application/json", "not valid JSON"),
        (b'{"a": ' + b"9" * 30 + b"}", "application/json", "not valid JSON"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "application/json", "nested too deeply"),
        (b"[" * 60000, "application/json", "not valid JSON"),
        (b"\xff\xfe\x00binary", "application/json", "not text in UTF-8"),
        (b"\x89PNG\r\n", "image/png", "not JSON"),
        (b"<html>ok</html>", "text/html", "not JSON"),
        (b'{"a": "' + b"x" * 70000 + b'"}', "application/json", "longer than 65536 bytes"),
        (json.dumps({f"k{n}": "v" * 600 for n in range(29)}).encode(), "application/json", "8000"),
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_used_is_refused(
    shop: ShopServer, body: bytes, kind: str, words: str
) -> None:
    shop.handle = body_answer(body, kind=kind)
    result = await call(shop)
    assert result.outcome is CallOutcome.FAILED
    assert words in result.problem


async def test_a_result_is_bounded_and_loses_what_cannot_be_seen(shop: ShopServer) -> None:
    hidden = "a\u202eb\u200b\x00c"
    shop.handle = json_answer({"text": hidden, "list": list(range(99)), "long": "x" * 2000})
    result = await call(shop)
    assert result.result["text"] == "abc"
    assert len(result.result["list"]) == 30
    assert len(result.result["long"]) == 600


async def test_only_what_is_mapped_is_taken_over(shop: ShopServer) -> None:
    shop.handle = json_answer({"order": {"state": "sent", "card": "4111"}, "items": [{"n": 1}]})
    result = await call(
        shop, mapping={"state": "/order/state", "first": "/items/0/n", "none": "/x/y/9"}
    )
    assert result.result == {"state": "sent", "first": 1, "none": None}


@pytest.mark.parametrize(
    ("status", "read", "change"),
    [
        (404, "missing", "missing"), (410, "missing", "missing"),
        (409, "refused", "refused"), (422, "refused", "refused"),
        (400, "failed", "failed"), (401, "failed", "failed"), (403, "failed", "failed"),
        (429, "failed", "failed"), (500, "failed", "uncertain"), (503, "failed", "uncertain"),
    ],
)  # fmt: skip
async def test_what_a_status_means(shop: ShopServer, status: int, read: str, change: str) -> None:
    shop.handle = json_answer({}, status)
    assert (await call(shop)).outcome == read
    assert (await call(shop, method="PUT", changes=True)).outcome == change


async def test_a_server_that_does_not_answer_is_given_up(shop: ShopServer) -> None:
    release = threading.Event()
    shop.handle = lambda request: (release.wait(10), None)[1]
    try:
        read = await call(shop, timeout_seconds=0.3)
        change = await call(shop, timeout_seconds=0.3, method="PUT", changes=True)
    finally:
        release.set()
    assert (read.outcome, change.outcome) == (CallOutcome.FAILED, CallOutcome.UNCERTAIN)
    assert "0.3 seconds" in read.problem


async def test_an_answer_that_drips_does_not_outlast_the_limit(shop: ShopServer) -> None:
    release = threading.Event()

    def drip(request: http.server.BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "application/json")
        request.end_headers()
        while not release.wait(0.05):
            try:
                request.wfile.write(b" ")
            except OSError:
                return

    shop.handle = drip
    try:
        result = await call(shop, timeout_seconds=0.4)
    finally:
        release.set()
    assert result.outcome is CallOutcome.FAILED
    assert result.milliseconds < 3000


async def test_nobody_at_the_address_means_that_nothing_was_done(shop: ShopServer) -> None:
    spec = spec_make(shop, method="PUT", changes=True, url="http://127.0.0.1:1/orders/{number}")
    caller = Caller(secrets={"orders": "s"}, hosts=["127.0.0.1:1"])
    result = await caller.call(spec, {"number": "A1"}, actor=ALICE, seconds=5)
    assert result.outcome is CallOutcome.FAILED


async def test_a_connection_that_breaks_after_the_request_leaves_a_change_uncertain(
    shop: ShopServer,
) -> None:
    shop.handle = lambda request: request.connection.close()
    assert (await call(shop, method="PUT", changes=True)).outcome is CallOutcome.UNCERTAIN
    assert (await call(shop)).outcome is CallOutcome.FAILED


async def test_a_secret_that_is_not_set_is_told_and_nothing_is_sent(shop: ShopServer) -> None:
    caller = Caller(secrets={}, hosts=[shop.host])
    result = await caller.call(spec_make(shop), {"number": "A1"}, actor=ALICE, seconds=5)
    assert "secret orders" in result.problem
    assert shop.seen == []


async def test_proxies_of_the_environment_are_not_used(
    shop: ShopServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await call(shop)).outcome is CallOutcome.OK


def test_a_revision_changes_with_what_is_called_and_not_with_words(shop: ShopServer) -> None:
    spec = spec_make(shop)
    assert replace(spec, title="Other").revision == spec.revision
    assert replace(spec, url="http://127.0.0.1/x").revision != spec.revision
    assert replace(spec, parameters={}).revision != spec.revision
