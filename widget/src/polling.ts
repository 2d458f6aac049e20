import type { Environment } from "./environment";
import {
  actionStateOr,
  fields,
  itemRead,
  Malformed,
  modeOr,
  numberOr,
  textOr,
  VERSION,
  type ClientFrame,
  type Item,
} from "./protocol";
import type { SessionInfo } from "./session";
import { CLOSE, type Ending, type Receive, type Transport } from "./transport";

const WAIT_SECONDS = 25;
const REQUEST_MS = 15_000;

/** What `GET /widget/v1/items` answered. */
export interface ItemsPage {
  items: Item[];
  headSeq: number;
  mode: SessionInfo["mode"] | null;
}

/** A request that the desk refused, with the status it gave. */
class Refused extends Error {
  constructor(readonly status: number) {
    super(`the desk answered ${status}`);
  }
}

/** Items after a number; waits up to `waitSeconds` for the first of them, or for another mode. */
export async function itemsFetch(
  environment: Environment,
  address: { deskUrl: string; token: string; after: number; waitSeconds: number; mode?: string },
  signal: AbortSignal,
): Promise<ItemsPage> {
  const known = address.mode === undefined ? "" : `&mode=${address.mode}`;
  const query = `after=${address.after}&wait=${address.waitSeconds}${known}`;
  const response = await environment.fetch(`${address.deskUrl}/widget/v1/items?${query}`, {
    credentials: "omit",
    cache: "no-store",
    headers: { Authorization: `Bearer ${address.token}` },
    signal,
  });
  if (!response.ok) throw new Refused(response.status);
  const raw = fields((await response.json()) as unknown);
  if (!Array.isArray(raw["items"])) throw new Malformed();
  const items = raw["items"].map(itemRead);
  return {
    items,
    headSeq: numberOr(raw["head_seq"]) ?? items.at(-1)?.seq ?? 0,
    mode: modeOr(raw["mode"]),
  };
}

/** The same conversation over plain requests, for networks that let no WebSocket through. */
export class PollingTransport implements Transport {
  private session: SessionInfo | null = null;
  private welcomed = false;
  private readonly stopped = new AbortController();
  private finish: ((ending: Ending) => void) | null = null;

  constructor(
    private readonly environment: Environment,
    private readonly deskUrl: string,
    private readonly receive: Receive,
  ) {}

  run(session: SessionInfo, lastSeq: () => number): Promise<Ending> {
    this.session = session;
    return new Promise((resolve) => {
      this.finish = resolve;
      void this.poll(session, lastSeq);
    });
  }

  send(frame: ClientFrame): boolean {
    if (this.session === null || !this.welcomed) return false;
    if (frame.type === "ping" || frame.type === "typing" || frame.type === "hello") return true;
    void this.post(this.session, frame);
    return true;
  }

  probe(): void {
    // Every poll is one.
  }

  close(): void {
    this.end(1000);
  }

  abandon(): void {
    this.end(CLOSE.gone);
  }

  private async poll(session: SessionInfo, lastSeq: () => number): Promise<void> {
    let mode = session.mode;
    try {
      while (this.finish !== null) {
        const page = await itemsFetch(
          this.environment,
          {
            deskUrl: this.deskUrl,
            token: session.token,
            after: lastSeq(),
            waitSeconds: this.welcomed ? WAIT_SECONDS : 0,
            mode,
          },
          this.stopped.signal,
        );
        if (this.finish === null) return;
        const head = Math.max(page.headSeq, ...page.items.map((item) => item.seq), 0);
        if (!this.welcomed) {
          this.welcomed = true;
          this.receive({
            type: "welcome",
            conversation: session.conversation,
            headSeq: head,
            mode: page.mode ?? mode,
            deadlineMs: null,
            limits: {},
          });
        } else if (page.mode !== null && page.mode !== mode) {
          this.receive({ type: "mode", mode: page.mode });
        }
        mode = page.mode ?? mode;
        for (const item of page.items) this.receive({ type: "item", item });
        if (session.expiresAt - this.environment.now() < 30_000) this.end(CLOSE.token);
      }
    } catch (error) {
      this.end(closeCode(error));
    }
  }

  private async post(session: SessionInfo, frame: ClientFrame): Promise<void> {
    const id = "client_message_id" in frame ? frame.client_message_id : null;
    const path = frame.type === "send" ? "messages" : "frames";
    const limit = new AbortController();
    const timer = this.environment.after(REQUEST_MS, () => limit.abort());
    try {
      const response = await this.environment.fetch(`${this.deskUrl}/widget/v1/${path}`, {
        method: "POST",
        credentials: "omit",
        cache: "no-store",
        headers: {
          Authorization: `Bearer ${session.token}`,
          "Content-Type": "application/json",
          ...(frame.type === "send" && { "Idempotency-Key": frame.client_message_id }),
        },
        body: JSON.stringify({ v: VERSION, ...frame }),
        signal: limit.signal,
      });
      if (response.status === 401) {
        this.end(CLOSE.token);
        return;
      }
      if (response.status === 404 && frame.type === "request_human") this.unable();
      else this.answer(frame, id, response.ok, fields((await response.json()) as unknown));
    } catch {
      // No answer, or one that is none: the message stays in the outbox for the next connection.
      if ("action" in frame || frame.type === "send") this.end(CLOSE.gone);
    } finally {
      timer.cancel();
    }
  }

  /** The desk takes this kind of frame over a socket only. */
  private unable(): void {
    if (this.finish === null) return;
    const error = {
      code: "not_found",
      action: null,
      clientMessageId: null,
      retryMs: null,
      fatal: false,
    };
    this.receive({ type: "error", ...error });
  }

  private answer(
    frame: ClientFrame,
    id: string | null,
    accepted: boolean,
    raw: Record<string, unknown>,
  ): void {
    if (this.finish === null) return;
    if (!accepted) {
      this.receive({
        type: "error",
        code: textOr(raw["code"]) ?? "unavailable",
        action: "action" in frame ? frame.action : null,
        clientMessageId: id,
        retryMs: numberOr(raw["retry_ms"]),
        fatal: false,
      });
    } else if (frame.type === "send") {
      this.receive({
        type: "ack",
        clientMessageId: frame.client_message_id,
        seq: numberOr(raw["seq"]) ?? 0,
        duplicate: raw["duplicate"] === true,
      });
    } else if ("action" in frame) {
      const state = actionStateOr(raw["state"]);
      if (state !== null) this.receive({ type: "action", action: frame.action, state });
    } else if (frame.type === "rate") {
      this.receive({ type: "rated", replySeq: frame.reply_seq });
    }
  }

  private end(code: number): void {
    const finish = this.finish;
    this.finish = null;
    this.stopped.abort();
    finish?.({ code, welcomed: this.welcomed, reconnectMs: null });
  }
}

function closeCode(error: unknown): number {
  if (error instanceof Refused) {
    if (error.status === 401) return CLOSE.token;
    if (error.status === 403) return CLOSE.forbidden;
  }
  return CLOSE.gone;
}
