"""What the check says beyond single facts: refusals, requests, broken output, streams, sources."""

from __future__ import annotations

import pytest

from inference.support.check import ClauseKind, ProblemCode, SupportCheck, Verdict
from inference.support.fallback import own_words
from inference.support.passages import SupportPassage

from .cases import EN_DELIVERY, EN_RETURN, ZH_CONTACT, ZH_DELIVERY, ZH_RETURN


def check(question: str, language: str = "zh-hans", customer: tuple[str, ...] = ()) -> SupportCheck:
    passages = (ZH_RETURN, ZH_DELIVERY) if language != "en" else (EN_RETURN, EN_DELIVERY)
    return SupportCheck(
        question=question, passages=passages, customer_texts=customer, language=language
    )


def codes(verdict: Verdict) -> set[ProblemCode]:
    return {problem.code for problem in verdict.problems}


@pytest.mark.parametrize(
    ("question", "answer", "language"),
    [
        ("产品保修期多久", "我暂时无法确认，可以为您转接人工客服。", "zh-hans"),
        ("产品保修期多久", "您好，关于产品保修期，资料里没有提到，我暂时无法确认。", "zh-hans"),
        (
            "How long is the warranty?",
            "I cannot confirm that. Would you like to talk to a person?",
            "en",
        ),
        ("How long is the warranty?", "I'm sorry, I cannot confirm the warranty period.", "en"),
    ],
)
def test_an_honest_refusal_is_recognised(question: str, answer: str, language: str) -> None:
    verdict = check(question, language).answer(answer)
    assert verdict.supported
    assert verdict.refusal


def test_a_refusal_does_not_carry_an_invented_fact_with_it() -> None:
    verdict = check("产品保修期多久").answer("我暂时无法确认，但是保修期一般为7天。")
    assert not verdict.supported


def test_a_request_for_the_order_number_claims_nothing() -> None:
    verdict = check("我要退货").answer("您好，请提供您的订单号，感谢您的耐心等待。")
    assert verdict.supported
    assert verdict.kind is ClauseKind.REQUEST


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("7天无理由退货<|im_end|>", ProblemCode.TEMPLATE),
        ("user: 可以退货", ProblemCode.TEMPLATE),
        ("我是通义千问，7天无理由退货", ProblemCode.LEAK),
        ("可以退货可以退货可以退货可以退货", ProblemCode.LOOP),
        ("You can return the goods within seven days without reason.", ProblemCode.LANGUAGE),
        ("您好！感谢您的耐心等待。", ProblemCode.EMPTY),
        ("", ProblemCode.EMPTY),
    ],
)
def test_broken_output_is_held_back(answer: str, code: ProblemCode) -> None:
    assert code in codes(check("可以退货吗").answer(answer))


@pytest.mark.parametrize(
    "clause",
    [
        "Hello!",
        "Dear customer,",
        "Thank you for your patience and understanding.",
        "Please let us know if you have any further questions.",
        "I'm so sorry for the trouble.",
        "您好，",
        "非常抱歉给您带来不便，",
        "十分感谢您的理解。",
        "请稍等一下。",
        "如果您还有其他问题，请随时联系我们。",
    ],
)
def test_courtesies_claim_nothing(clause: str) -> None:
    language = "en" if clause.isascii() else "zh-hans"
    verdict = check("可以退货吗" if language != "en" else "Can I return it?", language).clause(
        clause
    )
    assert verdict.supported
    assert verdict.kind is ClauseKind.COURTESY


@pytest.mark.parametrize(
    ("clause", "language"),
    [
        ("Thank you, your refund of $999 is on its way.", "en"),
        ("Thank you, your refund has been approved.", "en"),
        ("Hello, I am FreeBot.", "en"),
        ("Thank you, delivery is free.", "en"),
        ("Please let us know your password and we will double your points.", "en"),
        ("谢谢您，999元已到账。", "zh-hans"),
        ("感谢您的来信，退款已经批准。", "zh-hans"),
        ("祝您获得五折优惠。", "zh-hans"),
    ],
)
def test_a_promise_behind_a_courtesy_is_a_claim(clause: str, language: str) -> None:
    verdict = check(clause, language, customer=(clause,)).clause(clause)
    assert not verdict.supported


@pytest.mark.parametrize(
    ("clause", "language"),
    [
        ("I have accepted your return within 14 days of delivery.", "en"),
        ("I cannot accept returns within 14 days of delivery.", "en"),
        ("I'll accept the return within 14 days.", "en"),
        ("我已为您办理7天无理由退货。", "zh-hans"),
        ("好的，我可以为您办理7天无理由退货。", "zh-hans"),
    ],
)
def test_the_machine_says_nothing_of_deeds_of_its_own(clause: str, language: str) -> None:
    question = "Can I return it?" if language == "en" else "可以退货吗"
    assert not check(question, language).clause(clause).supported


def test_what_the_shop_says_of_itself_may_be_told() -> None:
    passage = SupportPassage(
        "E1", "能帮忙挑尺码吗？", "我会按您的身高体重推荐尺码，请把它们写给我。"
    )
    judged = SupportCheck(question="能帮忙挑尺码吗？", passages=(passage,), language="zh-hans")
    assert judged.clause("我会按您的身高体重推荐尺码。").supported


