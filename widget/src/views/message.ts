import type { Thumb } from "../feedback";
import type { Language, Messages } from "../i18n";
import { markdownParse, plainParse } from "../markdown";
import type { Item } from "../protocol";
import type { ActionNow } from "../conversation";
import { ActionCard, actionSpoken, type Deciding } from "./action";
import { Choices, textWithoutChoices } from "./choices";
import { element, shown } from "./dom";
import { RichText } from "./rich";
import { Sources } from "./sources";
import { Thumbs, type ThumbGiven } from "./thumbs";
import { timeWords } from "./times";

export interface MessageContext {
  messages: Messages;
  language: Language;
  now: number;
  /** Whether the speaker's name stands above: the message before is somebody else's. */
  named: boolean;
  thumb: Thumb | null;
  /** Whether nothing was said after it. */
  newest: boolean;
  /** The change that the item asks to confirm, as it is now. */
  action: ActionNow | undefined;
  deciding: Deciding;
}

/** What the customer does with a message; each is told to the desk. */
export interface MessageActions {
  thumb: ThumbGiven;
  choose: (title: string) => void;
  decide: (confirmed: boolean) => void;
}

/** A durable item of the conversation. */
export class MessageView {
  readonly element: HTMLElement;
  private readonly name: HTMLElement | null = null;
  private readonly time: HTMLTimeElement | null;
  private readonly thumbs: Thumbs | null = null;
  private readonly choices: Choices | null = null;
  private readonly card: ActionCard | null = null;

  constructor(
    private readonly item: Item,
    context: MessageContext,
    actions: MessageActions,
  ) {
    const { messages } = context;
    this.element = element("article", { class: `message ${item.role}` });
    this.time = item.at === null ? null : element("time", { class: "time" });
    if (item.role === "system") {
      this.element.append(element("p", { class: "note" }, systemWords(item, messages)));
      return;
    }
    if (item.role === "customer") {
      this.element.append(
        element("span", { class: "aside" }, `${messages.you}: `),
        element("div", { class: "bubble" }, item.text),
      );
      if (this.time) this.element.append(element("div", { class: "foot" }, this.time));
      this.update(context);
      return;
    }
    this.name = speaker(item.role, messages);
    this.element.append(this.name);
    const sources = new Sources(item.citations, messages);
    const rich = new RichText({
      cite: (number) => sources.reference(number),
      newTab: messages.newTab,
    });
    rich.show(
      item.role === "operator"
        ? plainParse(item.text)
        : markdownParse(textWithoutChoices(item.text, item.choices), item.citations.length),
    );
    if (item.text !== "") this.element.append(rich.element);
    if (item.choices.length > 0) {
      this.choices = new Choices(item.choices, messages, actions.choose);
      this.element.append(this.choices.element);
    }
    if (item.action !== null) {
      this.card = new ActionCard(item.action, messages, actions.decide);
      this.element.append(this.card.element);
    }
    if (item.outcome === "cancelled") {
      this.element.append(element("p", { class: "stopped" }, messages.stopped));
    }
    if (item.citations.length > 0) this.element.append(sources.element);
    const foot = element("div", { class: "foot" });
    if (item.role === "assistant" && item.outcome !== "cancelled" && item.replyTo !== null) {
      this.thumbs = new Thumbs(messages, actions.thumb);
      foot.append(this.thumbs.element);
    }
    if (this.time) foot.append(this.time);
    if (foot.hasChildNodes()) this.element.append(foot);
    if (this.thumbs) this.element.append(this.thumbs.form);
    this.update(context);
  }

  update(context: MessageContext): void {
    if (this.name) shown(this.name, context.named);
    this.thumbs?.update(context.thumb);
    this.choices?.update(context.newest);
    this.card?.update(context.action, context.deciding, context.now);
    if (this.time && this.item.at !== null) {
      const words = timeWords(this.item.at, context.now, context.language);
      if (this.time.textContent !== words) {
        this.time.textContent = words;
        this.time.dateTime = new Date(this.item.at).toISOString();
        this.time.title = new Date(this.item.at).toLocaleString();
      }
    }
  }
}

/** Says who speaks: an AI is never mistaken for a person, nor a person for an AI. */
export function speaker(role: "assistant" | "operator", messages: Messages): HTMLElement {
  const name = role === "assistant" ? messages.assistant : messages.operator;
  return element(
    "div",
    { class: "speaker" },
    element("span", { class: "mark", "aria-hidden": "true" }),
    name,
  );
}

/** What a screen reader hears of an item. */
export function itemSpoken(item: Item, messages: Messages): string {
  if (item.role === "system") return systemWords(item, messages);
  const who = item.role === "operator" ? messages.operator : messages.assistant;
  const words = item.text.replace(/\[\d{1,2}\]|[*_`#|]/g, "");
  const said = `${who}: ${words || (item.outcome === "cancelled" ? messages.stopped : "")}`;
  return item.action === null ? said : `${said} ${actionSpoken(item.action, messages)}`;
}

function systemWords(item: Item, messages: Messages): string {
  if (item.text !== "") return item.text;
  if (item.outcome === "cancelled") return messages.stopped;
  if (item.mode === "human") return messages.handoffHuman;
  if (item.mode === "closed") return messages.closedNote;
  return item.outcome === "handoff" || item.mode === "queued" ? messages.handoffQueued : "";
}
