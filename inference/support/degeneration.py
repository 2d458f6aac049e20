"""Output that is broken before its content matters: loops, leaked templates, the wrong language."""

from __future__ import annotations

import re
from collections import Counter

_TEMPLATE = re.compile(
    r"<\|[^|>]{0,40}\|?>?|\[/?INST\]|</?(?:s|think|tool_call|tool_response|system|assistant|user)>|<<SYS>>|\{\{|\}\}|\{%|%\}"
    r"|^\s*(?:system|assistant|user|human|ai)\s*[:：]|(?:^|\n)\s*(?:系统|助手|用户|客户)\s*[:：]",
    re.I,
)
_LEAK = re.compile(
    r"(?:my|these|the|following) (?:system )?(?:instructions|prompt)\b|system prompt|as an ai (?:language )?model|according to my instructions"
    r"|i (?:was|am|have been) (?:told|instructed) to|openai|alibaba|\bqwen\b|language model"
    r"|系统提示|提示词|我的指令|根据(?:我的)?指令|作为(?:一个|一名)?(?:AI|人工智能)(?:语言)?模型|语言模型|通义千问|阿里云|通义",
    re.I,
)
# A machine that says so has been talked into it; no passage speaks in its name.
_PERSON = re.compile(
    r"\bi(?:['’]m| am) (?:an? )?(?:real |actual |live )?(?:human(?: being)?|person)\b"
    r"|我(?:就|也)?是(?:一[个名位])?(?:真人|人类|活人|人工)",
    re.I,
)
_HAN = re.compile(r"[㐀-鿿]")
_KANA_OR_HANGUL = re.compile(r"[぀-ヿ가-힯]")
_LATIN_WORD = re.compile(r"[A-Za-z]{2,}")
_OTHER_SCRIPT = re.compile(r"[Ѐ-ӿ؀-ۿ฀-๿]")


def has_template_tokens(text: str) -> bool:
    """Control tokens of a chat template, role labels or unrendered template marks."""
    return bool(_TEMPLATE.search(text)) or "\ufffd" in text


def leaks_prompt(text: str, sources: str) -> bool:
    """Speaks of its instructions or of the model behind it, unless ``sources`` speak of them; or
    says that it is a person."""
    return bool(_PERSON.search(text)) or any(
        match[0].lower() not in sources.lower() for match in _LEAK.finditer(text)
    )


def is_loop(text: str) -> bool:
    """The same piece again and again: thrice the same sentence, or a short piece five times."""
    compact = re.sub(r"\s+", " ", text).strip()
    if re.search(r"(.{1,4}?)\1{7,}", re.sub(r"[\s.\-=_*#|]+", "", compact)):
        return True
    if re.search(r"(.{5,60}?)\1{2,}|([^\d\s]{3,4}?)\2{3,}", compact):
        return True
    pieces = [p.strip() for p in re.split(r"[。！？!?\n；;]|\.\s", compact) if len(p.strip()) >= 4]
    return bool(pieces) and max(Counter(pieces).values()) >= 3


def is_wrong_language(text: str, language: str) -> bool:
    """Mostly in another language than asked for; names and numbers do not count."""
    if _KANA_OR_HANGUL.search(text) or _OTHER_SCRIPT.search(text):
        return True
    han, latin = len(_HAN.findall(text)), len(_LATIN_WORD.findall(text))
    if language == "en":
        return han > latin
    return latin >= 6 and latin > han
