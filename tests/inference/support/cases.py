"""Hand-written answers to a shop's questions, with what the support check must say of them."""

from __future__ import annotations

from dataclasses import dataclass

from inference.support.passages import SupportPassage


@dataclass(frozen=True)
class Case:
    question: str
    answer: str
    passages: tuple[SupportPassage, ...]
    language: str


def passage(id: str, question: str, answer: str) -> SupportPassage:
    return SupportPassage(id, question, answer)


ZH_RETURN = passage("E1", "退货政策", "7天无理由退货，商品需完好")
ZH_DELIVERY = passage("E2", "配送时间", "一般地区3-5工作日")
ZH_WARRANTY = passage(
    "E3",
    "保修与退货",
    "自签收之日起7天内可无理由退货，电器类商品保修期为1年，人为损坏不在保修范围。",
)
ZH_PAYMENT = passage("E4", "支付方式", "支持支付宝、微信支付和银联卡，暂不支持货到付款。")
ZH_SHIPPING = passage("E5", "运费", "满88元包邮，不满88元收取运费6元，运费由买家承担。")
ZH_STEPS = passage("E6", "如何换货", "在“我的订单”里点击“申请换货”，填写原因，三天内寄回商品。")
ZH_CONTACT = passage(
    "E7", "联系我们", "客服热线400-000-0199，邮箱 care@lamp.example，每天9:00到18:00。"
)
ZH_MEMBER = passage("E8", "会员折扣", "银卡会员打九五折，金卡会员打九折，生日当月另送50元券。")

EN_RETURN = passage(
    "E1",
    "Return policy",
    "Returns are accepted within 14 days of delivery; items must be unused. "
    "Return shipping is paid by the customer.",
)
EN_DELIVERY = passage(
    "E2",
    "Delivery time",
    "Standard delivery takes 3-5 business days. Express delivery takes 1 business day and costs $12.",
)
EN_WARRANTY = passage(
    "E3", "Warranty", "Lamps have a two-year warranty. Bulbs are not covered by the warranty."
)
EN_STEPS = passage(
    "E4", "How to exchange an item", 'Open "My orders", click "Exchange" and print the label.'
)
EN_CONTACT = passage(
    "E5",
    "Contact",
    "Call 555-010-0199 or write to care@lamp.example, Monday to Friday, 9 am to 6 pm.",
)
EN_SHIP_TO = passage(
    "E6", "Where we ship", "We ship to Canada and Mexico. We do not ship to Brazil."
)

_ZH = (ZH_RETURN, ZH_DELIVERY)
_EN = (EN_RETURN, EN_DELIVERY)


def _cases(language: str, *rows: tuple[tuple[SupportPassage, ...], str, str]) -> list[Case]:
    return [Case(question, answer, passages, language) for passages, question, answer in rows]


