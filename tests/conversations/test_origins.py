"""Origins are compared exactly: look-alikes do not pass."""

from __future__ import annotations

import pytest

from conversations.origins import origin_allowed, origin_normalise

ALLOWED = ["https://shop.example", "http://localhost:8123", "https://b.example:8443/"]

NOT_ORIGINS = [
    "",
    "null",
    "*",
    "http://[",
    "http://[::1",
    "shop.example",
    "//shop.example",
    "https://",
    "https://shop.example/",
    "https://shop.example/path",
    "https://shop.example?x",
    "https://shop.example#x",
    "https://user@shop.example",
    "https://shop.example:99999",
    "https://shop.example:abc",
    "https://*.example",
    "https://shop.example https://evil.example",
    "ftp://shop.example",
    "file://",
    "javascript:alert(1)",
    "chrome-extension://abcdef",
    "data:text/html,x",
    "https://shop.example\n",
]
LOOK_ALIKES = [
    "http://shop.example",
    "https://shop.example:444",
    "https://www.shop.example",
    "https://shop.example.evil.example",
    "https://evilshop.example",
    "https://shop.example.",
    "https://shop-example",
    "https://shop.exampl",
    "http://localhost",
    "https://localhost:8123",
    "http://127.0.0.1:8123",
    "https://b.example",
    "https://xn--shp-hoa.example",
    "https://shop.examplé",
]


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "https://SHOP.example",
        "https://shop.example:443",
        "http://localhost:8123",
        "https://b.example:8443",
    ],
)
def test_an_allowed_origin_passes(origin: str) -> None:
    normalised = origin_normalise(origin)

    assert normalised is not None
    assert origin_allowed(normalised, ALLOWED, wildcard=False)


@pytest.mark.parametrize("origin", [None, *NOT_ORIGINS])
def test_what_is_not_the_origin_of_a_web_page_is_none(origin: str | None) -> None:
    assert origin_normalise(origin) is None


@pytest.mark.parametrize("origin", LOOK_ALIKES)
def test_a_look_alike_does_not_pass(origin: str) -> None:
    normalised = origin_normalise(origin)

    assert normalised is None or not origin_allowed(normalised, ALLOWED, wildcard=False)


def test_a_wildcard_counts_only_when_it_is_let() -> None:
    assert not origin_allowed("https://any.example", ["*"], wildcard=False)
    assert origin_allowed("https://any.example", ["*"], wildcard=True)
