import pytest
from django.urls import reverse


@pytest.mark.django_db
def test_eval_is_allowed_under_the_admin_only(client):
    inside = client.get(reverse("admin:login"))["Content-Security-Policy"]
    outside = client.get("/nothing-here/")["Content-Security-Policy"]
    assert "'unsafe-eval'" in inside
    assert "unsafe" not in outside
    for policy in (inside, outside):
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "object-src 'none'" in policy
        scripts = next(part for part in policy.split(";") if "script-src" in part)
        assert "unsafe-inline" not in scripts
        assert "http" not in scripts


@pytest.mark.django_db
def test_a_look_alike_path_gets_the_strict_policy(client):
    assert "unsafe" not in client.get("/adminx/")["Content-Security-Policy"]
