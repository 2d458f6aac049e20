import type { Language } from "./i18n";

export type Theme = "auto" | "light" | "dark";

/** What the shop wrote on its script tag. */
export interface Config {
  /** Address of the desk without a slash at the end; a path is kept. */
  deskUrl: string;
  siteKey: string;
  language: Language;
  region: string;
  /** A signed identity of the customer, or null. */
  identity: string | null;
  theme: Theme;
  side: "left" | "right";
  /** A CSS colour of the shop, or null for the widget's own. */
  accent: string | null;
}

const BUILT_PATH = /\/static\/widget\/[^/]*$/;

/** Reads a script tag; throws an Error that names what is missing. */
export function configRead(script: HTMLScriptElement, browserLanguages: readonly string[]): Config {
  const data = script.dataset;
  const siteKey = data["siteKey"]?.trim() ?? "";
  if (siteKey === "") throw new Error("supportdesk: the script tag needs data-site-key.");
  const source = new URL(script.src, document.baseURI);
  return {
    deskUrl: data["desk"]?.replace(/\/+$/, "") ?? source.origin + deskPath(source.pathname),
    siteKey,
    language: languageChoose(data["language"] ?? "auto", browserLanguages),
    region: data["region"]?.trim() ?? "",
    identity: data["identity"]?.trim() || null,
    theme: data["theme"] === "light" || data["theme"] === "dark" ? data["theme"] : "auto",
    side: data["position"] === "left" ? "left" : "right",
    accent: data["accent"]?.trim() || null,
  };
}

function deskPath(pathname: string): string {
  return BUILT_PATH.test(pathname) ? pathname.replace(BUILT_PATH, "") : "";
}

/** `zh` or `en` as wished; else the browser's first language that is one of them; else English. */
export function languageChoose(wish: string, browserLanguages: readonly string[]): Language {
  for (const tag of [wish, ...browserLanguages]) {
    const primary = tag.toLowerCase().split(/[-_]/, 1)[0];
    if (primary === "zh" || primary === "en") return primary;
  }
  return "en";
}
