"""robots.txt as RFC 9309 reads it."""

from __future__ import annotations

import pytest

from knowledge.web_pages.robots import robots_parse

TEXT = """
User-agent: *
Disallow: /            # nobody else

User-agent: other
User-Agent: SupportDesk
Disallow: /private/
Allow: /private/help
Disallow: /*.pdf$
Disallow: /search?*q=
Disallow:
Sitemap: https://shop.example/a.xml
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("", True),
        ("/private/", False),
        ("/private/x", False),
        ("/private/help/1", True),
        ("/a/b.pdf", False),
        ("/a/b.pdf?x=1", True),
        ("/search?a=1&q=tea", False),
        ("/search?a=1", True),
        ("/%70rivate/x", False),
    ],
)
def test_the_longest_rule_for_us_decides(path: str, allowed: bool) -> None:
    assert robots_parse(TEXT).allows(path) is allowed


def test_without_a_group_of_our_own_the_one_for_everybody_counts() -> None:
    assert not robots_parse("User-agent: *\nDisallow: /\n").allows("/x")
    assert robots_parse("User-agent: other\nDisallow: /\n").allows("/x")
    assert robots_parse("Disallow: /\n<html>: no file").allows("/x")


def test_sitemaps_are_named() -> None:
    assert robots_parse(TEXT).sitemaps == ("https://shop.example/a.xml",)
