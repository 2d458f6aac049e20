"""Several processes on one PostgreSQL: each turn is claimed once, each message stored once."""

from __future__ import annotations

import uuid

import pytest
from django.db import connection

from conversations.enums import Outcome, TurnState
from conversations.lanes import READS
from conversations.models import Conversation, Message, Turn
from conversations.selectors import database_check
from conversations.services.sessions import session_open
from conversations.services.turns import Reply, turn_claim, turn_finish
from knowledge.models import Site
from tests.conversations.conftest import ORIGIN, customer_make
from tests.faults.invariants import violations
from tests.postgresql.conftest import printed

CLAIM = """
from conversations.services.turns import turn_claim
sys.stdin.readline()
claimed = []
while turn := turn_claim():
    claimed.append([turn.id, turn.fence])
print(json.dumps(claimed))
"""
SEND = """
import uuid
from conversations.services.messages import message_receive
sys.stdin.readline()
print(json.dumps([
    message_receive(
        conversation_id=uuid.UUID(argument["conversation"]),
        client_message_id=uuid.UUID(each), text="7天内可以退货吗?",
    ).seq
    for each in argument["ids"]
]))
"""
OPEN = """
from conversations.services.sessions import session_open
from knowledge.models import Site
site = Site.objects.get(pk=argument["site"])
sys.stdin.readline()
opened = session_open(site=site, origin=argument["origin"], resume_token=argument["token"])
print(json.dumps(str(opened.conversation_id)))
"""


def together(processes) -> list:
    """Let processes go that wait for a line, and read what they print."""
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [printed(process) for process in processes]


def test_two_processes_claim_each_turn_once(process_start) -> None:
    customers = [customer_make(name=f"Shop {n}") for n in range(30)]
    turns = {customer.send("你好").turn_id for customer in customers}

    claims = together([process_start(CLAIM), process_start(CLAIM)])

    claimed = [turn for each in claims for turn in each]
    assert sorted(turn for turn, _ in claimed) == sorted(turns)
    assert {fence for _, fence in claimed} == {1}
    assert not Turn.objects.exclude(state=TurnState.RUNNING).exists()


def test_a_message_that_two_processes_get_at_once_is_stored_once(process_start) -> None:
    alice = customer_make(name="Bob's shop")
    ids = [str(uuid.uuid4()) for _ in range(15)]
    argument = {"conversation": str(alice.conversation.pk), "ids": ids}

    seqs = together([process_start(SEND, argument), process_start(SEND, argument)])

    assert seqs[0] == seqs[1]
    assert Message.objects.filter(role="customer").count() == len(ids)
    assert violations(settled=False) == []


def test_two_pages_that_open_at_once_share_a_conversation(process_start) -> None:
    site = Site.objects.create(name="Bob's shop", allowed_origins=ORIGIN, language="zh-hans")
    opened = session_open(site=site, origin=ORIGIN)
    Conversation.objects.all().delete()
    argument = {"site": site.pk, "origin": ORIGIN, "token": opened.resume_token}

    found = together([process_start(OPEN, argument), process_start(OPEN, argument)])

    assert found[0] == found[1]
    assert Conversation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_runner_whose_fence_moved_on_writes_nothing() -> None:
    alice = customer_make(name="Bob's shop")
    alice.send("你好")
    late = turn_claim()
    Turn.objects.update(lease_until=Turn.objects.get().created_at)  # its lease ran out
    second = turn_claim()
    reply = Reply(
        outcome=Outcome.ANSWER, text="早", tier="apology", reason=None, language="zh-hans"
    )

    assert turn_finish(turn_id=late.id, fence=late.fence, reply=reply) is None
    assert turn_finish(turn_id=second.id, fence=second.fence, reply=reply) is not None
    assert violations() == []


@pytest.mark.django_db(transaction=True)
async def test_a_restarted_server_is_found_again_without_an_error(server) -> None:
    await READS.run(database_check)
    server.control("restart", "-m", "immediate", "-l", str(server.folder / "log"))
    await READS.run(database_check)


@pytest.mark.django_db
def test_commits_wait_for_the_disk_and_locks_have_an_end() -> None:
    with connection.cursor() as cursor:
        shown = {}
        for name in ("synchronous_commit", "lock_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SHOW {name}")
            shown[name] = cursor.fetchone()[0]
    assert shown == {
        "synchronous_commit": "on",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "1min",
    }
