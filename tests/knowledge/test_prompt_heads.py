"""The beginnings of published prompts that are the same for every question."""

from __future__ import annotations

import pytest

from inference.prompts.rendering import PromptSource, prompt_head
from knowledge.models import Language, PromptTemplate, PromptVersion, Site
from knowledge.selectors import prompt_heads, wording_revisions

pytestmark = pytest.mark.django_db

USER = "{% for p in passages %}{{ p.answer }}{% endfor %}{{ question }}"


def published(system: str, *, language: str = Language.EN, site: Site | None = None) -> None:
    template = PromptTemplate.objects.create(
        name=system[:20], role="answer", language=language, site=site
    )
    PromptVersion.objects.create(
        template=template,
        number=1,
        system=system,
        user=USER,
        status=PromptVersion.Status.PUBLISHED,
    )


def contents() -> list[str]:
    return [message.content for head in prompt_heads(role="answer") for message in head]


@pytest.fixture(autouse=True)
def no_defaults(db: None) -> None:
    PromptTemplate.objects.all().delete()


def test_each_shop_has_its_own_and_equal_ones_count_once() -> None:
    for name in ("Bob's shop", "Dora's shop"):
        Site.objects.create(name=name)
    published("Speak for {{ shop_name }}.")
    published("只根据资料回答。", language=Language.ZH_HANS)

    assert sorted(contents()) == [
        "Speak for Bob's shop.",
        "Speak for Dora's shop.",
        "只根据资料回答。",
    ]


@pytest.mark.parametrize(
    "system",
    [
        "It is {{ current_time }}.",
        "{% if user_region %}Near.{% endif %}",
        "{% for p in passages %}{{ p.answer }}{% endfor %}",
        "{% set q = question %}{{ q }}",
    ],
)
def test_what_depends_on_the_question_is_never_kept_by_an_engine(system: str) -> None:
    Site.objects.create(name="Bob's shop")
    published(system)

    assert contents() == []


def test_a_closed_shop_a_blank_head_and_a_broken_one_have_none() -> None:
    Site.objects.create(name="Closed", is_active=False)
    published("Be polite.")
    assert contents() == []

    site = Site.objects.create(name="Bob's shop")
    published("  ", site=site)
    published("{{ 1 // 0 }}", language=Language.ZH_HANS)
    assert contents() == []


def test_publishing_changes_the_revision() -> None:
    Site.objects.create(name="Bob's shop")
    before = wording_revisions()

    published("Be polite.")

    assert wording_revisions() != before


def test_a_head_is_rendered_as_the_prompt_renders_it() -> None:
    source = PromptSource("Speak {{ language }} for {{ shop_name }}.\n", USER)
    variables = {"shop_name": "Bob's", "language": "en"}

    head = prompt_head(source, variables)

    assert head is not None
    assert head.content == "Speak en for Bob's."
