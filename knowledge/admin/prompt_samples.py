"""What a preview puts in for the variables of a prompt."""

from __future__ import annotations

from django.utils import timezone

from knowledge.models import Entry, Language, PromptTemplate

SAMPLE_PASSAGES = 2
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
    """All variables of a prompt; the passages are the site's own newest entries if there are any."""
    samples = SAMPLES[template.language]
    entries = Entry.objects.filter(
        status=Entry.Status.PUBLISHED, language=template.language
    ).order_by("-updated_at")
    if template.site_id:
        entries = entries.filter(site_id=template.site_id)
    pairs = list(entries.values_list("question", "answer")[:SAMPLE_PASSAGES]) or samples["passages"]
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
