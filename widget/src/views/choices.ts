import type { Messages } from "../i18n";
import { element } from "./dom";

/** Titles that an answer offers: each is a button that says it for the customer. */
export class Choices {
  readonly element: HTMLElement;
  private readonly buttons: HTMLButtonElement[];

  constructor(
    titles: readonly string[],
    messages: Messages,
    private readonly chosen: (title: string) => void,
  ) {
    this.buttons = titles.map((title) =>
      element(
        "button",
        { type: "button", class: "choice", on: { click: () => this.chosen(title) } },
        title,
      ),
    );
    this.element = element(
      "div",
      { class: "choices", role: "group", "aria-label": messages.choose },
      ...this.buttons,
    );
  }

  /** Only the newest answer can be chosen from. */
  update(open: boolean): void {
    for (const button of this.buttons) button.disabled = !open;
  }
}

/** The text without the numbered lines that the buttons stand for. */
export function textWithoutChoices(text: string, titles: readonly string[]): string {
  if (titles.length === 0) return text;
  const lines = new Set(titles.map((title, index) => `${index + 1}. ${title}`));
  return text
    .split("\n")
    .filter((line) => !lines.has(line.trim()))
    .join("\n");
}
