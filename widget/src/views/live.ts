import type { Draft, TurnStatus } from "../conversation";
import type { Messages } from "../i18n";
import { markdownParse, markdownSettle } from "../markdown";
import { Typewriter } from "../typewriter";
import { element, textSet } from "./dom";
import { speaker } from "./message";
import { RichText } from "./rich";

/** Numbers in a half-written answer are shown, their passages come with the final item. */
const MOST_CITATIONS = 20;

/** The answer that is being prepared: its state, and its text as far as it is written. */
export class LiveView {
  readonly element: HTMLElement;
  private readonly rich: RichText;
  private readonly words = element("span", { class: "live-words" });
  private readonly typewriter: Typewriter;

  constructor(
    private readonly messages: Messages,
    calm: () => boolean,
    private readonly grown: () => void,
  ) {
    this.rich = new RichText({
      cite: (number) => {
        const chip = element("span", { class: "cite" }, String(number));
        return element("span", { class: "cite-place" }, "\u2060", chip);
      },
      newTab: messages.newTab,
    });
    this.typewriter = new Typewriter((text) => this.show(text), calm);
    this.element = element(
      "article",
      { class: "message assistant live" },
      speaker("assistant", messages),
      this.rich.element,
      element(
        "div",
        { class: "live-state" },
        element("span", { class: "dots", "aria-hidden": "true" }, element("i"), element("i"), element("i")),
        this.words,
      ),
    );
  }

  update(draft: Draft | undefined, status: TurnStatus | undefined, stopping: boolean, now: number): void {
    textSet(this.words, stopping ? this.messages.stopping : this.statusWords(draft, status, now));
    this.element.classList.toggle("stopping", stopping);
    if (!stopping) this.typewriter.write(draft?.text ?? "");
    else this.typewriter.stop();
  }

  end(): void {
    this.typewriter.stop();
    this.element.remove();
  }

  private show(text: string): void {
    const settled = markdownSettle(text);
    this.rich.show(settled === "" ? [] : markdownParse(settled, MOST_CITATIONS));
    this.grown();
  }

  private statusWords(draft: Draft | undefined, status: TurnStatus | undefined, now: number): string {
    if (draft && draft.text !== "") return this.messages.writing;
    switch (status?.state) {
      case "queued": {
        const left = status.dueAt === null ? null : Math.ceil((status.dueAt - now) / 1000);
        return this.messages.queued(status.position, left !== null && left > 0 ? left : null);
      }
      case "tool":
        return status.label ?? this.messages.tool;
      case "writing":
        return this.messages.writing;
      default:
        return this.messages.thinking;
    }
  }
}
