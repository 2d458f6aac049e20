"""Sessions over plain HTTP: who may speak, from which page."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
from django.test import AsyncClient

from conversations.models import ResumeToken, Visitor
from knowledge.models import Site
from tests.conversations.conftest import ORIGIN, Customer
from tests.conversations.test_origins import LOOK_ALIKES, NOT_ORIGINS
from tests.conversations.widget_api.browser import (
    PREVIOUS,
    SECRET,
    identity,
    post,
    session,
    visitor_of,
)


async def test_a_session_tells_everything_that_a_widget_needs(
    browser: AsyncClient, alice: Customer
) -> None:
    status, answer, response = await post(browser, "session", {"site_key": alice.site.key})

    assert status == 200
    assert set(answer) == {
        "token",
        "expires_in",
        "resume_token",
        "conversation",
        "mode",
        "head_seq",
        "socket_url_path",
        "site",
        "limits",
    }
    assert response["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Credentials" not in response
    assert not response.cookies


@pytest.mark.parametrize("origin", [None, *NOT_ORIGINS[:-1], *LOOK_ALIKES])
async def test_a_foreign_page_gets_no_session(
    browser: AsyncClient, alice: Customer, origin: str | None
) -> None:
    status, answer, response = await post(
        browser, "session", {"site_key": alice.site.key}, origin=origin
    )

    assert (status, answer["code"]) == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in response


async def test_the_page_of_one_shop_opens_no_session_of_another(
    browser: AsyncClient, alice: Customer, charlie: Customer
) -> None:
    status, _, _ = await post(browser, "session", {"site_key": charlie.site.key}, origin=ORIGIN)

    assert status == 403


async def test_any_page_learns_that_the_desk_is_there_and_nothing_else(
    browser: AsyncClient,
) -> None:
    answer = await browser.get("/widget/v1/alive", headers={"origin": "https://evil.example"})

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Access-Control-Allow-Origin"] == "*"


async def test_a_preflight_names_exactly_the_origin(browser: AsyncClient, alice: Customer) -> None:
    allowed = await browser.options("/widget/v1/messages", headers={"origin": ORIGIN})
    foreign = await browser.options(
        "/widget/v1/messages", headers={"origin": "https://evil.example"}
    )

    assert (allowed.status_code, allowed["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert "Idempotency-Key" in allowed["Access-Control-Allow-Headers"]
    assert foreign.status_code == 403


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"{", "bad_json"),
        (b"\xff", "bad_json"),
        (b"[" * 60_000, "bad_json"),
        (b'{"site_key":NaN}', "bad_json"),
        (b"[1]", "bad_frame"),
        (b"null", "bad_frame"),
        (b'{"site_key":7}', "bad_frame"),
        (b'{"site_key":"' + b"x" * 70_000 + b'"}', "bad_frame"),
        (b'{"site_key":"unknown"}', "not_found"),
        (b"{}", "not_found"),
    ],
)
async def test_a_bad_body_is_a_typed_error(
    browser: AsyncClient, alice: Customer, body: bytes, code: str
) -> None:
    status, answer, _ = await post(browser, "session", body)

    assert answer["code"] == code
    assert 400 <= status < 500


async def test_the_resume_token_brings_back_the_visitor_and_is_rotated(
    browser: AsyncClient, alice: Customer
) -> None:
    first = await session(browser, alice.site)
    second = await session(browser, alice.site, resume_token=first["resume_token"])

    assert second["conversation"] == first["conversation"]
    assert second["resume_token"] != first["resume_token"]
    stored = [token.token_hash async for token in ResumeToken.objects.all()]
    assert first["resume_token"] not in stored


async def test_a_used_resume_token_is_worth_nothing_after_its_grace(
    browser: AsyncClient, alice: Customer
) -> None:
    first = await session(browser, alice.site)
    await session(browser, alice.site, resume_token=first["resume_token"])
    await ResumeToken.objects.filter(rotated_at__isnull=False).aupdate(
        rotated_at="2020-01-01T00:00:00Z"
    )

    third = await session(browser, alice.site, resume_token=first["resume_token"])

    assert third["conversation"] != first["conversation"]


async def test_a_signed_identity_makes_a_known_customer(
    browser: AsyncClient, alice: Customer
) -> None:
    await Site.objects.filter(pk=alice.site.pk).aupdate(
        identity_secret=SECRET, identity_secret_previous=PREVIOUS
    )
    known = await session(
        browser, alice.site, identity_jwt=identity(alice.site, name="Alice", region="上海")
    )
    again = await session(
        browser, alice.site, identity_jwt=identity(alice.site, secret=PREVIOUS, kid="previous")
    )
    anonymous = await session(browser, alice.site, resume_token=again["resume_token"])

    visitor = await visitor_of(known)
    assert (visitor.external_id, visitor.name, visitor.region) == ("customer-7", "Alice", "上海")
    assert visitor.region_is_signed
    assert again["conversation"] == known["conversation"]
    assert anonymous["conversation"] != known["conversation"]


async def test_the_widgets_region_never_replaces_a_signed_one(
    browser: AsyncClient, alice: Customer
) -> None:
    await Site.objects.filter(pk=alice.site.pk).aupdate(identity_secret=SECRET)
    token = identity(alice.site, region="上海")

    opened = await session(browser, alice.site, identity_jwt=token, region="北京")

    assert (await visitor_of(opened)).region == "上海"


@pytest.mark.parametrize(
    "forge",
    [
        lambda site: "x",
        lambda site: "a.b.c",
        lambda site: jwt.encode({"sub": "7", "aud": site.key, "exp": 2**31}, None, "none"),
        lambda site: identity(site, secret="w" * 40),
        lambda site: identity(site, kid="../../etc/passwd"),
        lambda site: identity(site, kid="previous"),
        lambda site: identity(site, exp=int(time.time()) - 3600),
        lambda site: identity(site, exp=int(time.time()) + 86400),
        lambda site: identity(site, aud="another-site"),
        lambda site: identity(site, sub=""),
        lambda site: identity(site, sub="x" * 121),
        lambda site: identity(site, name=["Alice"]),
        lambda site: jwt.encode(
            {"sub": "7", "aud": site.key, "exp": int(time.time()) + 60},
            SECRET,
            "HS512",
            headers={"kid": "current"},
        ),
    ],
)
async def test_a_forged_identity_is_refused(
    browser: AsyncClient, alice: Customer, forge: Any
) -> None:
    await Site.objects.filter(pk=alice.site.pk).aupdate(identity_secret=SECRET)
    body = {"site_key": alice.site.key, "identity_jwt": forge(alice.site)}

    status, answer, _ = await post(browser, "session", body)

    assert (status, answer["code"]) == (403, "forbidden")
    assert not await Visitor.objects.exclude(external_id="").aexists()
