const SVG = "http://www.w3.org/2000/svg";

/** Outlines on a 24 by 24 grid, drawn for this widget with one stroke width. */
const PATHS = {
  chat: ["M4 11.2C4 7.2 7.6 4 12 4s8 3.2 8 7.2-3.6 7.2-8 7.2c-.9 0-1.8-.1-2.6-.4L5 20l.9-3.7A6.9 6.9 0 0 1 4 11.2Z", "M9 11.2h.01M12 11.2h.01M15 11.2h.01"],
  down: ["m6 9.5 6 6 6-6"],
  close: ["M6.5 6.5l11 11M17.5 6.5l-11 11"],
  person: ["M12 12.2a3.6 3.6 0 1 0 0-7.2 3.6 3.6 0 0 0 0 7.2Z", "M5 19.5c.6-3.3 3.4-5 7-5s6.4 1.7 7 5"],
  star: ["m12 4.2 2.4 4.9 5.4.8-3.9 3.8.9 5.4-4.8-2.6-4.8 2.6.9-5.4-3.9-3.8 5.4-.8L12 4.2Z"],
  send: ["M12 19V5.5", "m6 11 6-5.8 6 5.8"],
  stop: ["M8.5 7.5h7a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-7a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z"],
  up: ["M7.5 10.8v8.4H5.2a.9.9 0 0 1-.9-.9v-6.6a.9.9 0 0 1 .9-.9h2.3Z", "m7.5 10.8 3.6-6.4c1.3 0 2.2 1 2.2 2.3v3h4.6c1.1 0 2 1 1.8 2.1l-1 5.8a1.9 1.9 0 0 1-1.9 1.6H7.5"],
  thumbDown: ["M16.5 13.2V4.8h2.3c.5 0 .9.4.9.9v6.6c0 .5-.4.9-.9.9h-2.3Z", "m16.5 13.2-3.6 6.4c-1.3 0-2.2-1-2.2-2.3v-3H6.1c-1.1 0-2-1-1.8-2.1l1-5.8a1.9 1.9 0 0 1 1.9-1.6h9.3"],
  clock: ["M12 19.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15Z", "M12 8v4.2l2.8 1.6"],
  alert: ["M12 19.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15Z", "M12 8.2v4.6M12 15.8h.01"],
  check: ["m5.5 12.5 4.2 4.2 8.8-9.4"],
  book: ["M5 5.5h5a2 2 0 0 1 2 2v11a2 2 0 0 0-2-1.5H5v-11.5Z", "M19 5.5h-5a2 2 0 0 0-2 2v11a2 2 0 0 1 2-1.5h5v-11.5Z"],
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("focusable", "false");
  svg.setAttribute("class", `icon icon-${name}`);
  for (const d of PATHS[name]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
