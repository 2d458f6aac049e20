import type { ConnectionState } from "../connection";
import type { Messages } from "../i18n";
import { element, shown, textSet } from "./dom";

export interface NoticeActions {
  reconnect(): void;
  reload(): void;
}

/** The strip under the header that says when the desk cannot be reached, and what to do. */
export class Notice {
  readonly element: HTMLElement;
  private readonly words = element("span", { class: "notice-words" });
  private readonly button = element("button", { type: "button", class: "link" });
  private act: () => void = () => undefined;

  constructor(
    private readonly messages: Messages,
    private readonly actions: NoticeActions,
  ) {
    this.button.addEventListener("click", () => this.act());
    this.element = element(
      "div",
      { class: "notice", role: "status", hidden: true },
      element("span", { class: "notice-dot", "aria-hidden": "true" }),
      this.words,
      this.button,
    );
  }

  update(state: ConnectionState, waiting: number, everOnline: boolean): void {
    const { messages } = this;
    const words: Partial<Record<ConnectionState, string>> = {
      connecting: everOnline ? undefined : messages.connecting,
      offline: waiting > 0 ? messages.offlineQueued(waiting) : messages.offline,
      paused: messages.paused,
      refused: messages.refused,
      outdated: messages.outdated,
    } as Partial<Record<ConnectionState, string>>;
    const labels: Partial<Record<ConnectionState, string>> = {
      offline: messages.retry,
      paused: messages.resume,
      outdated: messages.reload,
    };
    textSet(this.words, words[state] ?? "");
    textSet(this.button, labels[state] ?? "");
    shown(this.button, labels[state] !== undefined);
    shown(this.element, words[state] !== undefined);
    this.element.className = `notice ${state}`;
    this.act = state === "outdated" ? this.actions.reload : this.actions.reconnect;
  }
}
