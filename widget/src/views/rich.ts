import type { Branch, Tree } from "../markdown";
import { element } from "./dom";

export interface RichOptions {
  /** Makes the reference to the n-th citation. */
  cite(number: number): Node;
  /** Read out after a link's words. */
  newTab: string;
}

/** DOM nodes of parsed Markdown, element by element; no text is ever read as HTML. */
export function richNodes(trees: readonly Tree[], options: RichOptions): Node[] {
  return trees.map((tree) => {
    if (typeof tree === "string") return document.createTextNode(tree);
    if ("cite" in tree) return options.cite(tree.cite);
    return richElement(tree, options);
  });
}

/** Shows blocks and keeps those at the top that did not change, with their selection. */
export class RichText {
  readonly element = element("div", { class: "rich" });
  private keys: string[] = [];

  constructor(private readonly options: RichOptions) {}

  show(blocks: readonly Tree[]): void {
    const keys = blocks.map((block) => JSON.stringify(block));
    let same = 0;
    while (same < keys.length && keys[same] === this.keys[same]) same++;
    while (this.element.childNodes.length > same) this.element.lastChild!.remove();
    this.element.append(...richNodes(blocks.slice(same), this.options));
    this.keys = keys;
  }
}

function richElement(tree: Branch, options: RichOptions): HTMLElement {
  const children = richNodes(tree.children, options);
  switch (tree.tag) {
    case "a": {
      const link = element("a", {
        href: tree.href,
        target: "_blank",
        rel: "noopener noreferrer nofollow",
      });
      link.append(...children, element("span", { class: "aside" }, ` ${options.newTab}`));
      return link;
    }
    case "h":
      // The heading levels of the shop's page are not ours to extend.
      return fill(element("p", { class: "heading" }), children);
    case "ol":
      return fill(element("ol", tree.start === 1 ? {} : { start: tree.start }), children);
    case "table":
      return fill(
        element("div", { class: "table", tabindex: 0, role: "group" }),
        [fill(element("table"), children)],
      );
    default:
      return fill(element(tree.tag), children);
  }
}

function fill<T extends HTMLElement>(parent: T, children: Node[]): T {
  parent.append(...children);
  return parent;
}
