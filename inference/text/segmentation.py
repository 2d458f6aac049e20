"""Cutting texts into words and search terms."""

from __future__ import annotations

import re
from functools import lru_cache

import rjieba

from inference.text.normalisation import text_normalise

_HAN_RUN = "[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff々〇]+"
# Numbers keep their decimal point and thousands separators; words keep an inner apostrophe.
_NUMBER = r"\d+(?:[.,]\d+)*"
_WORD = r"[^\W\d_]+(?:'[^\W\d_]+)?"
_TOKEN = re.compile(f"(?P<han>{_HAN_RUN})|(?P<number>{_NUMBER})|(?P<word>{_WORD})")
_HAN = re.compile(_HAN_RUN)


def words_of(text: str) -> list[str]:
    """The words of a text in order, folded by ``text_normalise``, without punctuation.

    Chinese is cut by rjieba; letters and digits that touch are cut apart ("iphone15" gives
    "iphone", "15"); English words keep their ending and apostrophe.

    >>> words_of("7天内可以退貨吗?")
    ['7', '天内', '可以', '退货', '吗']
    """
    words: list[str] = []
    for match in _TOKEN.finditer(_han_apart(text_normalise(text))):
        if match.lastgroup == "han":
            words.extend(rjieba.cut(match.group()))
        else:
            words.append(match.group())
    return words


def terms_of(text: str) -> list[str]:
    """The terms by which a text is found: words and the shorter words inside Chinese ones.

    English words are stemmed lightly and glue words of both languages are left out, unless
    nothing else remains.
    """
    return list(_terms_of(text))


@lru_cache(maxsize=2048)
def _terms_of(text: str) -> tuple[str, ...]:
    terms: list[str] = []
    glue: list[str] = []
    for word in words_of(text):
        if word in STOP_WORDS:
            glue.append(word)
        elif len(word) > 2 and _HAN.fullmatch(word):
            terms.extend(term for term in rjieba.cut_for_search(word) if term not in STOP_WORDS)
        else:
            terms.append(stem_of(word))
    return tuple(terms or glue)


def stem_of(word: str) -> str:
    """An English word without plural and verb endings; other words as they are.

    A cautious stemmer in the manner of Harman's S stemmer (How effective is suffixing?, JASIS
    42(1), 1991), extended by -ed and -ing: it never leaves fewer than three letters.

    >>> [stem_of(word) for word in ("returns", "policies", "shipping", "delivered", "is")]
    ['return', 'policy', 'ship', 'deliver', 'is']
    """
    word = word.removesuffix("'s")
    if len(word) <= 3 or not word.isascii():
        return word
    stem = word
    if stem.endswith("ies") and len(stem) > 4 and not stem.endswith(("eies", "aies")):
        stem = stem[:-3] + "y"
    elif stem.endswith(("sses", "shes", "ches", "xes", "zes")):
        stem = stem[:-2]
    elif stem.endswith("s") and not stem.endswith(("us", "ss", "is")):
        stem = stem[:-1]
    for ending in ("ing", "ed"):
        base = stem.removesuffix(ending)
        if base != stem and len(base) >= 3 and _VOWEL.search(base):
            # "shipping" -> "ship", but "selling" -> "sell" and "missing" -> "miss"
            doubled = base[-1] == base[-2] and base[-1] not in "lsz"
            stem = base[:-1] if doubled else base
            break
    # "charge", "charging" and "charged" meet without the silent e; so do "size" and "sizes".
    return stem[:-1] if len(stem) > 4 and stem.endswith("e") else stem


_VOWEL = re.compile("[aeiouy]")


def _han_apart(text: str) -> str:
    # A word pattern would swallow Han characters that follow Latin letters ("app下载").
    return _HAN.sub(lambda match: f" {match.group()} ", text)


# Words so common that they find nothing. Words a customer's meaning hangs on stay terms: no, not,
# without, before, after, how long, 不, 没, 多久, 多少.
_STOP_WORDS_LIST = """
a am an and are as at be been being but by can could did do does for from had has have he her
hi hello his i i'd i'll i'm i've if in into is it it's its itself just may me might mine must my
of on or our ours please shall she should so some such that that's the their them then there
these they this those to us was we were what what's which will with would you your yours
的 了 吗 呢 吧 啊 呀 哦 嘛 哈 么 我 你 您 他 她 它 我们 你们 咱们 是 在 有 就 也 都 和 与 及 或
把 被 给 对 着 过 得 地 个 这 那 这个 那个 这些 那些 一下 一个 请 请问 想 要 会 能 可以 亲 呗 啦
"""
STOP_WORDS = frozenset(_STOP_WORDS_LIST.split())
