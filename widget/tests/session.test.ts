import assert from "node:assert/strict";
import { test } from "node:test";
import type { Environment } from "../src/environment";
import { Session } from "../src/session";
import { Store } from "../src/storage";
import { MapBacking } from "./backing";

interface Asked {
  body: { identity_jwt?: string; resume_token?: string };
  answer: (status: number, token: string) => void;
}

/** A desk that answers when the test lets it. */
class Desk {
  readonly asked: Asked[] = [];
  private next: (() => void) | null = null;

  readonly environment: Environment = {
    now: () => 0,
    random: () => 0,
    uuid: () => "1",
    after: () => ({ cancel: () => undefined }),
    socket: () => assert.fail("no socket is opened"),
    exclusively: (_name, work) => work(),
    fetch: (_url, init) =>
      new Promise((resolve) => {
        this.asked.push({
          body: JSON.parse(String(init.body)) as Asked["body"],
          answer: (status, token) =>
            resolve(
              new Response(
                JSON.stringify({ token, conversation: "c", resume_token: `r-${token}` }),
                { status },
              ),
            ),
        });
        this.next?.();
      }),
  };

  /** The number-th request, as soon as it comes. */
  async request(number: number): Promise<Asked> {
    while (this.asked.length < number) {
      await new Promise<void>((resolve) => {
        this.next = resolve;
      });
    }
    return this.asked[number - 1]!;
  }
}

function sessionMake(desk: Desk, identity: string | null): Session {
  const site = { deskUrl: "https://desk", siteKey: "k", language: "en", region: "", identity };
  return new Session(desk.environment, new Store(new MapBacking(), "k:"), site);
}

test("an identity told while the desk is asked counts: the one before never serves", async () => {
  const desk = new Desk();
  const session = sessionMake(desk, "ann");
  const info = session.ensure();
  const first = await desk.request(1);
  session.identify("ben");
  first.answer(200, "of-ann");
  const second = await desk.request(2);
  second.answer(200, "of-ben");
  assert.equal((await info).token, "of-ben");
  assert.deepEqual([first, second].map((one) => one.body.identity_jwt), ["ann", "ben"]);
  assert.equal((await session.ensure()).token, "of-ben");
});

test("who logs out while the desk is asked becomes a stranger without a way back", async () => {
  const desk = new Desk();
  const session = sessionMake(desk, "ann");
  const info = session.ensure();
  const first = await desk.request(1);
  session.identify(null);
  first.answer(200, "of-ann");
  const second = await desk.request(2);
  second.answer(200, "nobody");
  assert.equal((await info).token, "nobody");
  assert.equal("identity_jwt" in second.body || "resume_token" in second.body, false);
});

test("a refusal of the identity before does not take the new one away", async () => {
  const desk = new Desk();
  const session = sessionMake(desk, "old");
  const info = session.ensure();
  const first = await desk.request(1);
  session.identify("new");
  first.answer(403, "");
  (await desk.request(2)).answer(200, "stranger");
  const third = await desk.request(3);
  third.answer(200, "of-new");
  assert.equal((await info).token, "of-new");
  assert.equal(third.body.identity_jwt, "new");
});
