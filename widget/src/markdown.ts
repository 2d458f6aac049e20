/**
 * Markdown as a small tree of the few elements that an answer may have.
 *
 * Nothing here or after it handles HTML as text: the tree becomes DOM nodes one by one, raw HTML
 * and images stay words, and an address that is not http, https, mailto or tel is dropped.
 */
import type { Nodes, Parents, PhrasingContent, Root, RootContent } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmAutolinkLiteralFromMarkdown } from "mdast-util-gfm-autolink-literal";
import { gfmTableFromMarkdown } from "mdast-util-gfm-table";
import { cjkFriendlyExtension } from "micromark-extension-cjk-friendly";
import { gfmAutolinkLiteral } from "micromark-extension-gfm-autolink-literal";
import { gfmTable } from "micromark-extension-gfm-table";

export type Tag =
  | "p"
  | "h"
  | "ul"
  | "ol"
  | "li"
  | "blockquote"
  | "pre"
  | "code"
  | "em"
  | "strong"
  | "a"
  | "br"
  | "hr"
  | "table"
  | "tr"
  | "th"
  | "td";

export type Leaf = string | { cite: number };
export interface Branch {
  tag: Tag;
  children: Tree[];
  /** Of a link; its scheme has been checked. */
  href?: string;
  /** First number of an ordered list. */
  start?: number;
}
export type Tree = Leaf | Branch;

// Reference definitions could turn our "[1]" into a link of the writer's choice; HTML, indented
// code and underlined headings are never meant in a chat.
const OFF = ["definition", "htmlFlow", "htmlText", "codeIndented", "setextUnderline"];

const OPTIONS = {
  extensions: [
    gfmTable(),
    gfmAutolinkLiteral(),
    cjkFriendlyExtension(),
    { disable: { null: OFF } },
  ],
  mdastExtensions: [gfmTableFromMarkdown(), gfmAutolinkLiteralFromMarkdown()],
};

/** Blocks of an answer; "[n]" up to `citations` becomes a reference to the n-th citation. */
export function markdownParse(text: string, citations: number): Tree[] {
  const root: Root = fromMarkdown(text, OPTIONS);
  return branches(root, citations);
}

/** Text of a person, word for word: only line breaks and addresses are more than words. */
export function plainParse(text: string): Tree[] {
  return text
    .split(/\n{2,}/)
    .map((paragraph) => ({ tag: "p" as const, children: plainInline(paragraph) }));
}

/** The text without markers that a half-written answer has not closed yet. */
export function markdownSettle(text: string): string {
  let settled = text.replace(/!?\[[^\]\n]*$|!?\[[^\]\n]*\]\([^)\n]*$/, "");
  settled = settled.replace(/(^|[^*_`])(?:\*{1,3}|_{1,3}|`{1,2})$/, "$1");
  const line = settled.slice(settled.lastIndexOf("\n\n") + 1);
  if ((line.match(/\*\*/g)?.length ?? 0) % 2 === 1) settled += "**";
  return settled;
}

/** An address that a link may have, or null. */
export function linkSafe(address: string): string | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null; // relative or broken: on the shop's page it would lead anywhere
  }
  return ["http:", "https:", "mailto:", "tel:"].includes(url.protocol) ? url.href : null;
}

function branches(parent: Parents, citations: number): Tree[] {
  return (parent.children as (RootContent | PhrasingContent)[]).flatMap((node) =>
    branch(node, citations),
  );
}

function branch(node: Nodes, citations: number): Tree[] {
  const children = (tag: Tag): Tree[] => [
    { tag, children: "children" in node ? branches(node, citations) : [] },
  ];
  switch (node.type) {
    case "text":
      return inline(node.value, citations);
    case "paragraph":
      return children("p");
    case "heading":
      return children("h");
    case "emphasis":
      return children("em");
    case "strong":
      return children("strong");
    case "blockquote":
      return children("blockquote");
    case "list": {
      const items = branches(node, citations);
      if (!node.ordered) return [{ tag: "ul", children: items }];
      return [{ tag: "ol", children: items, start: node.start ?? 1 }];
    }
    case "listItem":
      return [{ tag: "li", children: loosen(node.spread, branches(node, citations)) }];
    case "inlineCode":
      return [{ tag: "code", children: [node.value] }];
    case "code":
      return [{ tag: "pre", children: [{ tag: "code", children: [node.value] }] }];
    case "break":
      return [{ tag: "br", children: [] }];
    case "thematicBreak":
      return [{ tag: "hr", children: [] }];
    case "link":
      return link(node.url, branches(node, 0));
    case "image":
      return node.alt ? [node.alt] : [];
    case "table":
      return [
        {
          tag: "table",
          children: node.children.map((row, index) => ({
            tag: "tr" as const,
            children: row.children.map((cell) => ({
              tag: index === 0 ? ("th" as const) : ("td" as const),
              children: branches(cell, citations),
            })),
          })),
        },
      ];
    case "html":
      return [node.value];
    default:
      return "children" in node ? branches(node as Parents, citations) : [];
  }
}

/** A tight list item holds its words without a paragraph around them. */
function loosen(spread: boolean | null | undefined, children: Tree[]): Tree[] {
  if (spread) return children;
  return children.flatMap((child) =>
    typeof child === "object" && "tag" in child && child.tag === "p" ? child.children : [child],
  );
}

const AFTER_ADDRESS = /[^\x21-\x7e]/;

/**
 * A link, where its address may be followed. An address that the writer put down bare ends at the
 * first character that is not ASCII: "见https://a.example/b。谢谢" goes on after it.
 */
function link(address: string, children: Tree[]): Tree[] {
  const words = children.length === 1 && typeof children[0] === "string" ? children[0] : null;
  if (words !== null && address.endsWith(words) && !address.startsWith("mailto:")) {
    const cut = words.search(AFTER_ADDRESS);
    if (cut > 0) {
      const shorter = address.slice(0, address.length - words.length + cut);
      return [...link(shorter, [words.slice(0, cut)]), ...plainInline(words.slice(cut))];
    }
  }
  const href = linkSafe(address);
  return href === null ? children : [{ tag: "a", href, children }];
}

const CITATION = /\[(\d{1,2})\]|【(\d{1,2})】/g;

function inline(text: string, citations: number): Tree[] {
  const found: Tree[] = [];
  let from = 0;
  for (const match of text.matchAll(CITATION)) {
    const number = Number(match[1] ?? match[2]);
    if (number < 1 || number > citations) continue;
    found.push(...lines(text.slice(from, match.index).replace(/ +$/, "")), { cite: number });
    from = match.index + match[0].length;
  }
  found.push(...lines(text.slice(from)));
  return found;
}

/** In a chat a line break is a line break. */
function lines(text: string): Tree[] {
  return text
    .split("\n")
    .flatMap((line, index): Tree[] => (index === 0 ? [line] : [{ tag: "br", children: [] }, line]))
    .filter((tree) => tree !== "");
}

const ADDRESS = /https?:\/\/[\x21\x23-\x3b\x3d\x3f-\x7e]+/g;

function plainInline(text: string): Tree[] {
  const found: Tree[] = [];
  let from = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = match[0].replace(/[.,;:!?'")\]]+$/, "");
    const href = linkSafe(address);
    if (href === null) continue;
    found.push(...lines(text.slice(from, match.index)), { tag: "a", href, children: [address] });
    from = match.index + address.length;
  }
  found.push(...lines(text.slice(from)));
  return found;
}
