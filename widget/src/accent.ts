/** The shop's own colour, made readable: WCAG 2.2 relative luminance decides the text on it. */

export type Rgb = readonly [number, number, number];

export interface Palette {
  accent: Rgb;
  /** Text on the accent. */
  ink: Rgb;
  /** A faint surface of the same hue. */
  soft: Rgb;
}

const WHITE: Rgb = [255, 255, 255];
const BLACK: Rgb = [16, 22, 19];
const PAPER: Readonly<Record<"light" | "dark", Rgb>> = {
  light: [252, 251, 248],
  dark: [22, 27, 25],
};
const READABLE = 4.5;

/** Moves the colour away from the paper until text in it can be read there. */
export function paletteOf(colour: Rgb, scheme: "light" | "dark"): Palette {
  const paper = PAPER[scheme];
  const away = scheme === "light" ? BLACK : WHITE;
  let accent = colour;
  for (let step = 1; step <= 20 && contrast(accent, paper) < READABLE; step++) {
    accent = mix(colour, away, step / 20);
  }
  return {
    accent,
    ink: contrast(accent, WHITE) >= READABLE ? WHITE : BLACK,
    soft: mix(paper, accent, scheme === "light" ? 0.11 : 0.2),
  };
}

export function contrast(one: Rgb, other: Rgb): number {
  const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

/** The numbers of a computed `rgb(...)`, or null for another notation. */
export function rgbRead(computed: string): Rgb | null {
  const match = /^rgba?\((\d+), (\d+), (\d+)/.exec(computed);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : null;
}

export function rgbWrite(colour: Rgb): string {
  return `rgb(${colour.map(Math.round).join(" ")})`;
}

function mix(from: Rgb, to: Rgb, share: number): Rgb {
  const part = (index: 0 | 1 | 2): number => from[index] + (to[index] - from[index]) * share;
  return [part(0), part(1), part(2)];
}

function luminance(colour: Rgb): number {
  const linear = (value: number): number => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2]);
}
