"""Words whose log-probabilities describe what the chat model makes of a text.

The log-probabilities of the next token are a linear picture of the model's last hidden state, so
those of some dozens of unrelated words tell a classifier most of what the model has understood,
also of labels that no single word names. Each is one token of Qwen's vocabulary.
"""

from __future__ import annotations

from typing import Final

CANDIDATES_MOST: Final = 240
"""Words that one question may ask for; the built-in server takes 256."""

_PROBES_LIST = """
退 换 买 发 收 钱 价格 优惠 订单 物流 快递 地址 支付 账户 密码 问题 质量 服务 时间 客服 商品 产品 使用 安装
信息 取消 查询 修改 没有 为什么 怎么 什么 哪 谁 谢谢 投诉 错误 安全
order delivery refund return cancel pay card account price money time password product service
problem question help thanks buy change update check information address phone date travel food
weather music work home car number how why when where who what not error security
坏 慢 快 贵 便宜 新 旧 大 小 颜色 尺寸 味道 房间 酒店 衣服 手机 电脑 屏幕 电池 充电 维修 保修 赔 补 发票 红包
券 积分 会员 注册 登录 验证 银行 贷款 余额 到账 仓库 配送 预约 上门 故障 破损 少 漏 假 正品 评价 联系 电话 人工
今天 明天 什么时候 多久 多少 生气 失望 高兴 推荐 喜欢
bank loan limit transfer credit debit cash balance bill tax insurance rate exchange salary job
meeting calendar reminder alarm list recipe restaurant hotel flight ticket gas road map language
word story fun name age sleep health movie game sport school family friend love happy sad sorry
great broken wrong slow fast late early cheap free size color fit quality gift code coupon discount
sale store shop brand repair replace install setup device battery screen app website login register
delete close open start stop wait ready available stock missing lost verify identity document
contact call email message human agent staff policy rule legal today week month year
"""
PROBES: Final = tuple(_PROBES_LIST.split())
