"""The page at ``/`` says what runs and leads on."""

from __future__ import annotations

import pytest
from django.test import Client, override_settings

from knowledge.models import Site

pytestmark = pytest.mark.django_db


def test_it_links_the_admin_and_names_the_model(client: Client) -> None:
    with override_settings(MODEL="A-Model"):
        page = client.get("/", headers={"accept-language": "en"})
    assert page.status_code == 200
    assert b'href="/admin/"' in page.content
    assert b"<strong>A-Model</strong>" in page.content
    assert b'lang="en"' in page.content


def test_the_demo_shop_is_linked_as_long_as_its_data_exists(client: Client) -> None:
    with override_settings(DEMOSHOP_PORT=8001):
        assert b":8001/" not in client.get("/").content
        Site.objects.create(name="Demo", key="demo", is_demo=True)
        assert b'href="http://testserver:8001/"' in client.get("/").content


def test_it_changes_nothing(client: Client) -> None:
    assert client.post("/").status_code == 405
