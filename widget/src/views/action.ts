import type { ActionNow } from "../conversation";
import type { Messages } from "../i18n";
import type { Action } from "../protocol";
import { element, shown, textSet } from "./dom";
import { icon } from "./icons";

/** The customer's answer that is on its way to the desk, or null. */
export type Deciding = "confirm" | "decline" | null;

/**
 * A change to confirm: every value that will be sent, and two buttons. After the decision the
 * buttons give way to what became of it; the desk tells the rest in a message of its own.
 */
export class ActionCard {
  readonly element: HTMLElement;
  private readonly buttons: HTMLElement;
  private readonly due = element("p", { class: "action-due" });
  private readonly words = element("span", { class: "action-words" });
  private readonly state: HTMLElement;
  private shownState = "";

  constructor(
    action: Action,
    private readonly messages: Messages,
    decide: (confirmed: boolean) => void,
  ) {
    const title = `action-${action.id}`;
    const press = (label: string, kind: string, confirmed: boolean): HTMLButtonElement =>
      element(
        "button",
        {
          type: "button",
          class: `button ${kind}`,
          on: {
            click: () => {
              decide(confirmed);
              this.state.focus(); // the buttons are about to go
            },
          },
        },
        label,
      );
    this.buttons = element(
      "div",
      { class: "action-buttons" },
      press(messages.actionConfirm, "primary", true),
      press(messages.actionCancel, "", false),
    );
    this.state = element(
      "p",
      { class: "action-state", role: "status", tabindex: -1 },
      icon("check"),
      icon("alert"),
      this.words,
    );
    this.element = element(
      "section",
      { class: "action", "aria-labelledby": title },
      element("h3", { class: "action-title", id: title }, messages.actionTitle),
      element(
        "dl",
        { class: "action-rows" },
        ...action.rows.map(([label, value]) =>
          element("div", {}, element("dt", {}, label), element("dd", {}, value)),
        ),
      ),
      this.buttons,
      this.due,
      this.state,
    );
  }

  update(now: ActionNow | undefined, deciding: Deciding, clock: number): void {
    const state = now?.state ?? "expired";
    const open = state === "pending" && deciding === null;
    shown(this.buttons, open);
    shown(this.due, open && (now?.dueAt ?? null) !== null);
    const left = Math.ceil(((now?.dueAt ?? clock) - clock) / 60_000);
    textSet(this.due, open ? this.messages.actionDue(Math.max(1, left)) : "");
    const told = open ? "pending" : state === "pending" ? "confirmed" : state;
    if (told !== this.shownState) {
      this.shownState = told;
      this.element.dataset["state"] = told;
      textSet(this.words, told === "pending" ? "" : this.messages.actionStates[told]);
    }
  }
}

/** What a screen reader hears of a change to confirm. */
export function actionSpoken(action: Action, messages: Messages): string {
  const rows = action.rows.map(([label, value]) => `${label}: ${value}`);
  return [messages.actionTitle, ...rows].join(". ");
}
