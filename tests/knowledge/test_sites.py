import pytest
from django.core.exceptions import ValidationError

from knowledge.models import Site
from knowledge.services.entries import entry_create
from knowledge.services.sites import site_create, site_update

pytestmark = pytest.mark.django_db


def test_origins_are_kept_as_browsers_send_them():
    site = site_create(
        name="S",
        allowed_origins=" HTTPS://Shop.Example/ \n\nhttp://shop.example:80\nhttp://[::1]:8001",
    )
    assert site.origins == ["https://shop.example", "http://shop.example", "http://[::1]:8001"]


@pytest.mark.parametrize(
    "origin",
    [
        "shop.example",
        "https://shop.example/path",
        "null",
        "*",
        "http://[",
        "ftp://x",
        "http://x:99999",
    ],
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(ValidationError, match="is not an origin"):
        site_create(name="S", allowed_origins=origin)
    assert not Site.objects.exists()


def test_an_old_copy_of_a_site_does_not_write_its_revision_back(site):
    old = Site.objects.get(pk=site.pk)
    entry_create(site=site, question="Q", answer="A")
    site_update(site=old, name="Renamed")
    stored = Site.objects.get(pk=site.pk)
    assert stored.name == "Renamed"
    assert stored.knowledge_revision > 0


def test_unknown_values_are_a_mistake_of_the_caller(site):
    with pytest.raises(TypeError, match="knowledge_revision"):
        site_update(site=site, knowledge_revision=0)
