import type { Messages } from "../i18n";
import { textIsBlank, textLength, textNormalise } from "../text";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";

/** Code points that may be left before the counter shows. */
const COUNT_FROM_LEFT = 300;

export interface ComposerActions {
  /** False when the text was not taken. */
  send(text: string): boolean;
  stop(): void;
  typing(): void;
  rate(): void;
}

/** Where the customer writes. Enter sends, Shift+Enter breaks the line, an input method's Enter
 * only chooses its word. */
export class Composer {
  readonly element: HTMLFormElement;
  readonly input: HTMLTextAreaElement;
  private readonly counter = element("span", { class: "counter", role: "status" });
  private readonly send: HTMLButtonElement;
  private readonly stop: HTMLButtonElement;
  private readonly caution: HTMLElement;
  private readonly rate: HTMLButtonElement;
  private limit = 4000;
  private composing = false;

  constructor(
    private readonly messages: Messages,
    private readonly actions: ComposerActions,
  ) {
    this.input = element("textarea", {
      class: "input",
      rows: 1,
      enterkeyhint: "send",
      autocomplete: "off",
      "aria-label": messages.messageLabel,
      placeholder: messages.placeholder,
      on: {
        input: () => this.changed(),
        keydown: (event) => this.key(event as KeyboardEvent),
        compositionstart: () => (this.composing = true),
        compositionend: () => (this.composing = false),
      },
    });
    this.send = this.button("send", messages.send, "submit");
    this.stop = this.button("stop", messages.stop, "button");
    this.stop.addEventListener("click", () => {
      this.actions.stop();
      this.input.focus();
    });
    this.caution = element("span", {}, messages.caution);
    this.rate = element(
      "button",
      { type: "button", class: "link quiet", on: { click: () => actions.rate() } },
      messages.rate,
    );
    this.element = element(
      "form",
      {
        class: "composer",
        on: {
          submit: (event) => {
            event.preventDefault();
            this.submit();
          },
        },
      },
      element("div", { class: "field" }, this.input, this.stop, this.send),
      element("div", { class: "below" }, this.counter, this.caution, this.rate),
    );
    this.changed();
  }

  update(state: {
    busy: boolean;
    limit: number;
    toPerson: boolean;
    rateable: boolean;
  }): void {
    this.limit = state.limit;
    shown(this.stop, state.busy);
    this.input.placeholder = state.toPerson
      ? this.messages.placeholderHuman
      : this.messages.placeholder;
    shown(this.caution, !state.toPerson);
    shown(this.rate, state.rateable);
    this.check();
  }

  /** The words that were not sent, to bring them over to a new view. */
  get text(): string {
    return this.input.value;
  }

  set text(text: string) {
    this.input.value = text;
    this.changed();
  }

  private key(event: KeyboardEvent): void {
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    // keyCode 229: Safari tells of the Enter that ended a composition after the composition.
    if (event.isComposing || this.composing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit();
  }

  private submit(): void {
    if (!this.sendable || !this.actions.send(this.input.value)) return;
    this.text = "";
    this.input.focus();
  }

  private changed(): void {
    this.input.style.height = "auto";
    if (this.input.scrollHeight > 0) this.input.style.height = `${this.input.scrollHeight}px`;
    this.check();
    if (this.input.value !== "") this.actions.typing();
  }

  private check(): void {
    const left = this.limit - textLength(textNormalise(this.input.value));
    this.send.disabled = !this.sendable;
    this.element.classList.toggle("over", left < 0);
    if (left >= COUNT_FROM_LEFT) textSet(this.counter, "");
    else textSet(this.counter, left < 0 ? this.messages.over(-left) : this.messages.left(left));
  }

  private get sendable(): boolean {
    const text = textNormalise(this.input.value);
    return !textIsBlank(text) && textLength(text) <= this.limit;
  }

  private button(name: "send" | "stop", label: string, type: string): HTMLButtonElement {
    return element(
      "button",
      { type, class: `round ${name}`, title: label, "aria-label": label },
      icon(name),
    );
  }
}
