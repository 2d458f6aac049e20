import assert from "node:assert/strict";
import { test } from "node:test";
import { Outbox } from "../src/outbox";
import { Store, type Backing } from "../src/storage";
import { MapBacking } from "./backing";

test("messages outlive the page, in order and with their ids", () => {
  const backing = new MapBacking();
  const outbox = new Outbox(new Store(backing, "k:"));
  outbox.add({ id: "b", text: "first", at: 10 });
  outbox.add({ id: "a", text: "second", at: 10 });
  const reloaded = new Outbox(new Store(backing, "k:"));
  assert.deepEqual(reloaded.all().map((one) => [one.id, one.text]), [["b", "first"], ["a", "second"]]);
});

test("a clock that went back does not reorder messages", () => {
  const outbox = new Outbox(new Store(new MapBacking(), "k:"));
  outbox.add({ id: "x", text: "first", at: 100 });
  outbox.add({ id: "y", text: "second", at: 5 });
  outbox.reload();
  assert.deepEqual(outbox.all().map((one) => one.id), ["x", "y"]);
});

test("two tabs do not overwrite each other's messages", () => {
  const backing = new MapBacking();
  const one = new Outbox(new Store(backing, "k:"));
  const other = new Outbox(new Store(backing, "k:"));
  one.add({ id: "a", text: "a", at: 1 });
  other.add({ id: "b", text: "b", at: 2 });
  one.remove("a");
  assert.deepEqual(new Outbox(new Store(backing, "k:")).all().map((each) => each.id), ["b"]);
});

test("a refused message does not hold up the next", () => {
  const outbox = new Outbox(new Store(null, "k:"));
  outbox.add({ id: "a", text: "a", at: 1 });
  outbox.add({ id: "b", text: "b", at: 2 });
  outbox.mark("a", { state: "failed", error: "text_too_long" });
  assert.equal(outbox.next()?.id, "b");
});

test("storage that throws or holds rubbish is survived", () => {
  const forbidden: Backing = {
    get length(): number {
      throw new Error("denied");
    },
    key: () => null,
    getItem: () => {
      throw new Error("denied");
    },
    setItem: () => {
      throw new Error("denied");
    },
    removeItem: () => {
      throw new Error("denied");
    },
  };
  const outbox = new Outbox(new Store(forbidden, "k:"));
  outbox.add({ id: "a", text: "kept in memory", at: 1 });
  outbox.reload();
  assert.equal(outbox.next()?.text, "kept in memory");

  const backing = new MapBacking();
  backing.setItem("k:out:1", "{not json");
  backing.setItem("k:out:2", "[1]");
  assert.deepEqual(new Outbox(new Store(backing, "k:")).all(), []);
});
