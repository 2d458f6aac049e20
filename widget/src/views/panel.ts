import type { Desk } from "../desk";
import { focusKeepInside } from "../focus";
import type { Language, Messages } from "../i18n";
import { Announcer } from "./announcer";
import { Composer } from "./composer";
import { element, shown } from "./dom";
import { Header } from "./header";
import { itemSpoken } from "./message";
import { Notice } from "./notice";
import { StarsSheet } from "./stars";
import { TranscriptView } from "./transcript";

/** The chat itself: header, notice, transcript, composer, and the sheet that asks for stars. */
export class Panel {
  readonly element: HTMLElement;
  readonly announcer = new Announcer();
  private readonly header: Header;
  private readonly notice: Notice;
  private readonly transcript: TranscriptView;
  private readonly composer: Composer;
  private readonly stars: StarsSheet;
  private readonly closed: HTMLElement;
  private everOnline = false;
  private spoken: number | null = null;
  private closeAfterStars = false;

  constructor(
    private readonly desk: Desk,
    private readonly messages: Messages,
    language: Language,
    calm: () => boolean,
    private readonly leave: () => void,
  ) {
    this.header = new Header(messages, {
      person: () => desk.requestPerson(),
      close: () => this.close(),
    });
    this.notice = new Notice(messages, {
      reconnect: () => desk.connect(),
      reload: () => window.location.reload(),
    });
    this.transcript = new TranscriptView(desk, messages, language, calm);
    this.composer = new Composer(messages, {
      send: (text) => this.send(text),
      stop: () => desk.stop(),
      typing: () => desk.typing(),
      rate: () => this.askStars(),
    });
    this.stars = new StarsSheet(messages, {
      give: (score, comment) => desk.stars(score, comment),
      done: () => this.starsDone(),
    });
    this.closed = element(
      "div",
      { class: "closed", hidden: true },
      element("p", {}, messages.closedNote),
      element(
        "button",
        { type: "button", class: "button primary", on: { click: () => desk.startAnew() } },
        messages.startNew,
      ),
    );
    this.element = element(
      "section",
      { class: "panel", role: "dialog", tabindex: -1, hidden: true },
      this.header.element,
      this.notice.element,
      this.transcript.element,
      this.closed,
      this.composer.element,
      this.stars.element,
      this.announcer.element,
    );
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  show(full: boolean, takeFocus: boolean): void {
    shown(this.element, true);
    this.fill(full);
    this.transcript.toEnd();
    if (!takeFocus) return;
    // On a touch screen the keyboard would at once hide what is to be read.
    if (window.matchMedia("(pointer: fine)").matches) this.composer.input.focus();
    else this.element.focus();
  }

  /** Puts words into the field, for the customer to send. */
  suggest(text: string): void {
    this.composer.text = text;
    this.composer.input.focus();
  }

  hide(): void {
    this.stars.hide();
    this.closeAfterStars = false;
    shown(this.element, false);
  }

  fill(full: boolean): void {
    this.element.setAttribute("aria-modal", String(full));
  }

  update(now: number): void {
    const { desk } = this;
    const { conversation } = desk;
    const state = desk.connectionState;
    if (state === "online") this.everOnline = true;
    const name = desk.siteName || this.messages.defaultName;
    this.element.setAttribute("aria-label", this.messages.panelLabel(name));
    this.transcript.label(name);
    this.header.update({
      name: desk.siteName,
      mode: conversation.mode,
      personAsked: desk.personAsked,
    });
    this.notice.update(state, desk.outbox.all().length, this.everOnline);
    this.transcript.update(now);
    this.composer.update({
      busy: conversation.openTurns.some((turn) => !turn.stopping) && state === "online",
      limit: desk.textLimit,
      toPerson: conversation.mode !== "bot",
      rateable: conversation.lastAnswerSeq > 0 && desk.feedback.starsOf(conversation.id) === null,
    });
    const over = conversation.mode === "closed";
    shown(this.closed, over);
    shown(this.composer.element, !over && state !== "refused");
    this.speak();
    if (this.open && !document.hidden && this.transcript.atEnd) desk.seen();
  }

  /** Closes, after the one question for stars where it is due. */
  close(): void {
    const { conversation, feedback } = this.desk;
    const due =
      conversation.lastAnswerSeq > 0 &&
      this.desk.connectionState === "online" &&
      feedback.starsOf(conversation.id) === null &&
      !feedback.asked(conversation.id);
    if (due && !this.stars.open) {
      this.closeAfterStars = true;
      this.askStars();
    } else {
      this.leave();
    }
  }

  private askStars(): void {
    this.desk.feedback.markAsked(this.desk.conversation.id);
    this.stars.show();
  }

  private starsDone(): void {
    if (!this.stars.open) return;
    this.stars.hide();
    if (this.closeAfterStars) this.leave();
    else this.composer.input.focus();
  }

  private send(text: string): boolean {
    if (!this.desk.send(text)) return false;
    this.transcript.toEnd();
    return true;
  }

  /** Reads out what came since the chat was first loaded. */
  private speak(): void {
    const { conversation } = this.desk;
    if (!this.everOnline) return;
    const from = (this.spoken ??= conversation.headSeq);
    for (const item of conversation.transcript) {
      if (item.seq > from && item.role !== "customer") {
        this.announcer.say(itemSpoken(item, this.messages));
      }
    }
    this.spoken = Math.max(from, conversation.transcript.at(-1)?.seq ?? 0);
  }

  private key(event: KeyboardEvent): void {
    // What is typed here is none of the shop's keyboard shortcuts.
    event.stopPropagation();
    if (event.key === "Escape" && !event.isComposing) {
      event.preventDefault();
      if (this.stars.open && !this.closeAfterStars) this.starsDone();
      else this.close();
    } else if (this.element.getAttribute("aria-modal") === "true") {
      focusKeepInside(this.element, event);
    }
  }
}
