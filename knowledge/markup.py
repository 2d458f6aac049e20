"""Curated Markdown as HTML for the staff's pages; the widget renders its own."""

from __future__ import annotations

from typing import Final

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

TAGS: Final = {
    "p", "br", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "a",
    "h1", "h2", "h3", "h4", "hr", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
# HTML in the source is shown as text; images are left out, since they would call other hosts.
_markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(
    ["table", "strikethrough"]
)
_markdown.disable("image")


# The widget's rule: an address without a scheme leads nowhere that the shop has named.
_SCHEMES: Final = ("http:", "https:", "mailto:", "tel:")


def _attribute_keep(_tag: str, attribute: str, value: str) -> str | None:
    if attribute == "href" and not value.lower().startswith(_SCHEMES):
        return None
    return value


def markdown_html(text: str) -> SafeString:
    """Sanitised HTML of a Markdown text: no HTML of its own, no images, only web and mail links."""
    html = nh3.clean(
        _markdown.render(text),
        tags=TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        attribute_filter=_attribute_keep,
        url_schemes={scheme.removesuffix(":") for scheme in _SCHEMES},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(html)  # noqa: S308 - sanitised in the line above
