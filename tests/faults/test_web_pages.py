"""Pages, files and health come through the same server as the sockets."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.faults.desk_process import WebProcess


def fetch(web: WebProcess, path: str, **headers: str) -> tuple[int, bytes]:
    request = Request(f"http://127.0.0.1:{web.port}{path}", headers=headers)
    try:
        with urlopen(request, timeout=20) as response:  # noqa: S310
            return response.status, response.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_admin_its_files_and_the_widget_are_served(web: WebProcess) -> None:
    login = fetch(web, "/admin/login/")
    styles = fetch(web, "/static/admin/css/base.css")
    widget = fetch(web, "/static/widget/supportdesk.js")

    assert (login[0], styles[0], widget[0]) == (200, 200, 200)
    assert b"csrfmiddlewaretoken" in login[1]
    assert len(widget[1]) > 1000


def test_health_tells_live_and_ready(web: WebProcess) -> None:
    assert json.loads(fetch(web, "/health/live")[1]) == {"status": "live"}
    assert json.loads(fetch(web, "/health/ready")[1]) == {"status": "ready"}


def test_an_unknown_address_and_a_missing_token_are_refused(web: WebProcess) -> None:
    assert fetch(web, "/widget/v1/nothing")[0] == 404
    assert fetch(web, "/widget/v1/items")[0] == 401
