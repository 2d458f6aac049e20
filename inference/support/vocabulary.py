"""Small word lists of both languages: function words, topics of a shop, narrow synonyms.

They hold words that any shop's customers use. Names of products, places and people are never here:
those must come from the passages.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHINESE_FUNCTION_WORDS = _words("""
    的 地 得 了 着 过 吗 呢 吧 啊 呀 哦 嘛 哈 啦 么 是 在 有 和 与 及 或 并 且 而 但 但是 就 都 也 还 又 再 才 只 很
    更 最 太 挺 非常 十分 比较 被 把 将 对 对于 关于 从 到 由 向 往 于 以 为 为了 因 因为 所以 由于 如果 若 如 则 即 那
    这 那个 这个 这些 那些 这样 那样 其 其中 它 他 她 他们 我 我们 你 你们 您 咱们 自己 大家 本 该 此 每 各 某 之 者 所 等
    等等 个 一个 一些 一下 一般 一般来说 通常 可以 可 能 能够 会 要 需 需要 应 应该 必须 请 请问 谢谢 您好 你好 好 的话
    什么 怎么 怎样 怎么样 如何 为什么 为何 哪 哪些 哪里 哪个 哪儿 谁 几 多少 多久 多长时间 多长 何时 什么时候 是否 是不是
    能不能 可不可以 有没有 会不会 要不要 吗 想 问 问一下 咨询 知道 告诉 帮 帮忙 麻烦 一直 已 已经 正在 目前 现在 当前
    进行 使用 提供 包括 包含 根据 按照 依据 以及 具体 相关 有关 情况 问题 时候 东西 方面 内容 信息 情形 部分 左右 大约
    大概 约 内 外 中 里 上 下 前 后 时 以内 之内 以上 以下 之前 之后 期间 同时 另外 此外 然后 首先 其次 接着 最后 第一步 第二步
    第三步 不 没 没有 无 未 非 别 勿 不是 不能 不可 不可以 不会 不要 不用 无法 无需 不需要 至少 最多 最少 超过 不超过 共 总共 一共 仅
    进行 给 让 使 用 做 来 去 看 说 啥 咋 噢 嗯 亲 我想 是的 对的 当然 以便 通过 才能 即可 便 均 下来 起来 出来 一 二 三
    """)
ENGLISH_FUNCTION_WORDS = _words("""
    a an the this that these those it its he she they them their his her we us our ours you your
    yours i me my mine is are was were be been being am do does did done doing have has had having
    can cannot could will would shall should may might must need to of in on at by for from with without
    within about as into onto over under after before between during through until up down out off
    and or but nor so if then than when where which who whom whose what why how there here also
    only just very too more most less least much many some any all each every both either neither
    no not never none please thank thanks hello hi dear yes yeah sure ok okay well usually
    generally typically currently according per via such other another same own get gets got
    getting let make makes made take takes took use uses used using be able want wants like know
    tell say says said come comes go goes going provide provides provided include includes
    including regarding based following however therefore because since while first second third
    next finally lastly afterwards step steps one ones long way ways im ive id dont doesnt didnt
    cant couldnt wont isnt arent wasnt werent hasnt havent s t re ve ll d m something anything
    thing things kind possible available case information detail details
    """)

# Words that say little about what a question asks for; they count, but little.
GENERIC = _words("""
    产品 商品 东西 货 货品 宝贝 店 店铺 商店 本店 小店 商家 卖家 买家 顾客 客户 用户 平台 网站 页面 公司 办理 申请 操作
    处理 方式 方法 流程 步骤 政策 规定 规则 说明 服务 支持 时间 多少钱 购买 买 下单 订单 收到 选择 确认 联系 客服 人工
    您的 我的 一定 一次 全部 所有 不同 今天 明天 情况 感谢 耐心 等待 抱歉 帮助 提交 填写 点击 进入 查看 直接 成功 完成 完毕
    product item good order shop store site website customer client buyer seller policy rule
    process procedure method service support time purchase buy contact staff team help question
    company platform page offer day
    在线 每天 online
    昨天 刚才 刚刚 拿到 回来 回去 显示 地方 当时 上个月 这个月 今年 去年 然后 结果 打算 决定 麻烦
    back still even already yet ever again along away rather quite give gave put set keep last next week
    month today yesterday tomorrow tonight decide hope thought
    """)

# What a customer's question can be about. A question about one topic is not answered by a passage
# about another one only; a word may stand in several topics.
TOPICS: dict[str, frozenset[str]] = {
    name: _words(words)
    for name, words in {
        "return": "退货 退换 退换货 退回 退掉 可退 能退 退不退 退吗 寄回 return send.back give.back bring.back take.back",
        "exchange": "寄回 换货 退换 退换货 更换 调换 换一 换个 换大 换小 换码 换成 可换 能换 exchange swap replace",
        "refund": "退款 返款 退钱 退还 退费 退回 原路 到账 refund reimburse money.back",
        "delivery": "发货 配送 送货 送达 到货 快递 物流 寄出 寄送 出库 运送 寄到 送到 多久到 几天到 能到 才到 会到 到我 包裹 派送 揽收 "
        "ship shipping shipment deliver delivery dispatch courier parcel package arrive",
        "shipping fee": "运费 邮费 快递费 配送费 包邮 免邮 邮资 shipping.cost shipping.fee postage "
        "delivery.cost delivery.fee delivery.charge shipping.charge shipping.free free.shipping "
        "shipping.rate cost.shipping free.delivery return.shipping pay.shipping",
        "payment": "支付 付款 付钱 支付宝 微信支付 货到付款 银行卡 信用卡 花呗 pay payment paypal "
        "credit.card debit.card apple.pay cash.on.delivery checkout",
        "instalments": "分期 分期付款 免息 花呗 白条 instalment installment klarna afterpay "
        "interest-free pay.monthly",
        "invoice": "发票 开票 税号 抬头 invoice receipt vat tax",
        "warranty": "保修 质保 保修期 质保期 三包 包修 联保 warranty guarantee",
        "repair": "维修 修理 修好 返修 保修 repair fix mend service.centre service.center",
        "expiry": "保质期 有效期 过期 生产日期 shelf.life expire expiry best.before valid",
        "membership": "会员 会员卡 等级 vip member membership loyalty tier",
        "points": "积分 points reward",
        "discount": "优惠 优惠券 折扣 打折 促销 红包 满减 降价 活动价 券 discount coupon voucher promo "
        "promotion sale student.discount",
        "price": "价格 价钱 售价 贵 便宜 保价 差价 价保 price cost.how expensive cheap",
        "size": "尺码 尺寸 码数 大小 身高 偏大 偏小 型号 号码 size sizing fit measurement",
        "colour": "颜色 色差 配色 color colour",
        "stock": "库存 有货 没货 卖完 缺货 补货 现货 断货 预售 stock restock sold.out pre-order preorder backorder",
        "cancel": "取消 撤销 不想要 cancel cancellation",
        "address": "地址 收货地址 改地址 address",
        "account": "账号 账户 帐号 注册 登录 密码 注销 account password login log.in sign.in register",
        "privacy": "隐私 个人信息 数据 privacy personal.data gdpr",
        "contact": "电话 热线 邮箱 客服 人工 联系 phone telephone hotline email e-mail contact "
        "customer.service support.team",
        "hours": "营业时间 工作时间 上班 几点 营业 opening.hours business.hours open.on",
        "location": "门店 实体店 线下 专柜 store.location physical.store showroom branch high.street",
        "international": "海外 国外 国际 境外 港澳台 香港 澳门 台湾 出国 "
        "美国 加拿大 英国 法国 德国 日本 韩国 新加坡 澳大利亚 澳洲 欧洲 俄罗斯 international overseas abroad",
        "customs": "关税 清关 海关 customs import.duty duties",
        "gift": "礼品 礼物 包装 贺卡 送礼 礼盒 gift wrap wrapping",
        "gift card": "礼品卡 购物卡 储值卡 gift.card gift.certificate",
        "installation": "安装 组装 上门安装 install installation assemble assembly",
        "material": "材质 面料 成分 材料 布料 皮质 material fabric leather cotton ingredient",
        "care": "洗 清洗 洗涤 保养 机洗 手洗 wash washing care clean machine.wash",
        "authenticity": "正品 真假 假货 假的 真货 专柜验货 authentic genuine fake counterfeit",
        "damage": "破损 损坏 坏了 质量问题 瑕疵 碎了 damaged broken defective faulty defect damage",
        "wrong item": "发错 错发 漏发 少发 少件 wrong.item missing.item wrong.product",
        "lost": "丢件 丢失 没收到 未收到 lost missing.parcel not.received",
        "tracking": "物流信息 查物流 单号 快递单号 查询物流 跟踪 进度 track tracking",
        "review": "评价 评论 好评 差评 晒单 review rating",
        "trade-in": "以旧换新 回收 旧机 trade-in trade.in recycle",
        "second-hand": "二手 second-hand second.hand pre-owned buy.used sell.used refurbished",
        "jobs": "招聘 应聘 求职 job career vacancy",
        "wholesale": "批发 团购 大量采购 代理 加盟 wholesale bulk reseller franchise",
        "insurance": "运费险 退货险 insurance",
        "battery": "电池 续航 充电 battery charger recharge",
        "waterproof": "防水 waterproof water-resistant",
    }.items()
}
# Topics that overlap so much that one covers the other.
TOPIC_KIN: dict[str, frozenset[str]] = {
    "exchange": frozenset({"exchange"}),
    "repair": frozenset({"repair", "warranty"}),
    "tracking": frozenset({"tracking", "delivery"}),
    "lost": frozenset({"lost", "delivery", "tracking"}),
    "shipping fee": frozenset({"shipping fee"}),
}

# Words that say the same thing in a passage and in an answer, one group a line.
_SYNONYM_LINES = """
退货 退回 退掉 寄回
退款 返款 退钱 退还
发货 寄出 出库 发出
快递 物流 配送 派送 送货 运送 寄送 发货
送达 到货 收到 签收 收货 到达 送到 到
运费 邮费 快递费 配送费 邮资
免费 包邮 免运费 免邮 免
付款 支付 付
分期 分期付款
发票 开票
客服 人工客服 人工
保修 质保 保修期 质保期
更换 换货 调换 换
修改 更改 变更 改
联系 咨询 致电 拨打
完好 完整 无损 未损坏
价格 价钱 售价 金额
优惠券 折扣券 代金券
尺码 尺寸 码数
费用 收费 费
期限 时间 时限 时效
地址 位置 地点
提交 发起 申请
工作日 工作天
需 须 必须 需要
商品 产品 货品 货物 宝贝 物品
顾客 客户 用户 买家 消费者
承担 负责 支付
return send
refund reimburse repay reimbursement
ship shipping shipment deliver delivery dispatch send sent post
parcel package
pay payment
fee cost charge price
buy purchase order
item product good article merchandise
customer buyer client shopper
instalment installment
fix repair mend
contact reach call
hour time
begin start
receive arrive get delivery
unused unworn
invoice receipt
colour color
exchange swap replace replacement
cancel cancellation
start begin
wish want
state condition
choose select pick
free complimentary
好处 权益 福利 优惠 特权
叠加 叠 同时 一起
作废 过期 失效 有效期
便宜 降价 贵
偷 被盗 丢 丢失
票 发票
修 维修 保修 补
保 保修
benefit perk advantage
voucher coupon
card visa mastercard
abroad overseas international internationally
guarantee guaranteed warranty
phone telephone hotline
电话 热线
没货 缺货 断货 无货 卖完 卖光 售罄
visa mastercard credit
hire rent rental
child kid toddler baby
person human somebody anybody someone
cheap cheaper drop
postage shipping
personal detail data
tyre tire puncture flat
late delay overdue
money deposit
"""
SYNONYMS: dict[str, frozenset[str]] = {}
for _group in _SYNONYM_LINES.strip().splitlines():
    _members = _words(_group)
    for _word in _members:
        SYNONYMS[_word] = SYNONYMS.get(_word, frozenset()) | _members

# Members of closed classes: a question that names one is not answered by a passage on its fellows.
SPECIFICS = _words("""
    比特币 数字货币 虚拟币 现金 支票 微信 支付宝 信用卡 花呗 货到付款 bitcoin crypto ethereum cash cheque paypal klarna
    学生 军人 教师 老人 员工 student senior military teacher employee
    传真 仓库 实体店 门店 fax warehouse showroom
    有机 纯棉 素食 organic vegan halal kosher
    批发 代理 加盟 招聘 wholesale reseller franchise
    代金券 礼品卡 保险 回收 自提 insurance insure recycle recycling
    """)

# Chinese nouns that name an attribute, whose value an answer gives: 保修期, 运费, 死亡人数.
CHINESE_ATTRIBUTE_ENDINGS = (
    *(
        "期",
        "费",
        "率",
        "额",
        "价",
        "量",
        "数",
        "时间",
        "期限",
        "地址",
        "电话",
        "邮箱",
        "方式",
        "号码",
    ),
    *(
        "价格",
        "尺寸",
        "重量",
        "长度",
        "高度",
        "面积",
        "年龄",
        "日期",
        "名称",
        "材质",
        "颜色",
        "热线",
    ),
)
