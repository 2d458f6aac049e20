import type { Messages } from "../i18n";
import type { Outgoing } from "../outbox";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";

export interface OutgoingActions {
  retry(id: string): void;
  discard(id: string): void;
}

/** A message of the customer that the desk has not acknowledged. */
export class OutgoingView {
  readonly element: HTMLElement;
  private readonly state = element("span", { class: "state" });
  private readonly buttons: HTMLElement;
  private readonly discard: HTMLButtonElement;
  private readonly retry: HTMLButtonElement;

  constructor(message: Outgoing, private readonly messages: Messages, actions: OutgoingActions) {
    const act = (label: string, press: () => void): HTMLButtonElement =>
      element("button", { type: "button", class: "link", on: { click: press } }, label);
    this.retry = act(messages.retry, () => actions.retry(message.id));
    this.discard = act(messages.discard, () => actions.discard(message.id));
    this.buttons = element("span", { class: "state-actions" }, this.retry, this.discard);
    this.element = element(
      "article",
      { class: "message customer outgoing" },
      element("span", { class: "aside" }, `${messages.you}: `),
      element("div", { class: "bubble" }, message.text),
      element(
        "div",
        { class: "foot" },
        element("span", { class: "state-icons" }, icon("clock"), icon("alert")),
        this.state,
        this.buttons,
      ),
    );
  }

  update(message: Outgoing, online: boolean): void {
    const failed = message.state === "failed";
    this.element.classList.toggle("failed", failed);
    const words = failed
      ? (this.messages.errors[message.error ?? ""] ?? this.messages.failed)
      : online
        ? this.messages.sending
        : this.messages.pending;
    textSet(this.state, words);
    shown(this.retry, failed);
    // What may have reached the desk cannot be taken back here.
    shown(this.discard, failed || (!online && !message.tried));
  }
}
