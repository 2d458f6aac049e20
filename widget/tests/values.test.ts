import assert from "node:assert/strict";
import { test } from "node:test";
import { contrast, paletteOf, rgbRead } from "../src/accent";
import { Backoff } from "../src/backoff";
import { languageChoose } from "../src/config";
import { MESSAGES, shopName } from "../src/i18n";
import { textIsBlank, textLength, textNormalise } from "../src/text";

test("waits grow from half a second to half a minute, with jitter", () => {
  const least = new Backoff(() => 0);
  const most = new Backoff(() => 0.999999);
  const lows = Array.from({ length: 10 }, () => least.next());
  const highs = Array.from({ length: 10 }, () => most.next());
  assert.deepEqual(lows.slice(0, 4), [500, 1000, 2000, 4000]);
  assert.equal(lows.at(-1), 15_000);
  assert.deepEqual(highs.slice(0, 2), [1000, 2000]);
  assert.equal(highs.at(-1), 30_000);
});

test("text is counted in code points after normalisation", () => {
  assert.equal(textLength("退货🙂"), 3);
  assert.equal(textNormalise(" e\u0301\0\ud800 "), "é");
});

test("text without anything to see is blank", () => {
  assert.equal(textIsBlank("\u200b \u2060\n\ufeff"), true);
  assert.equal(textIsBlank("。"), false);
});

test("the language is the wished one, else the browser's, else English", () => {
  assert.equal(languageChoose("zh", ["en"]), "zh");
  assert.equal(languageChoose("auto", ["fr-FR", "zh-TW", "en"]), "zh");
  assert.equal(languageChoose("auto", ["de"]), "en");
});

test("a shop with a name in each language is called by the customer's", () => {
  assert.equal(shopName("青禾家居 Greenstem Home", "zh"), "青禾家居");
  assert.equal(shopName("青禾家居 Greenstem Home", "en"), "Greenstem Home");
  assert.equal(shopName("Lantern Tea", "zh"), "Lantern Tea");
});

test("any colour of a shop becomes readable on both papers", () => {
  for (const computed of ["rgb(255, 235, 59)", "rgb(0, 0, 0)", "rgb(255, 255, 255)", "rgb(220, 38, 38)"]) {
    for (const [scheme, paper] of [["light", [252, 251, 248]], ["dark", [22, 27, 25]]] as const) {
      const palette = paletteOf(rgbRead(computed)!, scheme);
      assert.ok(contrast(palette.accent, paper) >= 4.5, `${computed} on ${scheme}`);
      assert.ok(contrast(palette.ink, palette.accent) >= 4.5, `text on ${computed}, ${scheme}`);
    }
  }
});

test("both languages have every reason and error", () => {
  assert.deepEqual(Object.keys(MESSAGES.zh.reasons), Object.keys(MESSAGES.en.reasons));
  assert.deepEqual(Object.keys(MESSAGES.zh.errors), Object.keys(MESSAGES.en.errors));
});
