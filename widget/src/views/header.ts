import type { Messages } from "../i18n";
import type { Mode } from "../protocol";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";

export interface HeaderActions {
  person(): void;
  close(): void;
}

/** Names the shop, says who answers, and holds the way to a person. */
export class Header {
  readonly element: HTMLElement;
  private readonly seal = element("span", { class: "seal", "aria-hidden": "true" });
  private readonly name = element("h2", { class: "shop" });
  private readonly subtitle = element("p", { class: "subtitle" });
  private readonly chip = element("span", { class: "ai" }, "AI");
  private readonly words = element("span");
  private readonly person: HTMLButtonElement;
  private readonly personWord = element("span");

  constructor(
    private readonly messages: Messages,
    actions: HeaderActions,
  ) {
    this.subtitle.append(this.chip, this.words);
    this.person = element(
      "button",
      {
        type: "button",
        class: "person",
        title: messages.personLong,
        "aria-label": messages.personLong,
        on: { click: () => actions.person() },
      },
      icon("person"),
      this.personWord,
    );
    this.element = element(
      "header",
      { class: "header" },
      this.seal,
      element("div", { class: "names" }, this.name, this.subtitle),
      this.person,
      this.button("close", messages.close, actions.close),
    );
  }

  update(state: { name: string; mode: Mode; personAsked: boolean }): void {
    const { messages } = this;
    const name = state.name || messages.defaultName;
    textSet(this.name, name);
    textSet(this.seal, [...name][0]?.toUpperCase() ?? "");
    textSet(
      this.words,
      {
        bot: messages.subtitleBot,
        queued: messages.subtitleQueued,
        human: messages.subtitleHuman,
        closed: messages.subtitleClosed,
      }[state.mode],
    );
    shown(this.chip, state.mode === "bot");
    this.element.dataset["mode"] = state.mode;
    shown(this.person, state.mode === "bot");
    textSet(this.personWord, state.personAsked ? messages.personAsked : messages.person);
    this.person.disabled = state.personAsked;
  }

  private button(name: "close", label: string, press: () => void): HTMLButtonElement {
    return element(
      "button",
      { type: "button", class: "tool", title: label, "aria-label": label, on: { click: () => press() } },
      icon(name),
    );
  }
}
