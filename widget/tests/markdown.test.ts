import assert from "node:assert/strict";
import { test } from "node:test";
import {
  linkSafe,
  markdownParse,
  markdownSettle,
  plainParse,
  type Branch,
  type Tree,
} from "../src/markdown";

function branches(trees: readonly Tree[]): Branch[] {
  return trees.flatMap((tree) =>
    typeof tree === "object" && "tag" in tree ? [tree, ...branches(tree.children)] : [],
  );
}

function words(trees: readonly Tree[]): string {
  return trees
    .map((tree) =>
      typeof tree === "string" ? tree : "cite" in tree ? `<${tree.cite}>` : words(tree.children),
    )
    .join("");
}

const links = (text: string): (string | undefined)[] =>
  branches(markdownParse(text, 0))
    .filter((branch) => branch.tag === "a")
    .map((branch) => branch.href);

test("emphasis ends before full-width punctuation", () => {
  const strong = branches(markdownParse("这是**重点：**后面", 0)).find((one) => one.tag === "strong");
  assert.equal(words(strong!.children), "重点：");
});

test("a bare address ends where Chinese text goes on", () => {
  const tree = markdownParse("请见https://shop.example/a?b=1。谢谢", 0);
  assert.deepEqual(links("请见https://shop.example/a?b=1。谢谢"), ["https://shop.example/a?b=1"]);
  assert.equal(words(tree), "请见https://shop.example/a?b=1。谢谢");
});

test("only web, mail and telephone addresses become links", () => {
  assert.deepEqual(links("[a](javascript:alert(1))"), []);
  assert.deepEqual(links("[a](data:text/html,x)"), []);
  assert.deepEqual(links("[a](vbscript:x)"), []);
  assert.deepEqual(links("[a](/orders)"), []);
  assert.deepEqual(links("[a](mailto:help@shop.example) [b](tel:+861234)"), [
    "mailto:help@shop.example",
    "tel:+861234",
  ]);
  assert.equal(linkSafe("java\nscript:alert(1)"), null);
});

test("HTML stays words", () => {
  const tree = markdownParse('<img src=x onerror="alert(1)"> and <b>bold</b>', 0);
  assert.equal(words(tree), '<img src=x onerror="alert(1)"> and <b>bold</b>');
  assert.deepEqual(
    branches(tree).map((branch) => branch.tag),
    ["p"],
  );
});

test("an image is its description", () => {
  assert.equal(words(markdownParse("![a cup](https://x.example/c.png)", 0)), "a cup");
});

test("reference definitions cannot capture the numbers of citations", () => {
  const tree = markdownParse("See [1].\n\n[1]: https://evil.example", 1);
  assert.equal(words(tree).startsWith("See<1>."), true);
  assert.equal(
    branches(tree).some((branch) => branch.tag === "a" && words(branch.children) === "1"),
    false,
  );
});

test("numbers beyond the citations stay text", () => {
  assert.equal(words(markdownParse("甲[1]乙[3]【2】", 2)), "甲<1>乙[3]<2>");
});

test("a table has a head and cells", () => {
  const tags = branches(markdownParse("|a|b|\n|-|-|\n|1|2|", 0)).map((branch) => branch.tag);
  assert.deepEqual(tags, ["table", "tr", "th", "th", "tr", "td", "td"]);
});

test("a line break is kept", () => {
  assert.deepEqual(markdownParse("one\ntwo", 0), [
    { tag: "p", children: ["one", { tag: "br", children: [] }, "two"] },
  ]);
});

test("markers that are not closed yet are not shown", () => {
  assert.equal(markdownSettle("Within **7 da"), "Within **7 da**");
  assert.equal(markdownSettle("Within **"), "Within ");
  assert.equal(markdownSettle("see [the page](https://x.exam"), "see ");
  assert.equal(markdownSettle("done [1]"), "done [1]");
});

test("a person's text is taken word for word", () => {
  assert.equal(words(plainParse("2*3*4 = 24 **!** https://a.example/x.")), "2*3*4 = 24 **!** https://a.example/x.");
  assert.equal(branches(plainParse("https://a.example/x.")).find((one) => one.tag === "a")?.href, "https://a.example/x");
});
