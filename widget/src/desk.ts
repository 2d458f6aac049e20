import type { Config } from "./config";
import { Connection, type ConnectionState } from "./connection";
import { Conversation } from "./conversation";
import type { Environment, Timer } from "./environment";
import { Feedback } from "./feedback";
import { MESSAGES, type Reason, shopName } from "./i18n";
import { Outbox } from "./outbox";
import type { Action, Decision, ServerFrame } from "./protocol";
import { type Identity, Session, type SessionInfo } from "./session";
import type { Store } from "./storage";
import { textIsBlank, textLength, textNormalise } from "./text";

const ACK_MS = 10_000;
const BUSY_MS = 3_000;
const TYPING_MS = 3_000;
const HOLE_MS = 2_000;
const PAGES = 50;
/** So long another tab may send its own message before this one helps. */
const FOREIGN_MS = 2_500;

const PASSING = new Set(["rate_limited", "overloaded", "unavailable"]);

/**
 * The customer's side of the conversation: what is known, what waits to be sent, and what may be
 * done. Views read it and are told of changes, at most once per task.
 */
export class Desk {
  readonly conversation: Conversation;
  readonly outbox: Outbox;
  readonly feedback: Feedback;
  siteName = "";
  welcome: Readonly<Record<string, string>> = {};
  textLimit = 4000;
  /** A person was asked for, and the desk has not answered yet. */
  personAsked = false;
  /** Items that the desk has and this browser could not read. */
  missing = false;

  private readonly connection: Connection;
  private readonly session: Session;
  private readonly listeners = new Set<() => void>();
  private readonly own = new Set<string>();
  private inFlight: { id: string; timer: Timer } | null = null;
  private hold: Timer | null = null;
  private holeCheck: Timer | null = null;
  private scheduled = false;
  private typedAt = 0;
  private seenSent = 0;
  /** What the customer decided and the desk has not answered yet. */
  private readonly deciding = new Map<string, Decision>();

  constructor(
    private readonly environment: Environment,
    private readonly store: Store,
    private readonly config: Config,
  ) {
    this.conversation = new Conversation(() => environment.now());
    this.outbox = new Outbox(store);
    this.feedback = new Feedback(store);
    this.session = new Session(environment, store, config);
    this.connection = new Connection(environment, config.deskUrl, this.session, {
      stateChanged: (state) => this.connectionChanged(state),
      sessionOpened: (info) => this.sessionOpened(info),
      received: (frame) => this.received(frame),
      lastSeq: () => this.conversation.lastSeq,
    });
  }

  get connectionState(): ConnectionState {
    return this.connection.state;
  }

  /** Whether to connect before the customer opens the chat: there may be news or unsent words. */
  get hasPast(): boolean {
    return this.session.returning || this.outbox.all().length > 0;
  }

  get unread(): number {
    const seen = this.seenSeq;
    return this.conversation.transcript.filter(
      (item) =>
        item.seq > seen && item.text !== "" && (item.role === "assistant" || item.role === "operator"),
    ).length;
  }

  private get seenSeq(): number {
    return this.store.getNumber(`seen:${this.conversation.id ?? ""}`);
  }

  subscribe(listener: () => void): void {
    this.listeners.add(listener);
  }

  connect(): void {
    this.connection.start();
  }

  probe(): void {
    this.connection.probe();
  }

  lost(): void {
    this.connection.lost();
  }

  /** Takes a message into the outbox; false when it may not be sent. */
  send(text: string): boolean {
    const clean = textNormalise(text);
    if (textIsBlank(clean) || textLength(clean) > this.textLimit) return false;
    const id = this.environment.uuid();
    this.own.add(id);
    this.outbox.add({ id, text: clean, at: this.environment.now() });
    if (this.connectionState !== "online") this.connection.start();
    this.pump();
    this.changed();
    return true;
  }

  /** Sends a refused message once more. */
  retry(id: string): void {
    const message = this.outbox.find(id);
    if (!message) return;
    if (message.error === "idempotency_conflict") {
      this.outbox.remove(id);
      this.send(message.text);
      return;
    }
    if (message.error === "closed_conversation") this.connection.restart();
    this.own.add(id);
    this.outbox.mark(id, { state: "waiting", error: null });
    this.connect();
    this.pump();
    this.changed();
  }

