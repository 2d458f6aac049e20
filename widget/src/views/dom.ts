type Handler = (event: Event) => void;
type Child = Node | string | null | undefined | false;

export interface Properties {
  class?: string;
  on?: Readonly<Record<string, Handler>>;
  [attribute: string]: string | number | boolean | undefined | Readonly<Record<string, Handler>>;
}

/** An element with attributes, listeners and children; text is always text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, handler] of Object.entries(value as Record<string, Handler>)) {
        made.addEventListener(event, handler);
      }
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== undefined && value !== false) {
      made.setAttribute(name, String(value));
    }
  }
  for (const child of children) if (child) made.append(child);
  return made;
}

/** Sets the text of a node only when it differs, so that screen readers and selections rest. */
export function textSet(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function shown(node: HTMLElement, visible: boolean): void {
  if (node.hidden === visible) node.hidden = !visible;
}
