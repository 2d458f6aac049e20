import type { Messages } from "../i18n";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";

export interface StarsActions {
  give(score: number, comment: string): void;
  /** The sheet is done with, answered or not. */
  done(): void;
}

/** Asks once how the conversation was: one to five stars and, if wanted, a few words. */
export class StarsSheet {
  readonly element: HTMLElement;
  private readonly stars: HTMLInputElement[] = [];
  private readonly word = element("p", { class: "star-word", role: "status" });
  private readonly comment: HTMLTextAreaElement;
  private readonly ask: HTMLFormElement;
  private readonly thanks: HTMLElement;
  private readonly submit: HTMLButtonElement;
  private score = 0;

  constructor(
    private readonly messages: Messages,
    private readonly actions: StarsActions,
  ) {
    this.comment = element("textarea", {
      class: "comment",
      rows: 2,
      maxlength: 1000,
      placeholder: messages.commentLabel,
      "aria-label": messages.commentLabel,
    });
    this.submit = element("button", { type: "submit", class: "button primary", disabled: true }, messages.submit);
    this.ask = element(
      "form",
      { class: "sheet-body", on: { submit: (event) => this.sent(event) } },
      element("h2", { class: "sheet-title" }, messages.rateTitle),
      element("p", { class: "sheet-note" }, messages.rateNote),
      this.row(),
      this.word,
      this.comment,
      element(
        "div",
        { class: "sheet-actions" },
        element(
          "button",
          { type: "button", class: "button", on: { click: () => actions.done() } },
          messages.skip,
        ),
        this.submit,
      ),
    );
    this.thanks = element("p", { class: "sheet-thanks", role: "status", tabindex: -1 });
    this.element = element(
      "section",
      { class: "sheet", hidden: true, "aria-label": messages.rate },
      this.ask,
      this.thanks,
    );
  }

  get open(): boolean {
    return !this.element.hidden;
  }

  show(): void {
    shown(this.ask, true);
    textSet(this.thanks, "");
    shown(this.element, true);
    (this.stars[this.score - 1] ?? this.stars[0])?.focus();
  }

  hide(): void {
    shown(this.element, false);
  }

  /** Radio buttons: arrow keys and screen readers know them. */
  private row(): HTMLElement {
    const row = element("div", { class: "stars", role: "radiogroup", "aria-label": this.messages.rateTitle });
    this.messages.starWords.forEach((word, index) => {
      const input = element("input", {
        type: "radio",
        name: "stars",
        value: index + 1,
        "aria-label": `${this.messages.star(index + 1)}, ${word}`,
        on: { change: () => this.choose(index + 1) },
      });
      this.stars.push(input);
      row.append(element("label", { class: "star", title: word }, input, icon("star")));
    });
    return row;
  }

  private choose(score: number): void {
    this.score = score;
    this.stars.forEach((input, index) => input.parentElement!.classList.toggle("on", index < score));
    textSet(this.word, this.messages.starWords[score - 1] ?? "");
    this.submit.disabled = false;
  }

  private sent(event: Event): void {
    event.preventDefault();
    if (this.score === 0) return;
    this.actions.give(this.score, this.comment.value.trim());
    shown(this.ask, false);
    textSet(this.thanks, this.messages.rateThanks);
    this.thanks.focus();
    setTimeout(() => this.actions.done(), 1200);
  }
}
