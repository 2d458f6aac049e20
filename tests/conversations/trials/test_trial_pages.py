"""The pages of question sets, trials and the playground, as an administrator uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import AsyncClient, Client
from django.urls import reverse
from django_tasks_db.models import DBTaskResult

from conversations.desk import Desk, desk_install
from conversations.engines import Engines, SiteKnowledge, ladder_make
from conversations.models import Conversation, Message
from conversations.trials.running import trial_slice_run
from knowledge.models import Expectation, PromptVersion, SetQuestion, Trial
from knowledge.services.trials import trial_create
from supportdesk.staff.roles import StaffRole, roles_ensure
from tests.conversations.trials.conftest import Shop
from tests.supportdesk.staff.desk_factory import answer_make, person_make, provenance_make

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(shop: Shop, settings) -> Client:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    roles_ensure()  # a flushed database has lost them
    client = Client(headers={"accept-language": "en"})
    client.force_login(person_make(StaffRole.ADMIN))
    return client


def start(client: Client, shop: Shop, **values: object):
    data = {"question_set": shop.questions.pk, "candidate": shop.draft.pk, "asks_model": "on"}
    return client.post(reverse("admin:knowledge_trial_add"), {**data, **values})


def test_a_draft_that_cannot_be_rendered_is_refused_beside_its_field(alice, shop: Shop) -> None:
    PromptVersion.objects.filter(pk=shop.draft.pk).update(user="{{ question }} {{ nothing")
    answer = start(alice, shop)
    assert answer.status_code == 200
    assert "candidate" in answer.context["form"].errors
    assert not Trial.objects.exists()


def test_a_trial_is_started_stopped_and_goes_on_from_its_page(alice, shop: Shop) -> None:
    assert start(alice, shop).status_code == 302
    trial = Trial.objects.get()
    assert (trial.candidate, trial.state) == (shop.draft, Trial.State.WAITING)
    assert trial.created_by is not None
    tasks = DBTaskResult.objects.filter(task_path__endswith="trial_running")
    assert tasks.count() == 1

    page = reverse("admin:knowledge_trial_change", args=[trial.pk])
    html = alice.get(page).content.decode()
    assert "0 of 4 answers" in html
    step = reverse("admin:knowledge_trial_step", args=[trial.pk])
    alice.post(step, {"step": "cancel"})
    trial.refresh_from_db()
    assert trial.state == Trial.State.CANCELLED
    polled = alice.get(reverse("admin:knowledge_trial_state", args=[trial.pk]))
    assert polled["HX-Refresh"] == "true"
    alice.post(step, {"step": "resume"})
    assert tasks.count() == 2
    assert alice.post(step, {"step": "nonsense"}).status_code == 404

    trial_slice_run(trial_id=trial.pk, pause=0.0, rehearse=shop.rehearse())
    html = alice.get(page).content.decode()
    assert "worse on this set" in html
    assert "Missing: 7天" in html
    assert "With 2 questions the interval is wide" in html
    prompt = reverse("admin:knowledge_prompttemplate_change", args=[shop.template.pk])
    assert 'name="publish_reason"' in alice.get(prompt).content.decode()


def test_what_cannot_be_tried_is_told_beside_the_form(alice, shop: Shop) -> None:
    html = start(alice, shop, candidate="").content.decode()
    assert "Choose a draft, another model or another threshold" in html
    assert start(alice, shop, model="model:unknown").status_code == 200
    assert not Trial.objects.exists()


def test_a_changed_draft_is_not_taken_up_again(alice, shop: Shop) -> None:
    trial = trial_create(question_set=shop.questions, candidate=shop.draft)
    Trial.objects.filter(pk=trial.pk).update(state=Trial.State.FAILED)
    shop.draft.system = "Other."
    shop.draft.save()
    step = reverse("admin:knowledge_trial_step", args=[trial.pk])
    html = alice.post(step, {"step": "resume"}, follow=True).content.decode()
    assert "start a new trial" in html


def test_questions_are_chosen_from_what_customers_asked(alice, shop: Shop) -> None:
    answered = answer_make(shop.site, question="衣服可以退吗？", text="7天内可以退。")
    provenance_make(answered, entry=shop.returns)
    unanswered = answer_make(
        shop.site, question="有实体店吗？", tier="fallback", reason="not_in_knowledge"
    )
    provenance_make(unanswered).passages.all().delete()
    disliked = answer_make(shop.site, question="退货要钱吗？", thumb=False)
    provenance_make(disliked, entry=shop.returns)
    fill = reverse("admin:knowledge_questionset_fill", args=[shop.questions.pk])
    html = alice.get(fill).content.decode()
    assert "衣服可以退吗？" in html
    assert "退货政策是什么？" in html
    keys = [f"m{answer.reply_to_id}" for answer in (answered, unanswered, disliked)]
    assert alice.post(fill, {"chosen": keys}).status_code == 302
    first = SetQuestion.objects.get(text="衣服可以退吗？")
    assert list(first.entries.all()) == [shop.returns]
    second = SetQuestion.objects.get(text="有实体店吗？")
    assert second.expectation == Expectation.UNANSWERED
    third = SetQuestion.objects.get(text="退货要钱吗？")
    assert not third.entries.exists(), "a bad answer does not tell what is expected"
    assert "衣服可以退吗？</label>" not in alice.get(fill).content.decode()


def test_a_file_of_questions_is_read_and_its_errors_are_told(alice, shop: Shop) -> None:
    fill = reverse("admin:knowledge_questionset_fill", args=[shop.questions.pk])
    data = "question,expectation\n能开发票吗？,answered\n在哪？,maybe\n".encode()
    html = alice.post(
        fill, {"file": SimpleUploadedFile("q.csv", data)}, follow=True
    ).content.decode()
    assert "1 questions were added." in html
    assert "Line 3:" in html
    csv = alice.get(reverse("admin:knowledge_questionset_csv", args=[shop.questions.pk]))
    assert "能开发票吗？" in csv.content.decode()


@pytest.fixture
def desk(shop: Shop) -> Iterator[None]:
    """A desk whose settings name no engine."""
    knowledge = SiteKnowledge(None)
    ladder = ladder_make(chat=shop.chat, knowledge=knowledge)
    desk_install(Desk(engines=Engines(ladder=ladder, chat=shop.chat, knowledge=knowledge)))
    yield
    desk_install(None)


def play(shop: Shop, **values: object) -> dict[str, object]:
    return {
        "left": shop.published.pk, "right": shop.draft.pk, "site": shop.site.pk,
        "text": "退货政策是什么？", "asks_model": "on", "max_tokens": 160, "temperature": 0,
        "top_p": 1, "repetition_penalty": 1, "left_history": "[]", "right_history": "[]", **values,
    }  # fmt: skip


def test_the_playground_offers_questions_and_both_versions(alice, shop: Shop) -> None:
    answer_make(shop.site, question="七天能退吗？")
    address = reverse("admin:knowledge_prompttemplate_playground", args=[shop.template.pk])
    html = alice.get(address).content.decode()
    assert "七天能退吗？" in html
    assert "你们卖大象吗？" in html
    assert html.count("<option") >= 5


@pytest.mark.parametrize(
    "wrong", [{"temperature": 3}, {"text": ""}, {"left": 0}, {"max_tokens": 99999}]
)
def test_what_the_playground_cannot_ask_is_told(alice, shop: Shop, wrong) -> None:
    address = reverse("admin:knowledge_prompttemplate_playground_run", args=[shop.template.pk])
    told = alice.post(address, play(shop, **wrong)).json()
    assert told["type"] == "error"
    assert told["text"]


async def test_a_desk_without_an_engine_says_so_in_the_stream(alice, shop: Shop, desk) -> None:
    client = AsyncClient()
    client.cookies = alice.cookies
    address = reverse("admin:knowledge_prompttemplate_playground_run", args=[shop.template.pk])
    # The asynchronous client keeps no headers from request to request.
    response = await client.post(address, play(shop), headers={"accept-language": "en"})
    lines = [json.loads(line) async for line in response]
    assert [line["type"] for line in lines] == ["error", "end"]
    assert "not running" in lines[0]["text"]
    assert shop.chat.requests == []


def test_an_operator_may_not_play_and_nothing_is_stored(shop: Shop, alice) -> None:
    client = Client()
    client.force_login(person_make(StaffRole.OPERATOR))
    address = reverse("admin:knowledge_prompttemplate_playground_run", args=[shop.template.pk])
    assert client.post(address, play(shop)).status_code == 403
    assert not Message.objects.exists()
    assert not Conversation.objects.exists()
