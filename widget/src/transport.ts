import type { ClientFrame, ServerFrame } from "./protocol";
import type { SessionInfo } from "./session";

/** How a connection ended. */
export interface Ending {
  /** Close code of the socket; 1006 when there was none. */
  code: number;
  /** Whether the desk had said `welcome`. */
  welcomed: boolean;
  /** The desk asked to come back after this time, in milliseconds. */
  reconnectMs: number | null;
}

/** One connection to the desk, over a socket or over plain requests. */
export interface Transport {
  /** Hands every frame to `receive` and resolves when the connection is over; never rejects. */
  run(session: SessionInfo, lastSeq: () => number): Promise<Ending>;
  /** False when the frame could not be handed over. */
  send(frame: ClientFrame): boolean;
  /** Asks for a sign of life; the connection ends when none comes. */
  probe(): void;
  /** Ends it on purpose. */
  close(): void;
  /** Ends it as lost. */
  abandon(): void;
}

export type Receive = (frame: ServerFrame) => void;

export const CLOSE = {
  gone: 1006,
  drain: 1012,
  overload: 1013,
  token: 4401,
  forbidden: 4403,
  version: 4406,
  superseded: 4409,
  flood: 4429,
} as const;
