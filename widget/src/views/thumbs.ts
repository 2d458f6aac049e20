import type { Thumb } from "../feedback";
import { REASONS, type Messages, type Reason } from "../i18n";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";

export type ThumbGiven = (
  score: 0 | 1,
  why: { reasons: Reason[]; comment: string } | null,
) => void;

/** Thumbs under an answer; a thumb down asks what was wrong. */
export class Thumbs {
  readonly element: HTMLElement;
  readonly form: HTMLFormElement;
  private readonly up: HTMLButtonElement;
  private readonly down: HTMLButtonElement;
  private readonly thanks = element("span", { class: "thanks", role: "status" });
  private readonly chosen = new Set<Reason>();

  constructor(
    private readonly messages: Messages,
    private readonly given: ThumbGiven,
  ) {
    this.up = this.button("up", messages.helpful, () => this.choose(1));
    this.down = this.button("thumbDown", messages.unhelpful, () => this.choose(0));
    this.element = element("div", { class: "thumbs" }, this.up, this.down, this.thanks);
    this.form = this.makeForm();
  }

  update(thumb: Thumb | null): void {
    this.up.setAttribute("aria-pressed", String(thumb?.score === 1));
    this.down.setAttribute("aria-pressed", String(thumb?.score === 0));
    textSet(
      this.thanks,
      thumb && (thumb.score === 1 || thumb.explained) ? this.messages.thanks : "",
    );
  }

  private choose(score: 0 | 1): void {
    this.given(score, null);
    shown(this.form, score === 0);
    if (score === 0) this.form.scrollIntoView({ block: "nearest" });
  }

  private button(name: "up" | "thumbDown", label: string, press: () => void): HTMLButtonElement {
    return element(
      "button",
      {
        type: "button",
        class: "thumb",
        title: label,
        "aria-label": label,
        "aria-pressed": "false",
        on: { click: press },
      },
      icon(name),
    );
  }

  private makeForm(): HTMLFormElement {
    const words = this.messages;
    const comment = element("textarea", {
      class: "comment",
      rows: 2,
      maxlength: 1000,
      placeholder: words.commentLabel,
      "aria-label": words.commentLabel,
    });
    const reasons = REASONS.map((reason) => {
      const chip = element(
        "button",
        {
          type: "button",
          class: "reason",
          "aria-pressed": "false",
          on: {
            click: () => {
              if (!this.chosen.delete(reason)) this.chosen.add(reason);
              chip.setAttribute("aria-pressed", String(this.chosen.has(reason)));
            },
          },
        },
        words.reasons[reason],
      );
      return chip;
    });
    const form = element(
      "form",
      {
        class: "why",
        hidden: true,
        on: {
          submit: (event) => {
            event.preventDefault();
            this.given(0, { reasons: [...this.chosen], comment: comment.value.trim() });
            shown(form, false);
          },
        },
      },
      element("p", { class: "why-title" }, words.whatWrong),
      element("div", { class: "reasons", role: "group", "aria-label": words.whatWrong }, ...reasons),
      comment,
      element("button", { type: "submit", class: "button primary" }, words.submit),
    );
    return form;
  }
}
