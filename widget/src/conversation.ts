import type { Action, ActionState, Item, Mode, ServerFrame, TurnState } from "./protocol";

/** Text of an answer that is still being written. */
export interface Draft {
  replyTo: string;
  fence: number;
  /** Number of the next delta; null before the first. */
  expected: number | null;
  text: string;
  /** A delta was lost: what follows would be read with a hole, so it is not shown. */
  broken: boolean;
}

export interface TurnStatus {
  state: TurnState;
  position: number | null;
  /** When the answer is expected to begin, in milliseconds since the epoch. */
  dueAt: number | null;
  /** The desk's own words for it. */
  label: string | null;
}

/** A change that was offered, as it is now. */
export interface ActionNow {
  state: ActionState;
  /** Until when it may be confirmed, in milliseconds since the epoch. */
  dueAt: number | null;
}

/** A turn that waits for its outcome. */
export interface OpenTurn {
  replyTo: string;
  seq: number;
  stopping: boolean;
  /** When the desk last spoke of it, in milliseconds since the epoch. */
  since: number;
}

/**
 * The transcript as this browser knows it: durable items by number, drafts beside them.
 *
 * Items come in any order and more than once (resume, several tabs); the number decides. A final
 * item replaces the draft of its turn, and deltas that arrive after it are dropped.
 */
export class Conversation {
  id: string | null = null;
  mode: Mode = "bot";
  headSeq = 0;

  private readonly items = new Map<number, Item>();
  private readonly drafts = new Map<string, Draft>();
  private readonly statuses = new Map<string, TurnStatus>();
  private readonly open = new Map<string, OpenTurn>();
  private readonly actions = new Map<string, ActionNow>();
  private readonly answered = new Set<string>();
  private contiguous = 0;
  /** Items up to this number are history: the mode that the desk told is newer than they are. */
  private toldSeq = 0;
  private patienceMs = 60_000;

  constructor(private readonly now: () => number) {}

  /** Largest number up to which no item is missing. */
  get lastSeq(): number {
    return this.contiguous;
  }

  /** True when the desk has items that did not arrive. */
  get incomplete(): boolean {
    return this.headSeq > this.contiguous;
  }

  get transcript(): Item[] {
    return [...this.items.values()].sort((one, other) => one.seq - other.seq);
  }

  /** Turns that wait for an outcome; those that nobody spoke of for long are none. */
  get openTurns(): OpenTurn[] {
    const now = this.now();
    return [...this.open.values()]
      .filter((turn) => now - turn.since < this.patienceMs)
      .sort((one, other) => one.seq - other.seq);
  }

  get lastAnswerSeq(): number {
    const answers = [...this.items.values()].filter(
      (item) => (item.role === "assistant" || item.role === "operator") && item.text !== "",
    );
    return Math.max(0, ...answers.map((item) => item.seq));
  }

  draftOf(replyTo: string): Draft | undefined {
    return this.drafts.get(replyTo);
  }

  statusOf(replyTo: string): TurnStatus | undefined {
    return this.statuses.get(replyTo);
  }

  /** A change as it is now; one that nobody confirmed in time has expired. */
  actionOf(id: string): ActionNow | undefined {
    const known = this.actions.get(id);
    if (known?.state === "pending" && known.dueAt !== null && known.dueAt <= this.now()) {
      return { ...known, state: "expired" };
    }
    return known;
  }

  /** What the desk says of a change; an end that it has is never undone. */
  actionSettle(id: string, state: ActionState): void {
    const known = this.actions.get(id);
    if (known && !OPEN_STATES.has(known.state)) return;
    this.actions.set(id, { state, dueAt: known?.dueAt ?? null });
  }

  /** Begins anew when the desk speaks of another conversation. */
  enter(id: string, mode: Mode, headSeq: number): void {
    if (this.id !== null && this.id !== id) this.clear();
    this.id = id;
    this.mode = mode;
    this.headSeq = Math.max(this.headSeq, headSeq);
    this.toldSeq = headSeq;
    if (mode === "human" || mode === "queued" || mode === "closed") this.settle();
  }

  clear(): void {
    for (const map of [this.items, this.drafts, this.statuses, this.open, this.actions]) map.clear();
    this.answered.clear();
    this.contiguous = 0;
    this.headSeq = 0;
    this.toldSeq = 0;
    this.mode = "bot";
    this.id = null;
  }

  /** The customer's own message, once the desk gave it a number. */
  acknowledge(clientMessageId: string, seq: number, text: string, at: number): void {
    this.insert({
      seq,
      role: "customer",
      text,
      citations: [],
      choices: [],
      replyTo: null,
      outcome: null,
      tier: null,
      reason: null,
      clientMessageId,
      at,
      mode: null,
      action: null,
      settles: null,
    });
  }

  /** A stop that was asked for; the draft stays as it is until the outcome comes. */
  stop(replyTo: string): void {
    const turn = this.open.get(replyTo);
    if (turn) turn.stopping = true;
  }

