"""An admin has the model think before it answers, version by version."""

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from knowledge.models import PromptVersion
from knowledge.selectors import prompt_published
from knowledge.services.prompts import prompt_draft_save, prompt_publish, prompt_rollback
from supportdesk.staff.roles import StaffRole
from tests.supportdesk.staff.desk_factory import person_make, prompt_make, site_make

pytestmark = pytest.mark.django_db
WORDS = {"system": "Answer politely.", "user": "{{ question }}"}


def test_thinking_is_off_until_a_published_version_says_so():
    template, site = prompt_make(), site_make()
    published = prompt_published(site_id=site.pk, role="answer", language="zh-hans")
    assert published.thinking_tokens == 0
    version = prompt_draft_save(template=template, thinking_tokens=120, **WORDS)
    prompt_publish(version=version)
    published = prompt_published(site_id=site.pk, role="answer", language="zh-hans")
    assert (published.version_id, published.thinking_tokens) == (version.pk, 120)


def test_an_earlier_version_comes_back_with_its_thinking():
    template = prompt_make()
    version = prompt_publish(
        version=prompt_draft_save(template=template, thinking_tokens=64, **WORDS)
    )
    prompt_publish(version=prompt_draft_save(template=template, thinking_tokens=0, **WORDS))
    assert prompt_rollback(version=version).thinking_tokens == 64


def test_it_has_a_limit():
    with pytest.raises(ValidationError, match="1024"):
        prompt_draft_save(template=prompt_make(), thinking_tokens=5000, **WORDS)


@pytest.mark.parametrize(("given", "kept"), [("96", 96), ("", 0)])
def test_the_form_has_it(client, settings, given, kept):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    client.force_login(person_make(StaffRole.ADMIN))
    template = prompt_make()
    address = reverse("admin:knowledge_prompttemplate_change", args=[template.pk])
    assert 'name="thinking_tokens"' in client.get(address).content.decode()
    values = {
        **WORDS,
        "max_tokens": 120,
        "temperature": 0,
        "top_p": 1,
        "repetition_penalty": 1,
        "thinking_tokens": given,
        "note": "",
        "_publish": "1",
    }
    client.post(address, values)
    published = template.versions.get(status=PromptVersion.Status.PUBLISHED)
    assert (published.system, published.thinking_tokens) == ("Answer politely.", kept)
