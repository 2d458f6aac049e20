import { fields, Malformed, numberOr, textOr } from "./protocol";
import type { Store } from "./storage";

export type OutgoingState = "waiting" | "failed";

/** A customer's message that the desk has not acknowledged yet. */
export interface Outgoing {
  id: string;
  text: string;
  /** Milliseconds since the epoch. */
  at: number;
  state: OutgoingState;
  /** Error code of the desk, when it refused the message for good. */
  error: string | null;
  /** Whether it went onto a connection at least once, so that the desk may know it. */
  tried: boolean;
}

const NAME = "out:";

/**
 * Messages kept in storage until the desk acknowledged them, oldest first.
 *
 * Each lies under a key of its own, so that several tabs cannot overwrite each other's. A retry
 * keeps the id; the desk answers a message that it knows with the same acknowledgement.
 */
export class Outbox {
  private messages: Outgoing[] = [];

  constructor(private readonly store: Store) {
    this.reload();
  }

  /** Reads storage again, after another tab wrote there. */
  reload(): void {
    const tried = new Set(this.messages.filter((one) => one.tried).map((one) => one.id));
    this.messages = this.store
      .names(NAME)
      .map((name) => outgoingRead(this.store.get(name)))
      .filter((one): one is Outgoing => one !== null)
      .map((one) => ({ ...one, tried: one.tried || tried.has(one.id) }))
      .sort((one, other) => one.at - other.at || (one.id < other.id ? -1 : 1));
  }

  all(): readonly Outgoing[] {
    return this.messages;
  }

  find(id: string): Outgoing | undefined {
    return this.messages.find((one) => one.id === id);
  }

  /** The message whose turn it is: one at a time, so that order survives refusals. */
  next(): Outgoing | undefined {
    return this.messages.find((one) => one.state === "waiting");
  }

  add(message: { id: string; text: string; at: number }): Outgoing {
    const newest = this.messages.at(-1)?.at ?? 0;
    const outgoing: Outgoing = {
      ...message,
      at: Math.max(message.at, newest + 1), // a clock that was set back must not reorder
      state: "waiting",
      error: null,
      tried: false,
    };
    this.messages.push(outgoing);
    this.keep(outgoing);
    return outgoing;
  }

  mark(id: string, change: Partial<Pick<Outgoing, "state" | "error" | "tried">>): void {
    const found = this.find(id);
    if (!found) return;
    Object.assign(found, change);
    this.keep(found);
  }

  remove(id: string): void {
    this.messages = this.messages.filter((one) => one.id !== id);
    this.store.remove(NAME + id);
  }

  private keep(message: Outgoing): void {
    this.store.set(NAME + message.id, message);
  }
}

function outgoingRead(value: unknown): Outgoing | null {
  try {
    const raw = fields(value);
    const id = textOr(raw["id"]);
    const text = textOr(raw["text"]);
    if (id === null || text === null) return null;
    return {
      id,
      text,
      at: numberOr(raw["at"]) ?? 0,
      state: raw["state"] === "failed" ? "failed" : "waiting",
      error: textOr(raw["error"]),
      tried: raw["tried"] === true,
    };
  } catch (error) {
    if (error instanceof Malformed) return null;
    throw error;
  }
}
