import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "../src/conversation";
import { frameDecode, itemRead, type Item } from "../src/protocol";

let now = 1_000_000;
const made = (): Conversation => {
  const conversation = new Conversation(() => now);
  conversation.enter("c1", "bot", 0);
  return conversation;
};
const item = (seq: number, more: Record<string, unknown> = {}): Item =>
  itemRead({ seq, role: "assistant", text: `text ${seq}`, ...more });
const delta = (n: number, text: string, fence = 1) =>
  ({ type: "delta", replyTo: "m1", fence, n, text }) as const;

test("items are kept once and in order, whatever order they come in", () => {
  const conversation = made();
  for (const seq of [3, 1, 3, 2]) conversation.apply({ type: "item", item: item(seq) });
  assert.deepEqual(conversation.transcript.map((one) => one.seq), [1, 2, 3]);
  assert.equal(conversation.lastSeq, 3);
});

test("a missing item holds the resume number back", () => {
  const conversation = made();
  for (const seq of [1, 3]) conversation.apply({ type: "item", item: item(seq) });
  assert.equal(conversation.lastSeq, 1);
  assert.equal(conversation.incomplete, true);
});

test("the final item replaces the draft, and late deltas are dropped", () => {
  const conversation = made();
  conversation.acknowledge("m1", 1, "hello", now);
  conversation.apply(delta(1, "Seven "));
  conversation.apply(delta(2, "days"));
  assert.equal(conversation.draftOf("m1")?.text, "Seven days");
  conversation.apply({ type: "item", item: item(2, { reply_to: "m1", outcome: "answer" }) });
  conversation.apply(delta(3, " more"));
  assert.equal(conversation.draftOf("m1"), undefined);
  assert.deepEqual(conversation.openTurns, []);
});

test("a reset begins a new draft, and the old attempt's deltas are dropped", () => {
  const conversation = made();
  conversation.apply(delta(1, "wrong"));
  conversation.apply({ type: "reset", replyTo: "m1", fence: 2 });
  conversation.apply(delta(2, " late", 1));
  conversation.apply(delta(1, "right", 2));
  assert.equal(conversation.draftOf("m1")?.text, "right");
});

test("text after a lost delta is not shown with a hole", () => {
  const conversation = made();
  conversation.apply(delta(1, "It is "));
  conversation.apply(delta(3, "allowed"));
  assert.equal(conversation.draftOf("m1")?.text, "It is ");
});

test("a delta that comes twice is shown once", () => {
  const conversation = made();
  conversation.apply(delta(0, "a"));
  conversation.apply(delta(0, "a"));
  conversation.apply(delta(1, "b"));
  assert.equal(conversation.draftOf("m1")?.text, "ab");
});

test("history does not change the mode that the desk told", () => {
  const conversation = new Conversation(() => now);
  conversation.enter("c1", "bot", 2);
  conversation.apply({ type: "item", item: item(1, { role: "system", outcome: "handoff" }) });
  conversation.apply({ type: "item", item: item(2, { role: "operator" }) });
  assert.equal(conversation.mode, "bot");
  conversation.apply({ type: "item", item: item(3, { role: "operator" }) });
  assert.equal(conversation.mode, "human");
});

test("a turn of which nobody speaks is not waited for without end", () => {
  const conversation = made();
  conversation.acknowledge("m1", 1, "hello", now);
  assert.equal(conversation.openTurns.length, 1);
  now += 61_000;
  assert.equal(conversation.openTurns.length, 0);
});

test("another conversation begins empty", () => {
  const conversation = made();
  conversation.apply({ type: "item", item: item(1) });
  conversation.enter("c2", "bot", 0);
  assert.equal(conversation.lastSeq, 0);
  assert.deepEqual(conversation.transcript, []);
});

test("malformed and unknown frames are ignored", () => {
  const bad = ["{", "[1]", "null", '{"type":"item"}', '{"type":"ack","seq":-1}', '{"type":"new"}'];
  for (const text of bad) assert.equal(frameDecode(text), null, text);
  assert.equal(frameDecode(new ArrayBuffer(1)), null);
  assert.equal(frameDecode('{"type":"item","seq":1,"role":"robot","text":""}'), null);
});
