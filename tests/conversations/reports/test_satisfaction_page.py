import pytest
from django.urls import reverse

from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import answer_make, month_make, person_make, site_make

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager_client(client):
    client.force_login(person_make(StaffRole.MANAGER))
    return client


def test_an_empty_period_says_so_instead_of_showing_zeros(manager_client):
    page = manager_client.get(
        reverse("admin:report_satisfaction"), headers={"accept-language": "en"}
    )
    assert "Nothing to report for these days" in page.content.decode()
    assert "<canvas" not in page.content.decode()


def test_the_page_leads_to_the_transcript_of_a_bad_answer(manager_client):
    answer = answer_make(site_make(), stars=1, comment="<script>alert(1)</script>")
    page = manager_client.get(reverse("admin:report_satisfaction")).content.decode()
    place = reverse("admin:conversations_conversation_change", args=[answer.conversation_id])
    assert f"{place}#item-{answer.seq}" in page
    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    "query", ["from=2026-99-99", "from=x&to=y", "site=abc", "from=2026-05-02&to=2026-05-01"]
)
def test_a_broken_query_gets_a_page_with_a_sentence(manager_client, query):
    month_make(site_make(), conversations=5)
    page = manager_client.get(f"{reverse('admin:report_satisfaction')}?{query}")
    assert page.status_code == 200


def test_an_operator_sees_neither_page_nor_download(client):
    client.force_login(person_make(StaffRole.OPERATOR))
    for name in ("report_satisfaction", "report_satisfaction_export"):
        assert client.get(reverse(f"admin:{name}")).status_code == 403


def test_the_download_is_named_after_its_days(manager_client):
    answer_make(site_make(), stars=5)
    response = manager_client.get(
        reverse("admin:report_satisfaction_export"), {"from": "2026-01-01", "to": "2026-01-31"}
    )
    assert response["Content-Disposition"] == (
        'attachment; filename="ratings-2026-01-01-2026-01-31.csv"'
    )
