"""Who is denied what: ``可以退`` against ``不可退``, ``can`` against ``cannot``."""

from __future__ import annotations

import re

from inference.support.passages import ReadPart
from inference.support.terms import Term, terms_of

# Words that hold a negating character without denying anything.
_HARMLESS = re.compile(
    r"无理由|无条件|无忧|无线|无论|不仅|不但|不同|不少|不管|不过|不断|不错|不足|不久|不良|不满|不合适|不合身|不喜欢|不想要|"
    r"不适合|不限|差不多|不好意思|没问题|没关系|非常|未来|无缝|无损|别人|特别|分别|区别|类别|级别|性别|是否|能否|可否|"
    r"会不会|能不能|可不可以|有没有|是不是|要不要|"
    r"\bnot only\b|\bno problem\b|\bno worries\b|\bno matter\b|\bno later than\b|\bnot later than\b|\bwhy not\b",
    re.I,
)
_NEGATION = re.compile(
    r"不|没有?|无法|无需|无|未|勿|禁止|谢绝|拒绝|恕|停止|非(?=[本官人])|除外"
    r"|\b(?:not|no|never|cannot|can't|won't|don't|doesn't|didn't|isn't|aren't|wasn't|weren't|unable|"
    r"hasn't|haven't|hadn't|couldn't|wouldn't|shouldn't|mustn't|without|neither|nor|none|excluded|refused?|declined?|"
    r"prohibited|forbidden)\b|\bnon-",
    re.I,
)
_PREFIXED = re.compile(r"\bun(?=(?:available|supported|able|eligible)\b)", re.I)
# Pairs where the second is the denial of the first without a negating word.
_BEARS = r"(?:承担|支付|负责|出|付)"
_ANTONYMS = (
    (
        re.compile(
            rf"(?:商家|卖家|店铺|平台|我们|本店|店家|我方).{{0,6}}{_BEARS}"
            r"|\b(?:paid|covered|borne) by (?:the |our )?(?:shop|seller|store|merchant|us|company)\b"
            r"|\b(?:we|shop|seller|store|merchant) (?:will )?(?:pay|cover|bear)s?\b",
            re.I,
        ),
        re.compile(
            rf"(?:买家|顾客|客户|用户|消费者|您|你|自行|自己).{{0,6}}{_BEARS}"
            r"|\b(?:paid|covered|borne) by (?:the |our )?(?:customer|buyer|you|client)\b"
            r"|\b(?:you|customer|buyer)s? (?:must |have to |need to |will |should )?(?:pay|cover|bear)s?\b"
            r"|\bat (?:your|the (?:customer|buyer)'s) (?:own )?(?:cost|expense)\b",
            re.I,
        ),
    ),
    (
        re.compile(r"免费|包邮|免运费|免邮|\bfree\b(?! to)", re.I),
        re.compile(
            r"收费|自付|自理|另付|收取.{0,4}\d|需支付|\bcharged?\b|\bpaid by\b|\bcosts? (?:[$€£¥]|\d)",
            re.I,
        ),
    ),
    (
        re.compile(r"包含|含(?!有害)|\bincluded?s?\b|\bincluding\b", re.I),
        re.compile(r"不含|不包括|\bexcludes?\b|\bexcluded\b|\bexcluding\b", re.I),
    ),
    (
        re.compile(r"\b(?:used|worn|opened)\b", re.I),
        re.compile(r"\bun(?:used|worn|opened)\b", re.I),
    ),
    (re.compile(r"之前|以前|\bbefore\b", re.I), re.compile(r"之后|以后|\bafter\b", re.I)),
    (
        re.compile(r"增加|上涨|增长|\bincreased?\b|\brose\b", re.I),
        re.compile(r"减少|下降|下跌|\bdecreased?\b|\bfell\b|\bdeclined\b", re.I),
    ),
)
YES = re.compile(
    r"^\W*(?:可以的?|能的?|支持的?|有的?|是的|对的?|会的?|没错|当然(?:可以)?|yes|yeah|yep|sure|of course|certainly|you can|absolutely)"
    r"(?=\W|$|您|，)",
    re.I,
)
NO = re.compile(
    r"^\W*(?:不可以|不能|不行|不支持|没有|不是|不会|抱歉，?不|不好意思，?不|no\b|nope|unfortunately|you can(?:not|'t))",
    re.I,
)


def negations_masked(text: str) -> str:
    """``text`` with the harmless negating words blanked (same length)."""
    return _HARMLESS.sub(lambda m: "＿" * len(m[0]), text)


def is_negated(text: str) -> bool:
    """Whether a clause denies something (an odd number of denials)."""
    masked = _PREFIXED.sub("not ", negations_masked(text))
    hits = _NEGATION.findall(masked)
    return len(hits) % 2 == 1


def antonyms_clash(mine: str, theirs: str) -> bool:
    """Whether two clauses hold opposite words of a pair, each only one of them."""
    for first, second in _ANTONYMS:
        mine_second, theirs_second = bool(second.search(mine)), bool(second.search(theirs))
        mine_first = bool(first.search(mine)) and not mine_second
        theirs_first = bool(first.search(theirs)) and not theirs_second
        if (mine_first and theirs_second) or (mine_second and theirs_first):
            return True
    return False


def _shared(terms: tuple[Term, ...], part: ReadPart) -> float:
    return sum(t.weight * part.source.coverage(t.key) for t in terms)


def polarity_flipped(clause: str, parts: tuple[ReadPart, ...], language: str) -> bool:
    """Whether ``clause`` denies what the passage grants, or grants what it denies.

    The clause is compared with the passage's parts that share most of its words; it is flipped when
    none of those agrees. Parts that share little say nothing about it.
    """
    terms = terms_of(clause, language)
    if not terms:
        return False
    shared = [(_shared(terms, part), part) for part in parts]
    most = max((s for s, _ in shared), default=0.0)
    if most < 0.4 * sum(t.weight for t in terms):
        return False
    nearest = [part for s, part in shared if s >= 0.8 * most]
    negated = is_negated(clause)
    return all(
        is_negated(part.text) != negated or antonyms_clash(clause, part.text) for part in nearest
    )


def plain_answer(clause: str) -> bool | None:
    """True for a leading yes (``可以的``, ``Yes``), False for a no, None for neither."""
    if NO.search(clause):
        return False
    if YES.search(clause):
        return True
    return None