  discard(id: string): void {
    if (this.inFlight?.id === id) this.land();
    this.outbox.remove(id);
    this.pump();
    this.changed();
  }

  /** Stops the answers that are being prepared. */
  stop(): void {
    for (const turn of this.conversation.openTurns) {
      if (this.connection.send({ type: "cancel", client_message_id: turn.replyTo })) {
        this.conversation.stop(turn.replyTo);
      }
    }
    this.changed();
  }

  /** The customer confirms or declines a change; sent again until the desk answers. */
  decide(action: Action, confirmed: boolean): void {
    const decision: Decision = confirmed
      ? { type: "confirm", action: action.id, digest: action.digest }
      : { type: "decline", action: action.id };
    this.deciding.set(action.id, decision);
    if (this.connectionState !== "online") this.connection.start();
    this.connection.send(decision);
    this.changed();
  }

  /** Whether a decision is on its way to the desk. */
  decidingOf(id: string): Decision | undefined {
    return this.deciding.get(id);
  }

  requestPerson(): void {
    if (this.conversation.mode !== "bot") return;
    this.personAsked = true;
    this.connect();
    this.connection.send({ type: "request_human" });
    this.changed();
  }

  thumb(seq: number, score: 0 | 1, why: { reasons: Reason[]; comment: string } | null): void {
    this.connection.send(this.feedback.thumb(this.conversation.id, seq, score, why));
    this.changed();
  }

  stars(score: number, comment: string): void {
    const seq = this.conversation.lastAnswerSeq;
    if (seq > 0) {
      this.connection.send(this.feedback.stars(this.conversation.id, seq, score, comment));
    }
    this.changed();
  }

  typing(): void {
    const now = this.environment.now();
    if (this.conversation.mode === "bot" || now - this.typedAt < TYPING_MS) return;
    this.typedAt = now;
    this.connection.send({ type: "typing" });
  }

  /** The customer has everything before their eyes. */
  seen(): void {
    const seq = this.conversation.lastSeq;
    if (seq > this.seenSeq) {
      this.store.set(`seen:${this.conversation.id ?? ""}`, seq);
      this.changed();
    }
    if (seq > this.seenSent && this.connection.send({ type: "seen", seq })) this.seenSent = seq;
  }

  /** A signed identity, or null when the customer signed out of the shop. */
  identify(identity: Identity | null): void {
    this.session.identify(identity);
    if (identity === null) this.forget();
    if (this.connectionState !== "idle") this.connection.restart();
    this.changed();
  }

  startAnew(): void {
    this.connection.restart();
  }

  /** Another tab changed a value in storage. */
  storageChanged(key: string | null): void {
    const name = this.store.nameOf(key);
    if (name === null) return;
    this.store.forget(name);
    if (name.startsWith("out:")) {
      this.outbox.reload();
      this.pump();
    }
    this.changed();
  }

  private forget(): void {
    for (const message of [...this.outbox.all()]) this.outbox.remove(message.id);
    this.conversation.clear();
    this.deciding.clear();
    this.land();
  }

  private connectionChanged(state: ConnectionState): void {
    if (state === "online") {
      if (this.personAsked) this.connection.send({ type: "request_human" });
      for (const frame of this.feedback.unconfirmed()) this.connection.send(frame);
      for (const decision of this.deciding.values()) this.connection.send(decision);
      this.pump();
    } else {
      this.land();
    }
    this.changed();
  }

  private sessionOpened(info: SessionInfo): void {
    this.siteName = shopName(info.siteName, this.config.language);
    this.welcome = info.welcome;
    this.textLimit = info.textLimit;
    if (this.conversation.id !== info.conversation) this.seenSent = 0;
    this.conversation.enter(info.conversation, info.mode, info.headSeq);
    this.changed();
  }

