"""Signed identities: which key proves what, and that a token works in one browser only."""

from __future__ import annotations

import hmac
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from django.core.exceptions import ValidationError

from conversations.errors import Forbidden
from conversations.models import IdentityUse, Visitor
from conversations.selectors import turn_facts
from conversations.services.identities import Identity, identity_verify
from conversations.services.messages import message_receive
from conversations.services.sessions import OpenedSession, session_open
from knowledge.models import Audience, Site
from tests.conversations.conftest import ORIGIN, Customer

SECRET = "s" * 40


def public_pem(private: Any) -> str:
    pem: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def token(
    site: Site, key: Any, *, algorithm: str = "ES256", kid: str = "current", **claims: Any
) -> str:
    payload = {"sub": "customer-7", "aud": site.key, "exp": int(time.time()) + 300, **claims}
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid})


def opened(
    site: Site, *, jti: str, resume_token: str = "", sub: str = "customer-7"
) -> OpenedSession:
    identity = Identity(sub, "Alice", "", datetime.now(UTC) + timedelta(minutes=5), jti)
    return session_open(site=site, origin=ORIGIN, resume_token=resume_token, identity=identity)


def test_a_shop_may_keep_its_key_to_itself(alice: Customer) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    alice.site.identity_secret = public_pem(private)

    identity = identity_verify(site=alice.site, token=token(alice.site, private, region="上海"))

    assert (identity.external_id, identity.region) == ("customer-7", "上海")


def test_both_kinds_of_key_are_good_while_one_replaces_the_other(alice: Customer) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    alice.site.identity_secret = public_pem(private)
    alice.site.identity_secret_previous = SECRET
    old = token(alice.site, SECRET, algorithm="HS256", kid="previous")

    assert identity_verify(site=alice.site, token=token(alice.site, private))
    assert identity_verify(site=alice.site, token=old)


def test_a_public_key_is_no_secret_to_sign_with(alice: Customer) -> None:
    pem = public_pem(ec.generate_private_key(ec.SECP256R1()))
    alice.site.identity_secret = pem
    # PyJWT itself refuses to sign so; whoever forges a token does not ask it.
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","kid":"current"}')
    body = jwt.utils.base64url_encode(
        b'{"sub":"7","aud":"%s","exp":%d}' % (alice.site.key.encode(), time.time() + 60)
    )
    signature = hmac.digest(pem.strip().encode(), header + b"." + body, "sha256")
    forged = b".".join([header, body, jwt.utils.base64url_encode(signature)]).decode()

    with pytest.raises(Forbidden):
        identity_verify(site=alice.site, token=forged)


def test_another_pairs_token_is_refused(alice: Customer) -> None:
    alice.site.identity_secret = public_pem(ec.generate_private_key(ec.SECP256R1()))

    with pytest.raises(Forbidden):
        identity_verify(
            site=alice.site, token=token(alice.site, ec.generate_private_key(ec.SECP256R1()))
        )


@pytest.mark.parametrize(
    "key",
    [
        "too short",
        public_pem(ec.generate_private_key(ec.SECP384R1())),
        public_pem(rsa.generate_private_key(65537, 2048)),
        "-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----",
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        .decode(),
    ],
    ids=["short secret", "other curve", "RSA", "no key", "private key"],
)
def test_what_proves_nothing_is_refused_as_a_key(alice: Customer, key: str) -> None:
    alice.site.identity_secret = key

    with pytest.raises(ValidationError) as refusal:
        alice.site.full_clean()

    assert list(refusal.value.message_dict) == ["identity_secret"]


@pytest.mark.parametrize("key", [SECRET, public_pem(ec.generate_private_key(ec.SECP256R1())), ""])
def test_a_secret_a_public_key_and_none_are_taken(alice: Customer, key: str) -> None:
    alice.site.identity_secret = key

    alice.site.full_clean()


def test_a_token_that_was_stolen_opens_nothing_in_another_browser(alice: Customer) -> None:
    opened(alice.site, jti="token-1")

    with pytest.raises(Forbidden):
        opened(alice.site, jti="token-1")

    thief = session_open(site=alice.site, origin=ORIGIN)  # a stranger's browser has a token too
    with pytest.raises(Forbidden):
        opened(alice.site, jti="token-1", resume_token=thief.resume_token)


def test_the_browser_that_used_it_first_may_open_its_session_again(alice: Customer) -> None:
    first = opened(alice.site, jti="token-1")

    again = opened(alice.site, jti="token-1", resume_token=first.resume_token)

    assert again.visitor_id == first.visitor_id


def test_a_new_token_and_one_without_a_number_are_good_anywhere(alice: Customer) -> None:
    first = opened(alice.site, jti="token-1")

    assert opened(alice.site, jti="token-2").visitor_id == first.visitor_id
    for _ in range(2):
        assert opened(alice.site, jti="").visitor_id == first.visitor_id


def test_two_shops_may_give_out_the_same_number(alice: Customer, charlie: Customer) -> None:
    opened(alice.site, jti="1")

    assert opened(charlie.site, jti="1")


def test_what_has_expired_is_forgotten(alice: Customer) -> None:
    opened(alice.site, jti="token-1")
    IdentityUse.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    opened(alice.site, jti="token-2")

    assert IdentityUse.objects.count() == 1
    assert Visitor.objects.exclude(external_id="").count() == 1


def test_the_groups_of_the_newest_token_and_no_others_open_audiences(alice: Customer) -> None:
    trade = Audience.objects.create(site=alice.site, name="Trade", groups="trade\nwholesale")
    alice.site.identity_secret = SECRET

    def audiences(**claims: object) -> frozenset[int]:
        signed = token(alice.site, SECRET, algorithm="HS256", **claims)
        session = session_open(
            site=alice.site,
            origin=ORIGIN,
            identity=identity_verify(site=alice.site, token=signed),
        )
        receipt = message_receive(
            conversation_id=session.conversation_id,
            client_message_id=uuid.uuid4(),
            text="What does it cost?",
        )
        return turn_facts(turn_id=receipt.turn_id).audiences

    assert audiences(groups=["wholesale", "press"]) == {trade.pk}
    assert audiences(groups=["press"]) == frozenset()
    assert audiences(groups=["trade"]) == {trade.pk}
    assert audiences() == frozenset()


def test_a_visitor_without_an_identity_belongs_to_no_audience(alice: Customer) -> None:
    Audience.objects.create(site=alice.site, name="Known")
    alice.visitor.groups = ["trade"]
    alice.visitor.save()

    assert turn_facts(turn_id=alice.send("你好").turn_id).audiences == frozenset()


@pytest.mark.parametrize(
    "groups", ["trade", {"trade": 1}, [1], ["x" * 61], ["a\nb"], ["g"] * 51], ids=str
)
def test_groups_that_are_no_short_list_of_names_are_refused(alice: Customer, groups: Any) -> None:
    alice.site.identity_secret = SECRET
    with pytest.raises(Forbidden):
        identity_verify(
            site=alice.site, token=token(alice.site, SECRET, algorithm="HS256", groups=groups)
        )
