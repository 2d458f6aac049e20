import type { ActionState } from "./protocol";

export type Language = "zh" | "en";

/** Every word that the widget itself says; both languages must have all of them. */
export interface Messages {
  launcher: string;
  launcherOpen(unread: number): string;
  close: string;
  panelLabel(shop: string): string;
  defaultName: string;
  subtitleBot: string;
  subtitleQueued: string;
  subtitleHuman: string;
  subtitleClosed: string;
  person: string;
  personLong: string;
  personAsked: string;
  welcomeTitle: string;
  welcome: string;
  disclosure: string;
  caution: string;
  you: string;
  assistant: string;
  operator: string;
  placeholder: string;
  placeholderHuman: string;
  messageLabel: string;
  send: string;
  stop: string;
  stopping: string;
  stopped: string;
  over(by: number): string;
  left(count: number): string;
  thinking: string;
  tool: string;
  writing: string;
  queued(position: number | null, seconds: number | null): string;
  sending: string;
  pending: string;
  failed: string;
  errors: Readonly<Record<string, string>>;
  retry: string;
  discard: string;
  connecting: string;
  offline: string;
  offlineQueued(count: number): string;
  refused: string;
  outdated: string;
  paused: string;
  resume: string;
  reload: string;
  sources: string;
  sourceLabel(number: number, title: string): string;
  closeSource: string;
  helpful: string;
  unhelpful: string;
  thanks: string;
  whatWrong: string;
  choose: string;
  actionTitle: string;
  actionConfirm: string;
  actionCancel: string;
  actionDue(minutes: number): string;
  actionStates: Readonly<Record<Exclude<ActionState, "pending">, string>>;
  reasons: Readonly<Record<Reason, string>>;
  commentLabel: string;
  submit: string;
  skip: string;
  rate: string;
  rateTitle: string;
  rateNote: string;
  star(count: number): string;
  starWords: readonly [string, string, string, string, string];
  rateThanks: string;
  handoffQueued: string;
  handoffHuman: string;
  closedNote: string;
  startNew: string;
  newMessages: string;
  missing: string;
  newTab: string;
}

export const REASONS = ["wrong", "irrelevant", "incomplete", "unclear", "other"] as const;
export type Reason = (typeof REASONS)[number];

const zh: Messages = {
  launcher: "在线咨询",
  launcherOpen: (unread) => (unread > 0 ? `在线咨询：打开对话，${unread} 条未读` : "在线咨询：打开对话"),
  close: "关闭对话",
  panelLabel: (shop) => `${shop}客服对话`,
  defaultName: "在线客服",
  subtitleBot: "智能助手解答",
  subtitleQueued: "正在为您转接人工客服",
  subtitleHuman: "人工客服正在接待",
  subtitleClosed: "对话已结束",
  person: "转人工",
  personLong: "转人工客服",
  personAsked: "正在转接…",
  welcomeTitle: "您好，有什么可以帮您？",
  welcome: "关于商品、订单、配送和售后，都可以直接问。",
  disclosure: "您正在与 AI 助手对话，它依据本店资料作答。需要真人时，点右上角“转人工”。",
  caution: "AI 回答可能有误",
  you: "您",
  assistant: "AI 助手",
  operator: "人工客服",
  placeholder: "请输入您的问题",
  placeholderHuman: "给客服留言",
  messageLabel: "消息内容",
  send: "发送",
  stop: "停止回答",
  stopping: "正在停止…",
  stopped: "已停止回答",
  over: (by) => `超出 ${by} 字`,
  left: (count) => `还可输入 ${count} 字`,
  thinking: "正在查阅店铺资料",
  tool: "正在查询",
  writing: "正在回复",
  queued: (position, seconds) =>
    ["排队中", position !== null && position > 0 ? `前面还有 ${position} 位` : "", seconds !== null ? `约 ${seconds} 秒` : ""]
      .filter(Boolean)
      .join(" · "),
  sending: "发送中",
  pending: "待发送，联网后自动发出",
  failed: "未送达",
  errors: {
    text_too_long: "内容过长，请分几次发送",
    empty_text: "没有可发送的内容",
    rate_limited: "发送太快了，请稍等片刻",
    closed_conversation: "对话已结束",
    forbidden: "此对话不接受消息",
  },
  retry: "重试",
  discard: "删除",
  connecting: "正在连接…",
  offline: "连接已断开，正在重新连接",
  offlineQueued: (count) => `连接已断开，${count} 条消息将在恢复后自动发出`,
  refused: "此页面暂时无法使用在线客服",
  outdated: "客服系统已更新，请刷新页面",
  paused: "对话已在其他窗口继续",
  resume: "在此继续",
  reload: "刷新",
  sources: "依据",
  sourceLabel: (number, title) => `依据 ${number}：${title}`,
  closeSource: "收起依据",
  helpful: "有帮助",
  unhelpful: "没有帮助",
  thanks: "感谢您的反馈",
  whatWrong: "哪里不满意？",
  choose: "请选择",
  actionTitle: "请您确认",
  actionConfirm: "确认修改",
  actionCancel: "取消",
  actionDue: (minutes) => `请在 ${minutes} 分钟内确认；确认之前不会有任何改动`,
  actionStates: {
    confirmed: "已收到，正在处理…",
    running: "正在处理…",
    done: "已完成",
    refused: "未能修改",
    failed: "未能完成，没有任何改动",
    uncertain: "暂时无法确定是否已修改",
    cancelled: "已取消，没有任何改动",
    replaced: "已由后面的请求代替，没有任何改动",
    expired: "已过期，没有任何改动。需要的话请再说一次",
  },
  reasons: {
    wrong: "内容有误",
    irrelevant: "答非所问",
    incomplete: "不够完整",
    unclear: "看不明白",
    other: "其他",
  },
  commentLabel: "补充说明（选填）",
  submit: "提交",
  skip: "暂不评价",
  rate: "评价服务",
  rateTitle: "这次服务您满意吗？",
  rateNote: "您的评价会帮助我们改进。",
  star: (count) => `${count} 星`,
  starWords: ["很不满意", "不太满意", "一般", "比较满意", "非常满意"],
  rateThanks: "感谢您的评价",
  handoffQueued: "已通知人工客服，请稍候。您可以继续留言。",
  handoffHuman: "人工客服已接入",
  closedNote: "本次对话已结束，感谢您的咨询。",
  startNew: "开始新的对话",
  newMessages: "新消息",
  missing: "较早的消息暂时无法显示",
  newTab: "（在新窗口打开）",
};

