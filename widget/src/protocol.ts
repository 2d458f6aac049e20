/** Frames of `support.v1` (docs/delivery.md), and the doorkeeper that turns JSON into them. */

export const VERSION = 1;

export type Mode = "bot" | "queued" | "human" | "closed";
export type Role = "assistant" | "operator" | "customer" | "system";
export type Outcome = "answer" | "handoff" | "cancelled" | "merged";
export type TurnState = "queued" | "thinking" | "tool" | "writing";

export interface Citation {
  id: string;
  title: string;
  text: string;
}

/** What became of a change that the customer was asked to confirm. */
export type ActionState =
  | "pending"
  | "confirmed"
  | "running"
  | "done"
  | "refused"
  | "failed"
  | "uncertain"
  | "cancelled"
  | "replaced"
  | "expired";

/** A change that an item asks the customer to confirm. */
export interface Action {
  id: string;
  /** Of all that is shown; the confirmation names it. */
  digest: string;
  state: ActionState;
  rows: readonly (readonly [string, string])[];
  expiresInMs: number | null;
}

export interface Item {
  seq: number;
  role: Role;
  text: string;
  citations: Citation[];
  /** Titles that the customer may choose from; the text has them too, numbered. */
  choices: string[];
  replyTo: string | null;
  outcome: Outcome | null;
  tier: string | null;
  reason: string | null;
  clientMessageId: string | null;
  /** Milliseconds since the epoch, when the desk tells it. */
  at: number | null;
  mode: Mode | null;
  action: Action | null;
  /** The change whose end this item tells. */
  settles: { id: string; state: ActionState } | null;
}

export interface Limits {
  text: number;
}

export type ServerFrame =
  | {
      type: "welcome";
      conversation: string;
      headSeq: number;
      mode: Mode;
      /** Within it every turn has its outcome. */
      deadlineMs: number | null;
      limits: Partial<Limits>;
    }
  | { type: "ack"; clientMessageId: string; seq: number; duplicate: boolean }
  | {
      type: "status";
      replyTo: string | null;
      state: TurnState;
      position: number | null;
      etaMs: number | null;
      /** The desk's own words for it. */
      label: string | null;
    }
  | { type: "delta"; replyTo: string; fence: number; n: number; text: string }
  | { type: "reset"; replyTo: string; fence: number }
  | { type: "item"; item: Item }
  | { type: "mode"; mode: Mode }
  | { type: "rated"; replySeq: number }
  | { type: "action"; action: string; state: ActionState }
  | {
      type: "error";
      code: string;
      /** The change that could not be confirmed or declined. */
      action: string | null;
      clientMessageId: string | null;
      retryMs: number | null;
      fatal: boolean;
    }
  | { type: "gap"; fromSeq: number; headSeq: number }
  | { type: "drain"; reconnectMs: number }
  | { type: "pong"; n: number };

export interface Rate {
  type: "rate";
  reply_seq: number;
  kind: "thumb" | "stars";
  score: number;
  reasons?: string[];
  comment?: string;
}

/** The customer wants a change made, or not. */
export type Decision =
  | { type: "confirm"; action: string; digest: string }
  | { type: "decline"; action: string };

export type ClientFrame =
  | { type: "hello"; token: string; last_seq: number }
  | { type: "send"; client_message_id: string; text: string }
  | { type: "cancel"; client_message_id: string }
  | { type: "request_human" }
  | Decision
  | Rate
  | { type: "typing" }
  | { type: "seen"; seq: number }
  | { type: "ping"; n: number };

export function frameEncode(frame: ClientFrame): string {
  return JSON.stringify({ v: VERSION, ...frame });
}

/** The frame in a socket message, or null for what this version does not understand. */
export function frameDecode(data: unknown): ServerFrame | null {
  if (typeof data !== "string") return null;
  try {
    return frameRead(JSON.parse(data) as unknown);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof Malformed) return null;
    throw error;
  }
}

/** The durable item in a JSON value; throws `Malformed` when it is none. */
export function itemRead(value: unknown): Item {
  const raw = fields(value);
  return {
    seq: whole(raw["seq"]),
    role: oneOf(raw["role"], ROLES),
    text: typeof raw["text"] === "string" ? raw["text"] : "",
    citations: Array.isArray(raw["citations"]) ? raw["citations"].map(citationRead) : [],
    choices: Array.isArray(raw["choices"]) ? raw["choices"].filter(isText) : [],
    replyTo: textOr(raw["reply_to"]),
    outcome: oneOfOr(raw["outcome"], OUTCOMES),
    tier: textOr(raw["tier"]),
    reason: textOr(raw["reason"]),
    clientMessageId: textOr(raw["client_message_id"]),
    at: timeOr(raw["created_at"]),
    mode: oneOfOr(raw["mode"], MODES),
    action: raw["action"] === undefined ? null : actionRead(raw["action"]),
    settles: raw["settles"] === undefined ? null : settlesRead(raw["settles"]),
  };
}