  apply(frame: ServerFrame): void {
    switch (frame.type) {
      case "welcome":
        this.enter(frame.conversation, frame.mode, frame.headSeq);
        // Every outcome comes by the deadline; some more for the way and for clocks.
        if (frame.deadlineMs !== null) this.patienceMs = 2 * frame.deadlineMs + 10_000;
        break;
      case "item":
        this.insert(frame.item);
        break;
      case "mode":
        this.mode = frame.mode;
        if (frame.mode !== "bot") this.settle();
        break;
      case "status":
        this.status(frame.replyTo, frame);
        break;
      case "delta":
        this.delta(frame);
        break;
      case "reset":
        this.reset(frame.replyTo, frame.fence);
        break;
      case "action":
        this.actionSettle(frame.action, frame.state);
        break;
      case "gap":
        this.headSeq = Math.max(this.headSeq, frame.headSeq);
        break;
    }
  }

  private insert(item: Item): void {
    const known = this.items.get(item.seq);
    if (known) {
      // The desk's copy of our own message brings its time and its id, never another text.
      if (known.at === null && item.at !== null) known.at = item.at;
      if (known.clientMessageId === null) known.clientMessageId = item.clientMessageId;
      if (known.clientMessageId !== null && item.role === "customer") this.expect(known);
      return;
    }
    this.items.set(item.seq, item);
    this.headSeq = Math.max(this.headSeq, item.seq);
    while (this.items.has(this.contiguous + 1)) this.contiguous++;
    if (item.role === "customer") this.expect(item);
    if (item.replyTo !== null) this.finish(item.replyTo);
    if (item.action !== null) this.offer(item.action);
    if (item.settles !== null) this.actionSettle(item.settles.id, item.settles.state);
    if (item.seq > this.toldSeq) this.mode = modeAfter(item, this.mode);
    if (this.mode !== "bot") this.settle();
  }

  /** Notes a change to confirm; an earlier one that waits is replaced by it. */
  private offer(action: Action): void {
    if (action.state === "pending") {
      for (const [id, known] of this.actions) {
        if (known.state === "pending") this.actions.set(id, { ...known, state: "replaced" });
      }
    }
    const dueAt = action.expiresInMs === null ? null : this.now() + action.expiresInMs;
    if (!this.actions.has(action.id)) this.actions.set(action.id, { state: action.state, dueAt });
  }

  /** Notes that a customer's message waits for its outcome, unless that is known already. */
  private expect(item: Item): void {
    const id = item.clientMessageId;
    if (id === null || this.mode !== "bot" || this.answered.has(id) || this.open.has(id)) return;
    this.open.set(id, { replyTo: id, seq: item.seq, stopping: false, since: this.now() });
  }

  private touch(replyTo: string): void {
    const turn = this.open.get(replyTo);
    if (turn) turn.since = this.now();
  }

  private finish(replyTo: string): void {
    this.answered.add(replyTo);
    this.open.delete(replyTo);
    this.drafts.delete(replyTo);
    this.statuses.delete(replyTo);
  }

  /** A person answers, or nobody: no turn of the assistant is open any more. */
  private settle(): void {
    for (const replyTo of [...this.open.keys(), ...this.drafts.keys()]) this.finish(replyTo);
  }

  private status(
    replyTo: string | null,
    status: {
      state: TurnState;
      position: number | null;
      etaMs: number | null;
      label: string | null;
    },
  ): void {
    if (replyTo === null || this.answered.has(replyTo)) return;
    this.touch(replyTo);
    this.statuses.set(replyTo, {
      state: status.state,
      position: status.position,
      dueAt: status.etaMs === null ? null : this.now() + status.etaMs,
      label: status.label,
    });
  }

  private delta(frame: { replyTo: string; fence: number; n: number; text: string }): void {
    if (this.answered.has(frame.replyTo)) return;
    this.touch(frame.replyTo);
    let draft = this.drafts.get(frame.replyTo);
    if (!draft || frame.fence > draft.fence) draft = this.reset(frame.replyTo, frame.fence);
    if (frame.fence < draft.fence) return; // late output of an attempt that was given up
    if (draft.expected === null) {
      draft.broken = frame.n > 1; // numbers begin at 0 or 1; more means that we came late
      draft.expected = frame.n;
    }
    if (frame.n < draft.expected) return;
    if (frame.n > draft.expected) draft.broken = true;
    draft.expected = frame.n + 1;
    if (!draft.broken && !this.open.get(frame.replyTo)?.stopping) draft.text += frame.text;
  }

  private reset(replyTo: string, fence: number): Draft {
    const draft: Draft = { replyTo, fence, expected: null, text: "", broken: false };
    const known = this.drafts.get(replyTo);
    if (known && known.fence > fence) return known;
    if (!this.answered.has(replyTo)) this.drafts.set(replyTo, draft);
    return draft;
  }
}

/** Of a change that has not come to its end. */
const OPEN_STATES: ReadonlySet<ActionState> = new Set(["pending", "confirmed", "running"]);

/** Who answers after an item that arrived live. */
function modeAfter(item: Item, mode: Mode): Mode {
  if (item.mode !== null) return item.mode;
  if (mode === "closed") return mode;
  if (item.role === "operator") return "human";
  const handedOver = item.outcome === "handoff" || item.reason === "human_requested";
  if (handedOver) return mode === "bot" ? "queued" : mode;
  // Where a person answers the assistant cannot write: it must have been given back.
  return item.role === "assistant" && item.outcome === "answer" ? "bot" : mode;
}