const en: Messages = {
  launcher: "Ask us",
  launcherOpen: (unread) => (unread > 0 ? `Ask us: open the chat, ${unread} unread` : "Ask us: open the chat"),
  close: "Close chat",
  panelLabel: (shop) => `${shop} support chat`,
  defaultName: "Support",
  subtitleBot: "Automatic answers",
  subtitleQueued: "Finding a person for you",
  subtitleHuman: "You are talking with a person",
  subtitleClosed: "This chat has ended",
  person: "Human",
  personLong: "Talk to a human",
  personAsked: "Asking…",
  welcomeTitle: "Hello, how can we help?",
  welcome: "Ask about products, orders, delivery or returns.",
  disclosure:
    "You are chatting with an AI assistant that answers from this shop’s own information. For a person, choose “Human” above.",
  caution: "AI answers can be wrong",
  you: "You",
  assistant: "AI assistant",
  operator: "Support team",
  placeholder: "Ask a question",
  placeholderHuman: "Write to the support team",
  messageLabel: "Message",
  send: "Send",
  stop: "Stop answering",
  stopping: "Stopping…",
  stopped: "Answer stopped",
  over: (by) => `${by} characters too many`,
  left: (count) => `${count} characters left`,
  thinking: "Looking through the shop’s information",
  tool: "Looking it up",
  writing: "Writing",
  queued: (position, seconds) =>
    [
      "In the queue",
      position !== null && position > 0 ? `${position} ahead of you` : "",
      seconds !== null ? `about ${seconds} s` : "",
    ]
      .filter(Boolean)
      .join(" · "),
  sending: "Sending",
  pending: "Waiting to send; goes out when you are back online",
  failed: "Not delivered",
  errors: {
    text_too_long: "Too long; please send it in parts",
    empty_text: "There is nothing to send",
    rate_limited: "That was quick; please wait a moment",
    closed_conversation: "This chat has ended",
    forbidden: "This chat takes no messages",
  },
  retry: "Try again",
  discard: "Delete",
  connecting: "Connecting…",
  offline: "Connection lost. Reconnecting",
  offlineQueued: (count) =>
    count === 1
      ? "Connection lost. Your message will be sent when it is back"
      : `Connection lost. ${count} messages will be sent when it is back`,
  refused: "Support chat is not available on this page",
  outdated: "The chat was updated. Please reload the page",
  paused: "This chat goes on in another window",
  resume: "Continue here",
  reload: "Reload",
  sources: "Based on",
  sourceLabel: (number, title) => `Source ${number}: ${title}`,
  closeSource: "Close source",
  helpful: "Helpful",
  unhelpful: "Not helpful",
  thanks: "Thank you for telling us",
  whatWrong: "What was wrong with it?",
  choose: "Choose one",
  actionTitle: "Please confirm",
  actionConfirm: "Confirm change",
  actionCancel: "Cancel",
  actionDue: (minutes) =>
    minutes === 1
      ? "Please confirm within 1 minute; nothing is changed before"
      : `Please confirm within ${minutes} minutes; nothing is changed before`,
  actionStates: {
    confirmed: "Received; working on it…",
    running: "Working on it…",
    done: "Done",
    refused: "Could not be changed",
    failed: "Did not work; nothing was changed",
    uncertain: "Not certain whether it was changed",
    cancelled: "Cancelled; nothing was changed",
    replaced: "Replaced by a later request; nothing was changed",
    expired: "Expired; nothing was changed. Ask again if you still need it",
  },
  reasons: {
    wrong: "It is wrong",
    irrelevant: "Not what I asked",
    incomplete: "Incomplete",
    unclear: "Hard to understand",
    other: "Something else",
  },
  commentLabel: "Anything to add? (optional)",
  submit: "Send feedback",
  skip: "Not now",
  rate: "Rate this chat",
  rateTitle: "How was this chat?",
  rateNote: "Your rating helps us do better.",
  star: (count) => (count === 1 ? "1 star" : `${count} stars`),
  starWords: ["Very poor", "Poor", "Fair", "Good", "Very good"],
  rateThanks: "Thank you for your rating",
  handoffQueued: "We have told our team. You can keep writing while you wait.",
  handoffHuman: "A person has joined the chat",
  closedNote: "This chat has ended. Thank you for writing to us.",
  startNew: "Start a new chat",
  newMessages: "New messages",
  missing: "Earlier messages cannot be shown right now",
  newTab: "(opens in a new window)",
};

export const MESSAGES: Readonly<Record<Language, Messages>> = { zh, en };

export const LANG_TAG: Readonly<Record<Language, string>> = { zh: "zh-Hans", en: "en" };

/** "青禾家居 Greenstem Home" holds two names: the one in the customer's language, else all of it. */
export function shopName(name: string, language: Language): string {
  const both = /^([\u3400-\u9fff·]+)\s+([\x20-\x7e]*[A-Za-z][\x20-\x7e]*)$/.exec(name.trim());
  return both ? both[language === "zh" ? 1 : 2]! : name.trim();
}
