import { element } from "./dom";

/**
 * What a screen reader says: whole messages and changes of state, once each, while the transcript
 * itself stays silent and its deltas are never read.
 */
export class Announcer {
  readonly element = element("div", { class: "aside", "aria-live": "polite", "aria-atomic": "false" });

  say(words: string): void {
    if (words === "") return;
    this.element.append(element("p", {}, words));
    while (this.element.childNodes.length > 3) this.element.firstChild!.remove();
  }
}
