"""Staff read in the transcript what the model thought; the customer's channel never has it."""

import pytest
from django.urls import reverse

from conversations.models import Message
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import (
    answer_make,
    person_make,
    provenance_make,
    site_make,
)

pytestmark = pytest.mark.django_db
THOUGHT = "签收后第5天 <在7天内>，所以可以。"


@pytest.fixture
def answer() -> Message:
    answer = answer_make(site_make())
    provenance = provenance_make(answer)
    provenance.details = {**provenance.details, "reasoning": THOUGHT}
    provenance.save()
    return answer


@pytest.mark.parametrize("role", [StaffRole.ADMIN, StaffRole.OPERATOR])
def test_the_transcript_has_it(client, answer, role):
    client.force_login(person_make(role))
    address = reverse("admin:conversations_conversation_change", args=[answer.conversation_id])
    page = client.get(address).content.decode()
    assert "签收后第5天 &lt;在7天内&gt;，所以可以。" in page
    assert page.count("签收后第5天") == 1
