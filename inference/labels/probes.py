"""Words whose log-probabilities describe what the chat model makes of a text.

The log-probabilities of the next token are a linear picture of the model's last hidden state, so
those of some dozens of unrelated words tell a classifier most of what the model has understood,
also of labels that no single word names. Each is one token of Qwen's vocabulary.
"""

from __future__ import annotations

from typing import Final

_PROBES_LIST = """
退 换 买 发 收 钱 价格 优惠 订单 物流 快递 地址 支付 账户 密码 问题 质量 服务 时间 客服 商品 产品 使用 安装
信息 取消 查询 修改 没有 为什么 怎么 什么 哪 谁 谢谢 投诉 错误 安全
order delivery refund return cancel pay card account price money time password product service
problem question help thanks buy change update check information address phone date travel food
weather music work home car number how why when where who what not error security
"""
PROBES: Final = tuple(_PROBES_LIST.split())
