import type { Messages } from "../i18n";
import type { Citation } from "../protocol";
import { element } from "./dom";
import { icon } from "./icons";

/** What an answer rests on: numbered chips, and below them the passage that was asked for. */
export class Sources {
  readonly element: HTMLElement;
  private readonly card = element("div", { class: "passage", hidden: true });
  private readonly buttons = new Map<number, HTMLButtonElement[]>();
  private open: number | null = null;

  constructor(
    private readonly citations: readonly Citation[],
    private readonly messages: Messages,
  ) {
    const list = element("ul", { class: "source-list", "aria-label": messages.sources });
    citations.forEach((citation, index) => {
      const chip = this.button(index + 1, "source");
      chip.append(
        element("span", { class: "number" }, String(index + 1)),
        " ", // or the words that are read out would not be those that are seen
        element("span", { class: "source-title" }, citation.title || citation.id),
      );
      list.append(element("li", {}, chip));
    });
    const head = element("span", { class: "source-head", "aria-hidden": "true" }, messages.sources);
    this.element = element("div", { class: "sources" }, head, list, this.card);
  }

  /** The small number inside a sentence. */
  reference(number: number): Node {
    const chip = this.button(number, "cite");
    chip.append(String(number));
    // Brackets for those who copy the text; invisible, as the chip shows what it is.
    return element(
      "span",
      { class: "cite-place" },
      "\u2060", // word joiner: a line does not begin with the number
      element("span", { class: "bracket" }, "["),
      chip,
      element("span", { class: "bracket" }, "]"),
    );
  }

  private button(number: number, kind: string): HTMLButtonElement {
    const title = this.citations[number - 1]?.title ?? "";
    const button = element("button", {
      type: "button",
      class: kind,
      "aria-label": this.messages.sourceLabel(number, title),
      "aria-expanded": "false",
      on: { click: () => this.toggle(number) },
    });
    this.buttons.set(number, [...(this.buttons.get(number) ?? []), button]);
    return button;
  }

  private toggle(number: number): void {
    this.open = this.open === number ? null : number;
    for (const [each, buttons] of this.buttons) {
      for (const button of buttons) {
        button.setAttribute("aria-expanded", String(each === this.open));
      }
    }
    const citation = this.open === null ? undefined : this.citations[this.open - 1];
    this.card.hidden = citation === undefined;
    if (!citation) return;
    this.card.replaceChildren(
      element(
        "div",
        { class: "passage-head" },
        icon("book"),
        element("strong", {}, citation.title || citation.id),
        element(
          "button",
          {
            type: "button",
            class: "bare",
            "aria-label": this.messages.closeSource,
            on: { click: () => this.toggle(number) },
          },
          icon("close"),
        ),
      ),
      element("p", { class: "passage-text" }, citation.text),
    );
    this.card.scrollIntoView({ block: "nearest" });
  }
}