SUPPORTED = _cases(
    "zh-hans",
    (_ZH, "7天内可以退货吗?", "可以，7天内可以无理由退货，商品需完好。"),
    (_ZH, "7天内可以退货吗?", "您好！七天内支持无理由退货，商品需要保持完好。"),
    (_ZH, "可以退货吗", "可以的，７天内可以退货。"),
    (_ZH, "如何办理退货", "7天无理由退货，商品需完好"),
    (_ZH, "多久能送到？", "您好，一般地区3至5个工作日送达。"),
    (_ZH, "快递要几天", "一般地区三到五个工作日。感谢您的耐心等待。"),
    ((ZH_WARRANTY,), "电器保修多久", "电器类商品保修期为一年。"),
    ((ZH_WARRANTY,), "电器保修多久", "电器保修12个月。"),
    ((ZH_WARRANTY,), "摔坏了保修吗", "人为损坏不在保修范围内。"),
    ((ZH_WARRANTY,), "退货期限是多久", "签收之日起7天内可以无理由退货。"),
    ((ZH_PAYMENT,), "可以用微信付款吗", "可以，支持微信支付。"),
    ((ZH_PAYMENT,), "支持货到付款吗", "抱歉，暂不支持货到付款。"),
    ((ZH_PAYMENT,), "有哪些支付方式", "支持支付宝、微信支付和银联卡。"),
    ((ZH_SHIPPING,), "运费多少钱", "满88元包邮，不满88元运费为6元。"),
    ((ZH_SHIPPING,), "运费谁承担", "运费由顾客承担。"),
    ((ZH_STEPS,), "怎么换货", "请在“我的订单”里点击“申请换货”，填写原因，3天内寄回商品。"),
    ((ZH_CONTACT,), "客服电话是多少", "客服热线是400-000-0199。"),
    ((ZH_CONTACT,), "客服几点上班", "客服每天9:00到18:00在线。"),
    ((ZH_CONTACT,), "客服什么时间在线", "每天上午9点到下午6点。"),
    ((ZH_MEMBER,), "金卡会员打几折", "金卡会员打9折。"),
) + _cases(
    "en",
    (
        _EN,
        "Can I return something?",
        "Yes, you can return unused items within 14 days of delivery.",
    ),
    (
        _EN,
        "Can I return something?",
        "Hello! Returns are accepted within fourteen days of delivery.",
    ),
    (_EN, "Can I return something?", "Yes. Items must be unused."),
    (_EN, "How long do I have for a return?", "You have two weeks after delivery for returns."),
    (
        _EN,
        "How do I return an item?",
        "Returns are accepted within 14 days of delivery; items must be unused.",
    ),
    (_EN, "How long does delivery take?", "Standard delivery takes three to five business days."),
    (_EN, "How much is express delivery?", "Express delivery costs $12."),
    (_EN, "How much is express delivery?", "It costs 12 dollars."),
    (_EN, "Who pays for return shipping?", "The customer pays for return shipping."),
    ((EN_WARRANTY,), "How long is the warranty on lamps?", "Lamps have a warranty of 2 years."),
    ((EN_WARRANTY,), "How long is the warranty on lamps?", "The warranty on lamps is 24 months."),
    (
        (EN_WARRANTY,),
        "Are bulbs covered by the warranty?",
        "No, bulbs are not covered by the warranty.",
    ),
    (
        (EN_STEPS,),
        "How do I exchange an item?",
        'Open "My orders", click "Exchange" and print the label.',
    ),
    ((EN_CONTACT,), "What is your phone number?", "You can call 555-010-0199."),
    ((EN_CONTACT,), "When can I call you?", "You can call Monday to Friday, 9am to 6pm."),
    ((EN_SHIP_TO,), "Do you ship to Canada?", "Yes, we ship to Canada."),
    ((EN_SHIP_TO,), "Do you ship to Brazil?", "No, we do not ship to Brazil."),
)

