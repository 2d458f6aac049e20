/** What a customer may send; the desk checks the same again. */

const INVISIBLE = /[\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0]/gu;
const LONE_SURROGATE = /\p{Surrogate}/gu;

/** NFC without NUL and lone surrogates, without space at the ends. */
export function textNormalise(text: string): string {
  return text.replace(LONE_SURROGATE, "").replaceAll("\0", "").normalize("NFC").trim();
}

/** Code points, the unit in which the desk counts. */
export function textLength(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** True when nothing in the text can be seen. */
export function textIsBlank(text: string): boolean {
  return text.replace(INVISIBLE, "") === "";
}