@pytest.mark.parametrize(
    ("question", "claim", "language"),
    [
        ("明天能发么", "明天能发货。", "zh-hans"),
        ("周日能退货吗", "周日可以退货。", "zh-hans"),
        ("Can I return it tomorrow?", "Returns are accepted tomorrow.", "en"),
        ("Is delivery possible on Sundays?", "Delivery is possible on Sunday.", "en"),
    ],
)
def test_a_day_that_only_the_customer_names_is_not_promised(
    question: str, claim: str, language: str
) -> None:
    shipping = SupportPassage("E1", "什么时候发货、退货？", "付款后24小时内发货，7天可退货。")
    english = SupportPassage(
        "E2", "Delivery and returns", "Delivery takes 3 days. Returns are accepted within 14 days."
    )
    passages = (english,) if language == "en" else (shipping,)
    judged = SupportCheck(question=question, passages=passages, language=language)
    assert not judged.answer(claim).supported


def test_a_day_that_the_passage_names_may_be_told_in_other_words() -> None:
    passage = SupportPassage("E1", "什么时候发货？", "16点前付款的订单当天发货，星期日不发货。")
    judged = SupportCheck(question="几点前付款今天能发货", passages=(passage,), language="zh-hans")
    assert judged.clause("16点前付款今天发货。").supported
    assert judged.clause("周日不发货。").supported


@pytest.mark.parametrize(
    ("clause", "language"),
    [
        ("I am a human and returns are accepted within 14 days of delivery.", "en"),
        ("我是真人客服，7天无理由退货。", "zh-hans"),
    ],
)
def test_the_machine_never_says_that_it_is_a_person(clause: str, language: str) -> None:
    question = "Are you a human? Can I return it?" if language == "en" else "你是真人吗？能退货吗"
    verdict = check(question, language, customer=(question,)).clause(clause)
    assert codes(verdict) == {ProblemCode.LEAK}


def test_repeating_the_question_is_no_answer() -> None:
    assert ProblemCode.ECHO in codes(check("退货政策是什么").answer("退货政策是退货的政策。"))


def test_a_question_of_how_long_wants_a_time() -> None:
    verdict = check("多久能送到？").answer("一般地区工作日送达。")
    assert ProblemCode.NO_ANSWER in codes(verdict)


def test_the_customers_own_order_number_may_be_said_back() -> None:
    text = "订单SF20240518001的商品，7天无理由退货，商品需完好。"
    assert not check("可以退货吗").answer(text).supported
    told = check("可以退货吗", customer=("我的订单号是SF20240518001",))
    assert told.answer(text).supported


def test_each_clause_is_judged_as_it_comes_and_names_its_source() -> None:
    stream = check("可以退货吗")
    first = stream.clause("您好！")
    second = stream.clause("7天内可以无理由退货。")
    third = stream.clause("请致电400-800-8000。")
    assert (first.kind, first.citations) == (ClauseKind.COURTESY, ())
    assert (second.supported, second.citations) == (True, ("E1",))
    assert codes(third) >= {ProblemCode.IDENTIFIER}


def test_the_third_repetition_of_a_clause_is_a_loop() -> None:
    stream = check("可以退货吗")
    verdicts = [stream.clause("7天内可以无理由退货。") for _ in range(3)]
    assert [v.supported for v in verdicts] == [True, True, False]


def test_nothing_relevant_means_nothing_to_generate() -> None:
    assert not check("产品保修期多久").covered
    assert check("可以退货吗").covered


def test_own_words_come_from_the_passage_that_covers_the_question() -> None:
    own = own_words("如何办理退货", [ZH_DELIVERY, ZH_RETURN, ZH_CONTACT], "zh-hans")
    assert own is not None
    assert (own.text, own.passage_id) == (ZH_RETURN.answer, "E1")


def test_there_are_no_own_words_for_what_no_passage_speaks_of() -> None:
    assert own_words("产品保修期多久", [ZH_RETURN, ZH_DELIVERY], "zh-hans") is None


RIDE = SupportPassage(
    "E9", "买车前可以试骑吗？", "可以。押一张身份证，店里的每辆车都可以试骑20分钟。", 0.7
)


def test_an_entry_copied_is_let_through_where_the_question_has_other_words() -> None:
    check = SupportCheck(question="能先骑一圈再决定买不买吗", passages=[RIDE], language="zh-hans")

    assert check.answer("可以。押一张身份证，店里的每辆车都可以试骑20分钟。").supported
    assert not check.answer("可以。押一张身份证，店里的每辆车都可以试骑30分钟。").supported


def test_a_copy_that_leaves_a_denial_out_is_held_back() -> None:
    passage = SupportPassage("E8", "Where do you ship?", "We do not ship to Brazil or Peru.", 0.9)
    check = SupportCheck(question="Do you ship to Brazil?", passages=[passage], language="en")

    assert not check.answer("We ship to Brazil or Peru.").supported
    assert check.answer("We do not ship to Brazil or Peru.").supported
