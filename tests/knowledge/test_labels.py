"""Label sets: what staff change is learnt anew, and each site gets its own sets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import translation
from django_tasks_db.models import DBTaskResult

from inference.labels.cascade import ALWAYS, Cascade
from inference.labels.combination import Gain
from inference.labels.labelling import Labeller
from inference.labels.storage import classifier_dump, classifier_load
from knowledge import label_tasks
from knowledge.admin import label_trials as label_pages
from knowledge.label_sets import label_set_read, label_sets_enabled, words_of
from knowledge.label_tasks import label_set_learning
from knowledge.label_words import LABEL_WORDS, SET_WORDS, SHIPPED_NAMES
from knowledge.models import Label, LabelExample, LabelFit, LabelSet
from knowledge.services.label_defaults import label_default, label_tables
from knowledge.services.labels import (
    label_defaults_ensure,
    label_example_save,
    label_examples_delete,
    label_examples_import,
    label_set_learn,
    label_sets_refresh,
)
from knowledge.services.prompts import prompt_template_create

pytestmark = pytest.mark.django_db
ENGLISH = {"accept-language": "en"}

CSV = "text,label\n" + "".join(
    f"{word} {thing},{label}\n"
    for label, words in {"good": ("lovely", "superb"), "bad": ("awful", "broken")}.items()
    for word in words
    for thing in ("lamp", "chair", "mug", "table")
)


@pytest.fixture
def mood(db) -> LabelSet:
    label_set = LabelSet.objects.create(key="mood", name="Mood")
    for position, name in enumerate(("good", "bad")):
        Label.objects.create(label_set=label_set, name=name, words=name, position=position)
    return label_set


@pytest.fixture
def without_engines(monkeypatch) -> None:
    @asynccontextmanager
    async def opened(**_options):
        yield Labeller(None, None)

    monkeypatch.setattr(label_tasks, "labeller_open", opened)
    monkeypatch.setattr(label_pages, "labeller_open", opened)


def learn(label_set: LabelSet) -> LabelSet:
    label_set_learning.func(label_set.pk)
    label_set.refresh_from_db()
    return label_set


def test_a_file_of_examples_is_imported_once(mood, django_capture_on_commit_callbacks) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        report = label_examples_import(label_set=mood, data=CSV.encode())
    assert (report.created, report.moved, report.unchanged, report.errors) == (16, 0, 0, [])
    again = label_examples_import(label_set=mood, data=CSV.encode())
    assert (again.created, again.unchanged) == (0, 16)
    assert DBTaskResult.objects.count() == 1


def test_the_files_label_wins_and_unknown_labels_are_created(mood) -> None:
    label_examples_import(label_set=mood, data=b"text,label\nlamp,good\n")
    report = label_examples_import(label_set=mood, data=b"text,label\nlamp,so-so\n")
    assert report.moved == 1
    assert LabelExample.objects.get().label.name == "so-so"
    assert mood.labels.count() == 3


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"question,answer\n", "columns"),
        ("text,label\n灯,good".encode("utf-16"), "UTF-8"),
        (b"x" * (5 * 2**20 + 1), "5 MB"),
    ],
)
def test_a_file_that_is_none_is_refused(mood, data, words) -> None:
    with pytest.raises(ValidationError, match=words):
        label_examples_import(label_set=mood, data=data)


def test_a_row_without_label_is_told_and_the_others_are_kept(mood) -> None:
    report = label_examples_import(label_set=mood, data=b"text,label\nlamp,\nmug,good\nx,a b!\n")
    assert report.created == 1
    assert len(report.errors) == 2
    assert "Line 2" in report.errors[0]


def test_a_set_is_learnt_from_its_examples(mood, without_engines) -> None:
    label_examples_import(label_set=mood, data=CSV.encode())
    assert learn(mood).learning == LabelSet.Learning.DONE
    known = label_set_read(mood)
    assert known.classifier is not None
    assert known.classifier.label(known.value, "an awful kettle").best == "bad"
    # Stored as numbers, readable without pickle, named by what it was learnt from.
    fit = LabelFit.objects.get(label_set=mood)
    assert bytes(fit.data)[:2] == b"PK"
    assert len(fit.revision) == 64


def test_an_example_that_changes_starts_learning_once(
    mood, without_engines, django_capture_on_commit_callbacks
) -> None:
    label_examples_import(label_set=mood, data=CSV.encode())
    before = LabelFit.objects.filter(label_set=learn(mood)).values_list("revision", flat=True)[0]
    with django_capture_on_commit_callbacks(execute=True):
        label = mood.labels.get(name="bad")
        label_example_save(label_set=mood, label=label, text="dreadful vase")
        label_example_save(label_set=mood, label=label, text="dreadful bowl")
    assert DBTaskResult.objects.count() == 1
    mood.refresh_from_db()
    assert mood.learning == LabelSet.Learning.WAITING
    learn(mood)
    assert LabelFit.objects.get(label_set=mood).revision != before


def test_a_set_that_loses_its_examples_forgets(mood, without_engines) -> None:
    label_examples_import(label_set=mood, data=CSV.encode())
    learn(mood)
    label_examples_delete(examples=LabelExample.objects.filter(label_set=mood))
    assert not LabelFit.objects.filter(label_set=mood).exists()
    assert not label_set_learn(label_set=mood)


def test_what_was_learnt_of_other_labels_is_not_used(mood, without_engines) -> None:
    label_examples_import(label_set=mood, data=CSV.encode())
    learn(mood)
    Label.objects.create(label_set=mood, name="so-so", position=3)
    assert label_set_read(mood).classifier is None


def test_what_passed_by_the_services_is_learnt_at_the_next_start(
    mood, monkeypatch, without_engines
) -> None:
    monkeypatch.setattr(
        "knowledge.services.labels.label_model_name", lambda: ""
    )  # nothing could be asked of a model here
    monkeypatch.setattr("django.conf.settings.EMBEDDING_MODEL", "")
    label_examples_import(label_set=mood, data=CSV.encode())
    learn(mood)
    assert label_sets_refresh() == 0
    LabelExample.objects.filter(label_set=mood, text="awful lamp").update(text="ghastly lamp")
    assert label_sets_refresh() == 1


def test_too_few_examples_are_told(mood, without_engines) -> None:
    label_examples_import(label_set=mood, data=b"text,label\nlamp,good\nmug,bad\n")
    learn(mood)
    assert mood.learning == LabelSet.Learning.FAILED
    assert "two labels" in mood.progress


def test_an_example_belongs_to_a_label_of_its_set(mood) -> None:
    other = LabelSet.objects.create(key="other", name="Other")
    label = Label.objects.create(label_set=other, name="x")
    with pytest.raises(ValidationError):
        label_example_save(label_set=mood, label=label, text="lamp")


def test_the_sites_own_set_and_the_messages_language_come_first(mood, site, other_site) -> None:
    LabelSet.objects.create(key="mood", name="English", language="en")
    own = LabelSet.objects.create(key="mood", name="Own", site=site)
    LabelSet.objects.create(key="off", name="Off", is_enabled=False)

    def names(site_id: int, language: str) -> list[str]:
        return [one.name for one in label_sets_enabled(site_id=site_id, language=language)]

    assert names(site.pk, "en") == [own.name]
    assert names(other_site.pk, "en") == ["English"]
    assert names(other_site.pk, "zh-hans") == ["Mood"]
    assert label_sets_enabled(site_id=site.pk, language="en", keys=["else"]) == []


def test_words_are_separated_by_commas_of_either_kind() -> None:
    assert words_of("正面，积极, good ,good,") == ("正面", "积极", "good")


def test_the_defaults_are_created_once_and_in_both_languages(db) -> None:
    label_defaults_ensure()
    keys = {(row.key, row.language) for row in LabelSet.objects.all()}
    assert keys == {
        (key, language)
        for key in ("sentiment", "intent", "wants_human")
        for language in ("zh-hans", "en")
    }
    LabelSet.objects.filter(key="intent").delete()
    label_defaults_ensure()
    assert not LabelSet.objects.filter(key="intent").exists()


def test_shipped_sets_have_the_same_labels_in_both_languages() -> None:
    for key in {table["key"] for table in label_tables()}:
        chinese, english = label_default(key, "zh-hans"), label_default(key, "en")
        assert chinese.names == english.names
        for shipped in (chinese, english):
            texts = [example.text for example in shipped.examples]
            assert len(texts) == len(set(texts)) >= 2 * len(shipped.names)


def test_a_prompt_of_a_new_role_needs_no_code(db) -> None:
    template = prompt_template_create(site=None, role="tagline", language="en", name="Taglines")
    assert template.role_label == "tagline"
    with pytest.raises(ValidationError):
        prompt_template_create(site=None, role="two words", language="en", name="x")


def test_staff_try_sentences_and_see_why(mood, without_engines, admin_client: Client) -> None:
    label_examples_import(label_set=mood, data=CSV.encode())
    learn(mood)
    url = reverse("admin:knowledge_labelset_try", args=[mood.pk])
    page = admin_client.post(
        url, {"sentences": "an awful, broken kettle\nqqq"}, headers=ENGLISH
    ).content.decode()
    assert "awful" in page
    assert "Examples that spoke for it" in page
    assert "Unsure" in page
    assert "The model was not asked" in page


def test_staff_import_examples_and_have_them_measured(mood, admin_client: Client) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    url = reverse("admin:knowledge_labelset_import", args=[mood.pk])
    file = SimpleUploadedFile("examples.csv", CSV.encode())
    page = admin_client.post(url, {"file": file}, follow=True, headers=ENGLISH).content.decode()
    assert "16 examples are new" in page
    mood.refresh_from_db()
    assert mood.learning == LabelSet.Learning.WAITING
    admin_client.post(reverse("admin:knowledge_labelset_learn", args=[mood.pk]))


def test_the_pages_of_sets_and_examples_open(mood, admin_client: Client) -> None:
    label_examples_import(label_set=mood, data=CSV.encode())
    for name, args in (
        ("labelset_changelist", []), ("labelset_change", [mood.pk]), ("labelset_add", []),
        ("labelexample_changelist", []), ("labelexample_add", []),
        ("labelexample_change", [LabelExample.objects.first().pk]), ("labelset_try", [mood.pk]),
    ):  # fmt: skip
        assert admin_client.get(reverse(f"admin:knowledge_{name}", args=args)).status_code == 200


REAL = Gain(log_loss=0.2, error=0.02, accuracy=0.1, decisions=0.1, decisions_error=0.02)


@pytest.mark.parametrize(
    ("gain", "cascade", "told"),
    [
        (None, ALWAYS, "The model was not asked, because it was away"),
        (
            replace(REAL, decisions=0.03),
            ALWAYS,
            "could not be told from chance, so it is not asked",
        ),
        (REAL, ALWAYS, "so it is asked of every message"),
        (
            REAL,
            Cascade(cut=0.85, asked=0.31, spoilt=0.0, spoilt_most=0.0075, lost=0.001),
            "less than 85 % sure: of 31 % of the examples. "
            "Because it is not asked of the others, fewer than 0.8 messages in a hundred get a worse label.",
        ),
    ],
)
def test_staff_see_of_which_messages_the_model_is_asked(
    mood, without_engines, admin_client: Client, gain, cascade, told
) -> None:
    label_examples_import(label_set=mood, data=CSV.encode())
    learn(mood)
    stored = LabelFit.objects.get(label_set=mood)
    classifier = classifier_load(bytes(stored.data))
    changed = replace(classifier, fit=replace(classifier.fit, gain=gain, cascade=cascade))
    stored.data, stored.revision = classifier_dump(changed), str(told)[:64]
    stored.save()
    url = reverse("admin:knowledge_labelset_try", args=[mood.pk])
    assert told in admin_client.get(url, headers=ENGLISH).content.decode()


def test_shipped_sets_and_labels_are_called_in_the_readers_language(
    db, admin_client: Client
) -> None:
    label_defaults_ensure()
    url = reverse("admin:knowledge_labelset_changelist")
    page = admin_client.get(url, headers={"accept-language": "zh-hans"}).content.decode()
    assert page.count("意图</a>") == 2  # of the Chinese and of the English set
    assert "意图 · intent" in page  # the filter
    label_set = LabelSet.objects.get(key="sentiment", language="en")
    with translation.override("en"):
        assert str(label_set) == "Sentiment"
    with translation.override("zh-hans"):
        assert str(label_set) == "情绪"
        assert str(label_set.labels.get(name="positive")) == "正面"
        label_set.name = "Mood of the shop"
        assert str(label_set) == "Mood of the shop"


def test_examples_are_filtered_by_set_and_label(db, admin_client: Client) -> None:
    label_defaults_ensure()
    label_set = LabelSet.objects.get(key="sentiment", language="en")
    url = reverse("admin:knowledge_labelexample_changelist")
    response = admin_client.get(
        url, {"label_set__id__exact": label_set.pk, "label": "sentiment.positive"}, headers=ENGLISH
    )
    found = list(response.context["cl"].queryset)
    assert found
    assert {(each.label_set_id, each.label.name) for each in found} == {(label_set.pk, "positive")}


def test_every_shipped_set_and_label_has_a_name_for_people() -> None:
    for table in label_tables():
        assert table["key"] in SET_WORDS
        assert table["name"] in SHIPPED_NAMES
        assert {row["name"] for row in table["labels"]} <= set(LABEL_WORDS[table["key"]])
