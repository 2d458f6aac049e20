"""Why a page was not read, and what to do, in sentences for whoever imports it."""

from __future__ import annotations

from typing import Final

from knowledge.notices import Notice
from knowledge.notices import notice as _
from knowledge.outbound.requests import Failure, RequestFailed

_MEGABYTE: Final = 1024 * 1024


class PageRefused(Exception):
    """This page is not read; ``sentence`` says why."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def request_problem(error: RequestFailed, *, origin: str, most: int, seconds: float) -> Notice:
    """Why a website gave no page.

    Args:
        origin: host (and port) that was asked, for those failures that name none.
        most: bytes that would have been read.
        seconds: how long was waited.
    """
    host = error.host or origin
    match error.reason:
        case Failure.UNKNOWN_HOST:
            return _(
                "There is no website with the name %(host)s. Look whether the address is spelled"
                " right.",
                host=host,
            )
        case Failure.PRIVATE:
            return _private(host, error.address, origin)
        case Failure.ELSEWHERE:
            return _(
                "The page leads on to another website, %(address)s. If you want that one, import"
                " it by its own address.",
                address=error.address[:200],
            )
        case Failure.UNREACHABLE:
            return _(
                "Nobody answers at %(host)s. Look whether the address opens in a browser.",
                host=origin,
            )
        case Failure.BROKEN_OFF:
            return _("The connection broke off before all of it was read. Import it again.")
        case Failure.LATE:
            return _(
                "The website did not answer within %(seconds)d seconds. Try again later, or save"
                " the page and import the file.",
                seconds=round(seconds),
            )
        case Failure.TOO_LONG:
            return _(
                "It is larger than %(size)d MB. Save the part that matters and import the file.",
                size=max(1, most // _MEGABYTE),
            )
        case Failure.COMPRESSED:
            return _(
                "The website sends it compressed, although it was asked not to. Save the page and"
                " import the file."
            )
        case Failure.REDIRECTS:
            return _(
                "The address leads in a circle or on too often. Open it in a browser and give the"
                " address that it ends at."
            )
        case Failure.WITHOUT_TLS:
            return _(
                "The page leads on to an address without encryption, %(address)s. Give that"
                " address yourself if you trust it.",
                address=error.address[:200],
            )
        case Failure.INVALID:
            return _(
                "What the website answers is no valid HTTP or TLS. Look whether the address opens"
                " in a browser without a warning."
            )


def _private(host: str, address: str, origin: str) -> Notice:
    if host == address:
        return _(
            "%(address)s is a private address, and those are not read. If it is your own machine,"
            " whoever runs the desk can list %(origin)s in SUPPORTDESK_WEB_IMPORT_PRIVATE_HOSTS.",
            address=address,
            origin=origin,
        )
    return _(
        "%(host)s leads to the private address %(address)s, and those are not read. If it is your"
        " own machine, whoever runs the desk can list %(origin)s in"
        " SUPPORTDESK_WEB_IMPORT_PRIVATE_HOSTS.",
        host=host,
        address=address,
        origin=origin,
    )


def status_problem(status: int) -> Notice:
    """Why an answer with this status is no page."""
    if status in (404, 410):
        return _("The page is gone (%(status)d). Look whether the address is right.", status=status)
    if status in (401, 403):
        return _(
            "The website does not let the desk read this page (%(status)d). Save the page and"
            " import the file.",
            status=status,
        )
    if status == 429:
        return _(
            "The website asks to be left alone for a while (%(status)d). Try again later.",
            status=status,
        )
    if status >= 500:
        return _("The website has a fault of its own (%(status)d). Try again later.", status=status)
    return _(
        "The website answered with %(status)d instead of the page. Look whether the address opens"
        " in a browser.",
        status=status,
    )


def robots_problem() -> Notice:
    """The website's robots.txt says no."""
    return _(
        "The website asks robots not to read this page (robots.txt). If it is yours, allow"
        " “supportdesk” there, or save the page and import the file."
    )