/** A value from the desk that has not the promised shape. */
export class Malformed extends Error {}

const MODES = ["bot", "queued", "human", "closed"] as const;
const ROLES = ["assistant", "operator", "customer", "system"] as const;
const OUTCOMES = ["answer", "handoff", "cancelled", "merged"] as const;
const STATES = ["queued", "thinking", "tool", "writing"] as const;
const ACTION_STATES = [
  "pending",
  "confirmed",
  "running",
  "done",
  "refused",
  "failed",
  "uncertain",
  "cancelled",
  "replaced",
  "expired",
] as const;

function frameRead(value: unknown): ServerFrame | null {
  const raw = fields(value);
  switch (raw["type"]) {
    case "welcome": {
      const limits = raw["limits"] === undefined ? {} : fields(raw["limits"]);
      const text = limits["text"];
      return {
        type: "welcome",
        conversation: text_(raw["conversation"]),
        headSeq: whole(raw["head_seq"]),
        mode: oneOf(raw["mode"], MODES),
        deadlineMs: numberOr(raw["deadline_ms"]),
        limits: typeof text === "number" && text > 0 ? { text } : {},
      };
    }
    case "ack":
      return {
        type: "ack",
        clientMessageId: text_(raw["client_message_id"]),
        seq: whole(raw["seq"]),
        duplicate: raw["duplicate"] === true,
      };
    case "status":
      return {
        type: "status",
        replyTo: textOr(raw["reply_to"]),
        state: oneOf(raw["state"], STATES),
        position: numberOr(raw["position"]),
        etaMs: numberOr(raw["eta_ms"]),
        label: textOr(raw["label"]),
      };
    case "delta":
      return {
        type: "delta",
        replyTo: text_(raw["reply_to"]),
        fence: whole(raw["fence"]),
        n: whole(raw["n"]),
        text: text_(raw["text"]),
      };
    case "reset":
      return { type: "reset", replyTo: text_(raw["reply_to"]), fence: whole(raw["fence"]) };
    case "item":
      return { type: "item", item: itemRead(raw) };
    case "mode":
      return { type: "mode", mode: oneOf(raw["mode"], MODES) };
    case "rated":
      return { type: "rated", replySeq: whole(raw["reply_seq"]) };
    case "action":
      return {
        type: "action",
        action: text_(raw["action"]),
        state: oneOf(raw["state"], ACTION_STATES),
      };
    case "error":
      return {
        type: "error",
        code: text_(raw["code"]),
        action: textOr(raw["action"]),
        clientMessageId: textOr(raw["client_message_id"]),
        retryMs: numberOr(raw["retry_ms"]),
        fatal: raw["fatal"] === true,
      };
    case "gap":
      return { type: "gap", fromSeq: whole(raw["from_seq"]), headSeq: whole(raw["head_seq"]) };
    case "drain":
      return { type: "drain", reconnectMs: numberOr(raw["reconnect_ms"]) ?? 1000 };
    case "pong":
      return { type: "pong", n: whole(raw["n"]) };
    default:
      return null;
  }
}

function actionRead(value: unknown): Action {
  const raw = fields(value);
  const rows = Array.isArray(raw["rows"]) ? raw["rows"] : [];
  return {
    id: text_(raw["id"]),
    digest: text_(raw["digest"]),
    state: oneOf(raw["state"], ACTION_STATES),
    rows: rows.map((row: unknown) => {
      if (!Array.isArray(row)) throw new Malformed();
      return [text_(row[0]), text_(row[1])] as const;
    }),
    expiresInMs: numberOr(raw["expires_in_ms"]),
  };
}

function settlesRead(value: unknown): { id: string; state: ActionState } {
  const raw = fields(value);
  return { id: text_(raw["id"]), state: oneOf(raw["state"], ACTION_STATES) };
}

/** The state in a JSON value; null for what is none. */
export function actionStateOr(value: unknown): ActionState | null {
  return oneOfOr(value, ACTION_STATES);
}

function citationRead(value: unknown): Citation {
  const raw = fields(value);
  return {
    id: textOr(raw["id"]) ?? "",
    title: textOr(raw["title"]) ?? "",
    text: textOr(raw["text"]) ?? "",
  };
}

export function fields(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Malformed();
  return value as Record<string, unknown>;
}

export function modeOr(value: unknown): Mode | null {
  return oneOfOr(value, MODES);
}

function whole(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new Malformed();
  return value;
}

function text_(value: unknown): string {
  if (typeof value !== "string") throw new Malformed();
  return value;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

export function textOr(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

export function numberOr(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) && value >= 0 ? value : null;
}

function timeOr(value: unknown): number | null {
  if (typeof value !== "string") return null;
  const time = Date.parse(value);
  return Number.isNaN(time) ? null : time;
}

function oneOf<T extends string>(value: unknown, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new Malformed();
  return found;
}

function oneOfOr<T extends string>(value: unknown, choices: readonly T[]): T | null {
  return choices.find((choice) => choice === value) ?? null;
}
