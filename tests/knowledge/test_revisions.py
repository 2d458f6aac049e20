import pytest

from knowledge.models import Entry, Phrasing, PromptTemplate, Rule, Site
from knowledge.services.entries import entry_create, entry_delete
from knowledge.services.rules import rule_create

pytestmark = pytest.mark.django_db


def knowledge_revision(site: Site) -> int:
    return Site.objects.values_list("knowledge_revision", flat=True).get(pk=site.pk)


def wording_revision(site: Site) -> int:
    return Site.objects.values_list("wording_revision", flat=True).get(pk=site.pk)


@pytest.fixture
def entry(site):
    return entry_create(site=site, question="Q?", answer="A.", phrasings=["P?"])


WRITES = {
    "a bulk update": lambda e: Entry.objects.filter(pk=e.pk).update(answer="new"),
    "a bulk update of the status": lambda e: Entry.objects.update(status="published"),
    "a bulk insert": lambda e: Entry.objects.bulk_create(
        [Entry(site=e.site, question="x", answer="y")]
    ),
    "a bulk delete": lambda e: Entry.objects.all().delete(),
    "a raw delete": lambda e: Phrasing.objects.all()._raw_delete("default"),
    "a saved model": lambda e: e.save(),
    "a new phrasing": lambda e: Phrasing.objects.create(entry=e, text="another"),
    "a changed phrasing": lambda e: Phrasing.objects.update(text="changed"),
    "the service": lambda e: entry_delete(entry=e),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_every_path_of_writing_raises_the_knowledge_revision(write, entry, other_site):
    before, others = knowledge_revision(entry.site), knowledge_revision(other_site)
    write(entry)
    assert knowledge_revision(entry.site) > before
    assert knowledge_revision(other_site) == others


def test_an_entry_is_stamped_with_the_revision_of_its_last_change(site, entry):
    second = entry_create(site=site, question="Other?", answer="B.")
    entry.refresh_from_db()
    second.refresh_from_db()
    assert entry.changed_in < second.changed_in == knowledge_revision(site)
    Phrasing.objects.filter(entry=entry).update(text="changed")
    entry.refresh_from_db()
    assert entry.changed_in == knowledge_revision(site)


def test_an_entry_that_moves_raises_the_revision_of_both_sites(entry, site, other_site):
    before = knowledge_revision(site), knowledge_revision(other_site)
    Entry.objects.filter(pk=entry.pk).update(site=other_site)
    assert knowledge_revision(site) > before[0]
    assert knowledge_revision(other_site) > before[1]


def test_writing_the_stamp_itself_raises_nothing(entry, site):
    before = knowledge_revision(site)
    Entry.objects.update(is_demo=True)
    assert knowledge_revision(site) == before


def test_a_rule_of_one_site_leaves_the_others_alone_and_a_general_one_does_not(site, other_site):
    before = wording_revision(site), wording_revision(other_site)
    rule_create(site=site, name="own", keywords_any="hi", reply="Hello.")
    assert wording_revision(site) > before[0]
    assert wording_revision(other_site) == before[1]
    rule_create(site=None, name="general", keywords_any="hi", reply="Hello.")
    assert wording_revision(other_site) > before[1]


def test_bulk_changes_of_rules_and_prompts_raise_the_wording_revision(site):
    rule_create(site=None, name="general", keywords_any="hi", reply="Hello.")
    for write in (
        lambda: Rule.objects.update(is_enabled=False),
        lambda: Rule.objects.all().delete(),
        lambda: PromptTemplate.objects.bulk_create(
            [PromptTemplate(role="answer", language="en", name="x")]
        ),
        lambda: PromptTemplate.objects.get().versions.create(number=1, system="s", user="u"),
        lambda: PromptTemplate.objects.all().delete(),
    ):
        before = wording_revision(site)
        write()
        assert wording_revision(site) > before


def test_a_site_goes_away_with_everything(entry, site):
    site.delete()
    assert not Entry.objects.exists()
