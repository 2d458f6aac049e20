import type { Desk } from "../desk";
import type { Language, Messages } from "../i18n";
import type { Item } from "../protocol";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";
import { LiveView } from "./live";
import { MessageView, type MessageContext } from "./message";
import { OutgoingView } from "./outgoing";

const NEAR_END_PX = 80;

/** The conversation, oldest above; it follows its end until the customer scrolls away. */
export class TranscriptView {
  readonly element: HTMLElement;
  private readonly scroller: HTMLElement;
  private readonly rows: HTMLElement;
  private readonly welcome = element("p", { class: "welcome-text" });
  private readonly title: HTMLElement;
  private readonly missing: HTMLElement;
  private readonly more: HTMLButtonElement;
  private readonly items = new Map<number, MessageView>();
  private readonly outgoing = new Map<string, OutgoingView>();
  private live: { replyTo: string; view: LiveView } | null = null;
  private following = true;
  private newest = 0;

  constructor(
    private readonly desk: Desk,
    private readonly messages: Messages,
    private readonly language: Language,
    private readonly calm: () => boolean,
  ) {
    this.title = element("p", { class: "welcome-title" }, messages.welcomeTitle);
    this.missing = element("p", { class: "note missing", hidden: true }, messages.missing);
    this.rows = element("div", { class: "rows" });
    this.scroller = element(
      "div",
      {
        class: "scroller",
        // A log is read out by a region of its own (announcer.ts), in whole messages.
        role: "log",
        "aria-live": "off",
        tabindex: 0,
        on: { scroll: () => this.scrolled() },
      },
      this.intro(),
      this.missing,
      this.rows,
    );
    this.more = element(
      "button",
      { type: "button", class: "more", hidden: true, on: { click: () => this.toEnd(true) } },
      icon("down"),
      messages.newMessages,
    );
    this.element = element("div", { class: "transcript" }, this.scroller, this.more);
  }

  /** Whether the customer sees the end. */
  get atEnd(): boolean {
    return this.following;
  }

  label(shop: string): void {
    this.scroller.setAttribute("aria-label", this.messages.panelLabel(shop));
  }

  update(now: number): void {
    const own = this.desk.welcome[this.language] ?? "";
    textSet(this.welcome, own || this.messages.welcome);
    shown(this.title, own === ""); // the shop greets in its own words
    shown(this.missing, this.desk.missing);
    const transcript = this.desk.conversation.transcript.filter(visible);
    this.place([
      ...transcript.map((item, index) =>
        this.itemRow(item, transcript[index - 1], index === transcript.length - 1, now),
      ),
      ...this.outgoingRows(),
      ...this.liveRow(now),
    ]);
    this.notice(transcript.at(-1));
  }

  /** Goes to the end and stays there. */
  toEnd(smooth = false): void {
    this.following = true;
    shown(this.more, false);
    this.scroller.scrollTo({
      top: this.scroller.scrollHeight,
      behavior: smooth && !this.calm() ? "smooth" : "instant",
    });
  }

  private intro(): HTMLElement {
    return element(
      "div",
      { class: "intro" },
      this.title,
      this.welcome,
      element("p", { class: "disclosure" }, this.messages.disclosure),
    );
  }

  private itemRow(
    item: Item,
    before: Item | undefined,
    last: boolean,
    now: number,
  ): HTMLElement {
    const context: MessageContext = {
      messages: this.messages,
      language: this.language,
      now,
      named: before?.role !== item.role,
      thumb: this.desk.feedback.thumbOf(this.desk.conversation.id, item.seq),
      newest: last && this.desk.outbox.all().length === 0,
      action: item.action === null ? undefined : this.desk.conversation.actionOf(item.action.id),
      deciding:
        item.action === null ? null : (this.desk.decidingOf(item.action.id)?.type ?? null),
    };
    const known = this.items.get(item.seq);
    if (known) {
      known.update(context);
      return known.element;
    }
    const view = new MessageView(item, context, {
      thumb: (score, why) => this.desk.thumb(item.seq, score, why),
      choose: (title) => {
        if (this.desk.send(title)) this.toEnd();
      },
      decide: (confirmed) => {
        if (item.action !== null) this.desk.decide(item.action, confirmed);
      },
    });
    this.items.set(item.seq, view);
    return view.element;
  }

  private outgoingRows(): HTMLElement[] {
    const online = this.desk.connectionState === "online";
    const waiting = this.desk.outbox.all();
    for (const id of this.outgoing.keys()) {
      if (!waiting.some((message) => message.id === id)) this.outgoing.delete(id);
    }
    return waiting.map((message) => {
      let view = this.outgoing.get(message.id);
      if (!view) {
        view = new OutgoingView(message, this.messages, this.desk);
        this.outgoing.set(message.id, view);
      }
      view.update(message, online);
      return view.element;
    });
  }

  /** The turn that is worked on: the one with text, else the newest. */
  private liveRow(now: number): HTMLElement[] {
    const { conversation } = this.desk;
    const turns = conversation.openTurns;
    const turn = turns.find((one) => conversation.draftOf(one.replyTo)?.text) ?? turns.at(-1);
    if (this.live && this.live.replyTo !== turn?.replyTo) {
      this.live.view.end();
      this.live = null;
    }
    if (!turn) return [];
    this.live ??= {
      replyTo: turn.replyTo,
      view: new LiveView(this.messages, this.calm, () => this.follow()),
    };
    const draft = conversation.draftOf(turn.replyTo);
    this.live.view.update(draft, conversation.statusOf(turn.replyTo), turn.stopping, now);
    return [this.live.view.element];
  }

  /** Puts the rows in order and touches only those that moved. */
  private place(rows: HTMLElement[]): void {
    const wanted = new Set<Node>(rows);
    for (const child of [...this.rows.childNodes]) if (!wanted.has(child)) child.remove();
    rows.forEach((row, index) => {
      const there = this.rows.childNodes[index];
      if (there !== row) this.rows.insertBefore(row, there ?? null);
    });
    if (rows.length === 0) this.items.clear();
    this.follow();
  }

  private notice(last: Item | undefined): void {
    if (!last || last.seq <= this.newest) {
      if (!last) this.newest = 0;
      return;
    }
    this.newest = last.seq;
    if (!this.following && last.role !== "customer") shown(this.more, true);
  }

  private follow(): void {
    if (this.following) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  private scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.following = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.following) shown(this.more, false);
  }
}

/** Merged turns have no words of their own: the next answer speaks for them. */
function visible(item: Item): boolean {
  if (item.outcome === "merged") return false;
  return item.text !== "" || item.role === "system" || item.outcome === "cancelled";
}
