import type { Messages } from "../i18n";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";

/** The button in the corner of the shop's page. */
export class Launcher {
  readonly element: HTMLButtonElement;
  private readonly badge = element("span", { class: "badge", hidden: true, "aria-hidden": "true" });

  constructor(
    private readonly messages: Messages,
    press: () => void,
  ) {
    this.element = element(
      "button",
      {
        type: "button",
        class: "launcher",
        "aria-haspopup": "dialog",
        "aria-expanded": "false",
        on: { click: press },
      },
      icon("chat"),
      icon("down"),
      element("span", { class: "launcher-word", "aria-hidden": "true" }, messages.launcher),
      this.badge,
    );
  }

  update(open: boolean, unread: number): void {
    this.element.classList.toggle("open", open);
    this.element.setAttribute("aria-expanded", String(open));
    this.element.setAttribute(
      "aria-label",
      open ? this.messages.close : this.messages.launcherOpen(unread),
    );
    shown(this.badge, !open && unread > 0);
    textSet(this.badge, unread > 9 ? "9+" : String(unread));
  }
}
