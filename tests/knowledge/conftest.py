import pytest
from django.utils import translation

from knowledge.models import Site
from knowledge.services.sites import site_create


@pytest.fixture
def site(db) -> Site:
    return site_create(name="Shop", key="shop", language="en")


@pytest.fixture
def other_site(db) -> Site:
    return site_create(name="Other", key="other", language="zh-hans")


@pytest.fixture(autouse=True)
def english():
    """Sentences are compared in the language they are written in."""
    with translation.override("en"):
        yield