UNSUPPORTED = _cases(
    "zh-hans",
    (_ZH, "产品保修期多久", "产品保修期为7天。"),
    (_ZH, "产品保修期多久", "7天。"),
    (_ZH, "产品保修期多久", "您好，我们的商品保修期一般地区为3-5工作日。"),
    (
        _ZH,
        "如何办理退货",
        "办理退货步骤如下：1. 登录官网。2. 提交退货申请。3. 打包商品。4. 联系快递寄回。",
    ),
    (_ZH, "如何办理退货", "首先联系客服，然后填写退货单，最后把商品寄回仓库。"),
    (_ZH, "可以退货吗", "不可以退货。"),
    (_ZH, "可以退货吗", "不支持无理由退货。"),
    (_ZH, "可以退货吗", "可以，1天内可以退货。"),
    (_ZH, "可以退货吗", "可以，请致电400-123-4567办理退货。"),
    (_ZH, "可以退货吗", "可以，请访问 www.shop-returns.com 办理。"),
    (_ZH, "10天了还能退货吗", "可以退货。"),
    (_ZH, "多久能送到？", "一般地区3-5天送达。"),
    (_ZH, "多久能送到？", "一般地区2-5个工作日送达。"),
    (_ZH, "多久能送到？", "顺丰快递3-5个工作日送达。"),
    (_ZH, "支持分期付款吗", "支持分期付款，最多7期。"),
    (_ZH, "运费多少钱", "运费为7元。"),
    ((ZH_WARRANTY,), "电器保修多久", "电器类商品保修期为7天。"),
    ((ZH_WARRANTY,), "电器保修多久", "7天。"),
    ((ZH_WARRANTY,), "退货期限是多久", "退货期限为1年。"),
    ((ZH_WARRANTY,), "人为损坏保修吗", "人为损坏在保修范围。"),
    ((ZH_WARRANTY,), "人为损坏保修吗", "可以保修。"),
    ((ZH_PAYMENT,), "支持货到付款吗", "支持货到付款。"),
    ((ZH_PAYMENT,), "支持货到付款吗", "可以的。"),
    ((ZH_PAYMENT,), "有哪些支付方式", "支持支付宝、微信支付和PayPal。"),
    ((ZH_PAYMENT,), "支持比特币付款吗", "我们支持比特币付款。"),
    ((ZH_PAYMENT,), "支持比特币付款吗", "支持的。"),
    ((ZH_SHIPPING,), "运费多少钱", "满66元包邮。"),
    ((ZH_SHIPPING,), "运费谁承担", "运费由商家承担。"),
    ((ZH_STEPS,), "怎么换货", "请拨打客服电话，告知订单号，等待审核通过。"),
    ((ZH_CONTACT,), "客服电话是多少", "客服热线是400-000-0198。"),
    ((ZH_CONTACT,), "客服几点上班", "客服每天8:00到18:00在线。"),
    ((ZH_MEMBER,), "金卡会员打几折", "金卡会员打九五折。"),
    ((ZH_MEMBER,), "银卡会员打几折", "银卡会员打九折。"),
) + _cases(
    "en",
    (_EN, "How long is the warranty?", "The warranty period is 14 days."),
    (_EN, "How long is the warranty?", "14 days."),
    (
        _EN,
        "How do I return an item?",
        "1. Log in to your account. 2. Click Returns. 3. Print the label.",
    ),
    (
        _EN,
        "How do I return an item?",
        "First, contact our support team. Then, pack the item and drop it off.",
    ),
    (_EN, "Can I return something?", "No, you cannot return items."),
    (_EN, "Can I return something?", "Yes, you can return items within 30 days of delivery."),
    (_EN, "Can I return something?", "Yes, just write to returns@lamp.example."),
    (_EN, "Can I return used items?", "Yes, items must be used."),
    (_EN, "How long does delivery take?", "Standard delivery takes 1 business day."),
    (_EN, "How long does delivery take?", "Standard delivery takes 3-5 days."),
    (_EN, "How long does delivery take?", "FedEx delivers in 3-5 business days."),
    (_EN, "How much is express delivery?", "Express delivery costs $15."),
    (_EN, "How much is express delivery?", "Express delivery is free."),
    (_EN, "Who pays for return shipping?", "Return shipping is paid by the shop."),
    (_EN, "Do you offer instalments?", "Yes, we offer 3-5 instalments."),
    (
        (EN_WARRANTY,),
        "Are bulbs covered by the warranty?",
        "Yes, bulbs are covered by the warranty.",
    ),
    ((EN_WARRANTY,), "How long is the warranty on lamps?", "Lamps have a one-year warranty."),
    ((EN_WARRANTY,), "How long is the warranty on sofas?", "Sofas have a two-year warranty."),
    ((EN_WARRANTY,), "Does the warranty cover flooding?", "Yes, the warranty covers flooding."),
    ((EN_STEPS,), "How do I exchange an item?", "Call our hotline and ask for an exchange form."),
    ((EN_CONTACT,), "What is your phone number?", "You can call 555-010-0100."),
    ((EN_SHIP_TO,), "Do you ship to Brazil?", "Yes, we ship to Brazil."),
    ((EN_SHIP_TO,), "Do you ship to Japan?", "Yes, we ship to Japan."),
)
