import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from inference.errors import PromptError
from knowledge.models import PromptTemplate, PromptVersion
from knowledge.selectors import prompt_published
from knowledge.services.prompts import (
    prompt_draft_save,
    prompt_preview,
    prompt_publish,
    prompt_rollback,
    prompt_template_create,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def template(db):
    return prompt_template_create(site=None, role="answer", language="en", name="Answers")


def draft(template, user="{{ question }}", **values):
    return prompt_draft_save(template=template, system="Be brief.", user=user, **values)


def test_a_draft_is_written_over_until_it_is_published(template):
    assert draft(template).number == 1
    assert draft(template, user="again {{ question }}").number == 1
    prompt_publish(version=template.versions.get())
    assert draft(template).number == 2


def test_at_most_one_version_is_published(template):
    first = prompt_publish(version=draft(template))
    second = prompt_publish(version=draft(template))
    first.refresh_from_db()
    assert (first.status, second.status) == ("retired", "published")
    assert second.published_at is not None


@pytest.mark.parametrize(
    "user",
    [
        "{{ nonsense }}",
        "{% for %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ passages[0].answer }}",
    ],
)
def test_a_prompt_that_does_not_render_cannot_be_published(template, user):
    good = prompt_publish(version=draft(template))
    bad = draft(template, user=user)
    with pytest.raises(PromptError):
        prompt_publish(version=bad)
    good.refresh_from_db()
    assert good.status == PromptVersion.Status.PUBLISHED
    bad.refresh_from_db()
    assert bad.status == PromptVersion.Status.DRAFT


def test_rolling_back_publishes_a_copy_and_the_draft_stays_the_newest(template):
    first = prompt_publish(version=draft(template, user="one {{ question }}", max_tokens=77))
    prompt_publish(version=draft(template, user="two {{ question }}"))
    unfinished = draft(template, user="three")
    again = prompt_rollback(version=first)
    assert (again.number, again.user, again.max_tokens, again.status) == (
        3,
        "one {{ question }}",
        77,
        "published",
    )
    unfinished.refresh_from_db()
    assert (unfinished.number, unfinished.status) == (4, "draft")
    assert template.versions.filter(status="published").count() == 1
    assert draft(template, user="four") == unfinished
    assert template.versions.filter(status="draft").count() == 1


def test_there_is_one_template_for_a_role_and_language(template):
    with pytest.raises(ValidationError):
        prompt_template_create(site=None, role="answer", language="en", name="Again")


def test_the_database_itself_keeps_general_templates_single(template):
    with pytest.raises(IntegrityError), transaction.atomic():
        PromptTemplate.objects.create(site=None, role="answer", language="en", name="Again")


def test_a_preview_takes_missing_variables_from_a_sample():
    messages = prompt_preview(
        system="", user="{{ shop_name }}/{{ language }}", variables={"shop_name": "Shop"}
    )
    assert [m.content for m in messages] == ["Shop/en"]


def test_a_site_has_its_own_prompt_or_else_the_general_one(template, site, other_site):
    prompt_publish(version=draft(template, temperature=0.5))
    own = prompt_template_create(site=site, role="answer", language="en", name="Own")
    assert prompt_published(site_id=site.pk, role="answer", language="en").name == "Answers"
    prompt_publish(version=draft(own))
    assert prompt_published(site_id=site.pk, role="answer", language="en").name == "Own"
    general = prompt_published(site_id=other_site.pk, role="answer", language="en")
    assert (general.name, general.number, general.parameters.temperature) == ("Answers", 1, 0.5)
    assert prompt_published(site_id=site.pk, role="answer", language="zh-hans") is None
