import assert from "node:assert/strict";
import { test } from "node:test";
import { itemRead } from "../src/protocol";
import { textWithoutChoices } from "../src/views/choices";

const TITLES = ["How to return", "Who pays for returns"];
const TEXT = "Which do you mean?\n1. How to return\n2. Who pays for returns\nSend its number.";

test("the buttons stand for the numbered lines, and for no others", () => {
  assert.equal(textWithoutChoices(TEXT, TITLES), "Which do you mean?\nSend its number.");
  assert.equal(textWithoutChoices("1. How to return", ["Other"]), "1. How to return");
  assert.equal(textWithoutChoices(TEXT, []), TEXT);
});

test("an item's choices are texts; what else comes is left out", () => {
  const item = itemRead({ seq: 1, role: "assistant", text: TEXT, choices: [...TITLES, 7, "", null] });
  assert.deepEqual(item.choices, TITLES);
  assert.deepEqual(itemRead({ seq: 1, role: "assistant", text: "x" }).choices, []);
});
