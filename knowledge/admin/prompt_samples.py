"""What a preview puts in for the variables of a prompt."""

from __future__ import annotations

from django.utils import timezone

from knowledge.models import Entry, Language, PromptTemplate
from knowledge.retrieval.keywords import search_terms

SAMPLE_PASSAGES = 2
SEARCHED_MOST = 500
"""Entries, the newest, among which passages are looked for; a preview is redrawn as one types."""
SAMPLES = {
    Language.ZH_HANS.value: {
        "passages": [
            ("退货政策是什么？", "签收后7天内，商品完好可以退货。"),
            ("一般多久送到？", "一般地区3至5个工作日送达。"),
        ],
        "history": [("有哪些支付方式？", "您好，支持微信支付、支付宝和银行卡。")],
    },
    Language.EN.value: {
        "passages": [
            ("What is the return policy?", "Unused goods can be returned within 7 days."),
            ("How long does delivery take?", "Delivery usually takes 3 to 5 working days."),
        ],
        "history": [("How can I pay?", "You can pay by card, Alipay or WeChat Pay.")],
    },
}


def sample_variables(
    *, template: PromptTemplate, question: str, shop_name: str, user_region: str
) -> dict[str, object]:
    """All variables of a prompt; the passages are entries that share most words with the question."""
    samples = SAMPLES[template.language]
    pairs = _passages(template, question) or samples["passages"]
    return {
        "question": question,
        "shop_name": shop_name,
        "user_region": user_region,
        "current_time": timezone.localtime().strftime("%Y-%m-%d %H:%M"),
        "passages": [
            {"id": f"E{number}", "question": asked, "answer": answer}
            for number, (asked, answer) in enumerate(pairs, start=1)
        ],
        "history": [
            {"role": role, "text": text}
            for pair in samples["history"]
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ],
    }


def _passages(template: PromptTemplate, question: str) -> list[tuple[str, str]]:
    """Questions and answers of the template's site, or of all: a look at the prompt, no search."""
    entries = Entry.objects.filter(status=Entry.Status.PUBLISHED, language=template.language)
    if template.site_id:
        entries = entries.filter(site_id=template.site_id)
    newest = list(entries.order_by("-updated_at").values_list("question", "answer")[:SEARCHED_MOST])
    asked = set(search_terms(question))
    newest.sort(key=lambda pair: len(asked & set(search_terms(pair[0]))), reverse=True)
    return newest[:SAMPLE_PASSAGES]
