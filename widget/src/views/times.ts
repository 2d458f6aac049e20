import { LANG_TAG, type Language } from "../i18n";

const DAY_MS = 86_400_000;

/** A time as people say it: the hour today, with the day before that. */
export function timeWords(at: number, now: number, language: Language): string {
  const then = new Date(at);
  const locale = LANG_TAG[language];
  const hour = then.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", hour12: false });
  const days = Math.round((midnight(now) - midnight(at)) / DAY_MS);
  if (days === 0) return hour;
  if (days === 1) return `${language === "zh" ? "昨天" : "Yesterday"} ${hour}`;
  return `${then.toLocaleDateString(locale, { month: "short", day: "numeric" })} ${hour}`;
}

function midnight(at: number): number {
  return new Date(at).setHours(0, 0, 0, 0);
}
