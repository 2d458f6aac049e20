/**
 * Entry: reads the script tag, puts `<support-desk>` on the page and offers `window.SupportDesk`.
 */
import { configRead } from "./config";
import type { Identity } from "./session";
import { SupportDeskElement } from "./views/widget";

export interface SupportDeskApi {
  /** Opens the chat; a text is put into its field, for the customer to send. */
  open(text?: string): void;
  close(): void;
  /** A signed identity (JWT) of the customer, or a function that gives a fresh one each time it
   * is needed; null when they signed out. */
  identify(jwt: Identity | null): void;
}

declare global {
  interface Window {
    SupportDesk?: SupportDeskApi;
  }
}

const NAME = "support-desk";

function begin(script: HTMLScriptElement): void {
  const config = configRead(script, navigator.languages);
  customElements.define(NAME, SupportDeskElement);
  const desk = document.createElement(NAME) as SupportDeskElement;
  document.body.append(desk); // first: colours are computed on the page only
  desk.begin(config);
  window.SupportDesk = {
    open: (text) => desk.show(typeof text === "string" ? text : ""),
    close: () => desk.hide(),
    identify: (jwt) => desk.identify(jwt),
  };
  window.dispatchEvent(new Event("supportdesk:ready"));
}

// The tag is known only while it runs; the page may need a moment longer to have a body.
const script =
  (document.currentScript as HTMLScriptElement | null) ??
  document.querySelector<HTMLScriptElement>("script[data-site-key]");
if (!script) console.error("supportdesk: no script tag with data-site-key was found.");
else if (customElements.get(NAME)) console.warn("supportdesk: the widget is on this page already.");
else if (document.body) begin(script);
else document.addEventListener("DOMContentLoaded", () => begin(script), { once: true });
