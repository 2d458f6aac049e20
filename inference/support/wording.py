"""Phrases of a support desk that claim nothing: greetings, offers, requests, honest refusals."""

from __future__ import annotations

import re

_COURTESY = re.compile(
    r"^\W*(?:"
    r"(?:尊敬的|亲爱的)?(?:顾客|客户|用户|亲)?\W*(?:您好|你好|亲)\W*|(?:非常|十分)?感谢您?的?.{0,16}|谢谢您?.{0,12}|"
    r"(?:非常|很|十分)?(?:抱歉|对不起|不好意思|遗憾)(?:给您带来.{0,8})?|(?:很|非常)?高兴(?:能)?为您.{0,8}|"
    r"(?:如果|如|若)?您?(?:还)?有(?:任何)?(?:其他|别的|更多|什么|任何)?(?:的)?(?:问题|疑问|需要|需求).{0,24}|"
    r"(?:请)?随时(?:联系|告诉|咨询).{0,12}|祝您.{0,14}|希望.{0,8}(?:帮助|帮到).{0,6}|请(?:您)?(?:耐心等待|稍等|稍候|放心).{0,6}|"
    r"我(?:们)?(?:可以|会|将)?(?:很)?(?:乐意)?为您(?:服务|解答|提供帮助|处理)|好的|明白了|"
    r"根据(?:我们的)?(?:资料|规定|政策|以上|所提供的)?(?:内容|信息|资料)?|"
    r"hello.{0,20}|hi(?: there)?|dear customer|thank you.{0,60}|thanks.{0,60}|"
    r"(?:i(?:'m| am) )?(?:very |so )?(?:sorry|afraid)(?: for.{0,40}| to hear.{0,40}| about.{0,40})?|(?:i |we )?apologi[sz]e.{0,50}|"
    r"(?:please )?(?:let (?:me|us) know|feel free).{0,80}|(?:if you have|should you have) any.{0,80}|"
    r"(?:i(?:'m| am)|we(?:'re| are)) (?:happy|glad|here) to help.{0,30}|i hope this.{0,40}|"
    r"have a (?:great|nice|good|wonderful).{0,20}|you(?:'re| are) welcome|"
    r"(?:is there )?anything else.{0,40}|certainly|sure|of course|according to (?:the|our) .{0,24}|great question"
    r")\W*$",
    re.I,
)
# Of a courtesy's words the pattern above leaves many open; these claim nothing whatever their order.
_PLAIN_LIST = """
a about additional afraid afternoon again all always am an and another answer answers any anything
apologies apologise apologize are as ask asking assist assistance at be because been bother but by
can caused certainly choosing concern concerns confusion contact contacting could course customer
customers day dear delay details do else enquiry evening everyone experience feedback feel for
friend from further getting glad good great happy have hear hello help helped helps here
hesitate hey hi him hope how if in inconvenience information inquiry interest is issue it just
kind know let letting lovely madam many me message mistake moment more morning much my need needs
news nice of on or other our out patience please pleased problem question questions reach reaching
regarding shop shopping should sir so some sorry support sure taking team thank thanks that the
there this time to today touch trouble trust understand understanding us very visiting wait
waiting was we welcome what when while will with wonderful words would write writing you your
d don i ll m re s ve
"""
_PLAIN = frozenset(_PLAIN_LIST.split())
_WORD = re.compile(r"[a-z]+")
# Where a Chinese courtesy says one of these it may promise something.
_PROMISING = re.compile(
    r"[\d二两三四五六七八九百]|十(?!分)|千(?!万)|万(?!分)|一(?=[天周月年折元倍件份张])|[退赔免补赠折减]|批准|同意|已经|到账|保证|承诺|优惠|可以(?!随时|为您|继续)|支持[^您]"
)
_HANDOFF = re.compile(
    r"(?:转接|转(?:给)?|联系|帮您(?:转|联系)|为您(?:转|联系)).{0,6}(?:人工|客服|同事|专员)|人工客服.{0,12}(?:确认|帮|协助|处理|核实)?"
    r"|(?:connect|transfer|pass|put|hand) (?:you|this) .{0,30}(?:person|human|agent|colleague|someone|team)"
    r"|(?:speak|talk|chat) (?:to|with) (?:a |an |one of our )?(?:person|human|agent|colleague|staff)"
    r"|\bask (?:a |one of our )?(?:person|colleague|human|team)",
    re.I,
)
_REQUEST = re.compile(
    r"(?:请(?:您)?|麻烦(?:您)?|烦请|能否|可否|可以|方便)(?:先)?(?:再)?(?:提供|告诉|告知|说明|补充|发(?:一下|给我)|描述|确认)(?:一下)?.{0,30}"
    r"(?:订单|单号|型号|款式|地区|地址|城市|商品|产品|名称|照片|图片|情况|问题|信息|需求|细节|尺码|时间)"
    r"|请问(?:您)?(?:的|是|想|要|需要|购买|指|方便).{0,30}[?？]?$"
    r"|(?:could|can|would|may) you (?:please )?(?:tell|share|give|provide|let|confirm|specify|describe|clarify).{0,90}\?"
    r"|please (?:tell|share|give|provide|let) (?:me|us)?.{0,60}(?:order|number|model|product|item|region|address|country|question|detail|size)"
    r"|(?:which|what) (?:item|product|order|size|country|region|model).{0,60}\?$",
    re.I,
)
_REFUSAL = re.compile(
    r"(?:无法|不能|没法|没有办法|不太能|未能)(?:为您)?(?:直接|准确)?(?:确认|确定|回答|核实|查到|告知|得知|判断|给出|解答"
    r"|(?:查询|提供|找到|了解|得到|获取)(?:到)?.{0,14}(?:信息|答案|资料|内容|数据|时间|情况|说明))"
    r"|(?:资料|知识库|信息|内容|文档|政策|材料)(?:里|中|内)?(?:暂)?(?:暂时)?(?:并)?(?:没有|未|无)(?:明确)?(?:提到|提及|提供|包含|说明|涉及|相关|写明|关于|找到|记载)"
    r"|(?:没有|未)(?:找到|查到|提供|提及|提到|明确).{0,16}(?:信息|资料|内容|说明|规定)|(?:暂无|没有)(?:相关|这方面|该).{0,6}(?:信息|资料|说明)"
    r"|(?:我)?(?:暂时|目前)?不(?:太)?(?:清楚|知道|确定|了解)|^\W*(?:暂)?无法(?:确认|回答)"
    r"|(?:i|we)(?:'m| am| are)? ?(?:currently )?(?:can(?:not|'t| not)|could(?: not|n't)|am unable to|are unable to|unable to|not able to|don't|do not)"
    r" (?:\w+ )?(?:confirm|find|answer|verify|provide|know|have (?:any |that |the |enough |this )?(?:information|details?|data)|determine|tell|say|see)"
    r"|(?:i(?:'m| am)) (?:not sure|not certain|unsure)"
    r"|(?:the |our )?(?:passages?|information|documents?|context|knowledge(?: base)?|text|facts|provided \w+|policy|sources?)(?: \w+){0,3} (?:do(?:es)? not|don't|doesn't|did not) (?:\w+ )?(?:say|mention|contain|provide|include|cover|specify|state|give|answer)"
    r"|(?:is|are|was) (?:not|n't) (?:mentioned|provided|specified|stated|given|available|included|covered) in (?:the|our)"
    r"|(?:there is |there's |i have )?no (?:information|mention|details?) (?:about|on|of|regarding|available|in)",
    re.I,
)
# What the machine says that it does, or cannot do, itself. Passages speak of the shop and the customer.
_OWN_DEED = re.compile(
    r"^\W*(?:(?:sorry|yes|no|sure|ok(?:ay)?|certainly)\W+)?i(?:['’](?:ll|ve|d)|(?: am|['’]m) going to"
    r"| (?:will|have|had|did|just|already|can(?:not|['’]t)?|could(?:n['’]t)?))\b"
    r"|^\W*(?:抱歉|对不起|好的|是的)?\W*我(?:已|会|将|可以|能|不能|无法|不会|马上|这就|来|帮|给|为)",
    re.I,
)


def is_own_deed(part: str) -> bool:
    """Says that the machine itself does, did or cannot do something."""
    return bool(_OWN_DEED.match(part))


def is_courtesy(clause: str) -> bool:
    """A phrase that claims nothing about the shop, and names nothing and nobody.

    "Thank you, your refund is approved" begins like one; so nothing but words of courtesy may follow.
    """
    plain = clause.strip()
    if not _COURTESY.match(plain) or _PROMISING.search(plain):
        return False
    words = _WORD.findall(plain.lower().replace("feel free", "feel"))
    return _PLAIN.issuperset(words)


def is_handoff_offer(clause: str) -> bool:
    """An offer of a person."""
    return bool(_HANDOFF.search(clause))


def is_request(clause: str) -> bool:
    """Asks the customer for a missing piece of information."""
    return bool(_REQUEST.search(clause.strip()))


def is_refusal(text: str) -> bool:
    """An honest "I cannot confirm" in either language."""
    return bool(_REFUSAL.search(text))