  private received(frame: ServerFrame): void {
    if (frame.type === "action") this.deciding.delete(frame.action);
    if (frame.type === "ack") this.acknowledged(frame.clientMessageId, frame.seq);
    else if (frame.type === "error" && frame.action !== null) {
      this.undecided(frame.action, frame.code, frame.retryMs);
    }
    else if (frame.type === "error") this.refused(frame);
    else if (frame.type === "rated") this.feedback.confirm(frame.replySeq);
    else this.conversation.apply(frame);
    if (frame.type === "welcome" && frame.limits.text) this.textLimit = frame.limits.text;
    if (frame.type === "item" && frame.item.role === "customer" && frame.item.clientMessageId) {
      this.acknowledged(frame.item.clientMessageId, frame.item.seq);
    }
    if (this.conversation.mode !== "bot") this.personAsked = false;
    if (frame.type === "item" && frame.item.reason === "human_requested") this.personAsked = false;
    if (frame.type === "gap") void this.fill();
    else if (this.conversation.incomplete) this.watchHole();
    else this.missing = false;
    this.changed();
  }

  private acknowledged(id: string, seq: number): void {
    const message = this.outbox.find(id);
    if (message) {
      this.conversation.acknowledge(id, seq, message.text, this.environment.now());
      this.outbox.remove(id);
    }
    if (this.inFlight?.id === id) this.land();
    this.pump();
  }

  /** A decision that the desk did not take: tried again when it may, else given up. */
  private undecided(id: string, code: string, retryMs: number | null): void {
    const decision = this.deciding.get(id);
    if (decision === undefined) return;
    if (!PASSING.has(code)) {
      this.deciding.delete(id);
      this.conversation.actionSettle(id, "expired");
      return;
    }
    this.environment.after(retryMs ?? BUSY_MS, () => {
      if (this.deciding.get(id) === decision) this.connection.send(decision);
    });
  }

  private refused(frame: { code: string; clientMessageId: string | null; retryMs: number | null }): void {
    if (frame.code === "not_found" && frame.clientMessageId === null && this.personAsked) {
      // No frame for it on this way: say it in words, which the desk's rules know.
      this.personAsked = false;
      this.send(MESSAGES[this.config.language].personLong);
      return;
    }
    const id = frame.clientMessageId ?? this.inFlight?.id ?? null;
    if (id === null || !this.outbox.find(id)) return;
    if (this.inFlight?.id === id) this.land();
    if (PASSING.has(frame.code)) {
      this.pauseOutbox(frame.retryMs ?? BUSY_MS * (1 + this.environment.random()));
      return;
    }
    if (frame.code === "closed_conversation") this.conversation.mode = "closed";
    this.outbox.mark(id, { state: "failed", error: frame.code });
    this.pump();
  }

  /** Sends the next message of the outbox when nothing else is under way. */
  private pump(): void {
    if (this.inFlight || this.hold || this.connectionState !== "online") return;
    const message = this.outbox.next();
    if (!message) return;
    const age = this.environment.now() - message.at;
    if (!this.own.has(message.id) && age < FOREIGN_MS) {
      this.pauseOutbox(FOREIGN_MS - age); // probably the tab where it was written sends it
      return;
    }
    const frame = { type: "send", client_message_id: message.id, text: message.text } as const;
    if (!this.connection.send(frame)) return;
    this.outbox.mark(message.id, { tried: true });
    const timer = this.environment.after(ACK_MS, () => {
      this.inFlight = null;
      this.connection.probe();
      this.pump();
    });
    this.inFlight = { id: message.id, timer };
  }

  private pauseOutbox(milliseconds: number): void {
    this.hold?.cancel();
    this.hold = this.environment.after(milliseconds, () => {
      this.hold = null;
      this.pump();
    });
  }

  private land(): void {
    this.inFlight?.timer.cancel();
    this.inFlight = null;
  }

  /** Items that are on their way need a moment; what is missing after it is fetched. */
  private watchHole(): void {
    if (this.holeCheck) return;
    this.holeCheck = this.environment.after(HOLE_MS, () => {
      this.holeCheck = null;
      if (this.conversation.incomplete && this.connectionState === "online") void this.fill();
    });
  }

  private async fill(): Promise<void> {
    for (let page = 0; page < PAGES && this.conversation.incomplete; page++) {
      const before = this.conversation.lastSeq;
      const found = await this.connection.catchUp();
      for (const item of found?.items ?? []) this.conversation.apply({ type: "item", item });
      if (this.conversation.lastSeq === before) break;
    }
    this.missing = this.conversation.incomplete;
    this.changed();
  }

  private changed(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      for (const listener of this.listeners) listener();
    });
  }
}
