import { Backoff } from "./backoff";
import type { Environment, Timer } from "./environment";
import { itemsFetch, PollingTransport, type ItemsPage } from "./polling";
import type { ClientFrame } from "./protocol";
import { type Session, type SessionInfo, SessionRefused, SessionUnavailable } from "./session";
import { SocketTransport } from "./socket";
import { CLOSE, type Ending, type Receive, type Transport } from "./transport";

export type ConnectionState =
  /** Not asked to connect yet. */
  | "idle"
  | "connecting"
  | "online"
  /** Lost; trying again by itself. */
  | "offline"
  /** Another tab took the place; waits until this one is used. */
  | "paused"
  /** The desk does not serve this page. */
  | "refused"
  /** The desk speaks a newer protocol: the page must be loaded again. */
  | "outdated";

export interface ConnectionListener {
  stateChanged(state: ConnectionState): void;
  sessionOpened(session: SessionInfo): void;
  received: Receive;
  lastSeq(): number;
}

/** Attempts with a socket that never said welcome, before plain requests are tried. */
const SOCKET_ATTEMPTS = 2;
const CATCH_UP_MS = 15_000;

/**
 * Keeps the browser connected: session, socket, back-off, and plain requests when no socket opens.
 */
export class Connection {
  state: ConnectionState = "idle";

  private transport: Transport | null = null;
  private running = false;
  private silentSockets = 0;
  private readonly backoff: Backoff;
  private waiting: { timer: Timer; wake: () => void } | null = null;

  constructor(
    private readonly environment: Environment,
    private readonly deskUrl: string,
    private readonly session: Session,
    private readonly listener: ConnectionListener,
  ) {
    this.backoff = new Backoff(environment.random);
  }

  /** Connects, or tries at once when it is waiting to. */
  start(): void {
    if (this.running) {
      this.wake();
      return;
    }
    if (this.state === "refused" || this.state === "outdated") return;
    this.running = true;
    void this.keep().finally(() => {
      this.running = false;
    });
  }

  /** Ends this connection and opens a new session at once. */
  restart(): void {
    this.session.invalidate();
    this.transport?.close();
    if (this.state === "refused") this.change("idle"); // another identity may be welcome
    this.start();
  }

  send(frame: ClientFrame): boolean {
    return this.state === "online" && this.transport !== null && this.transport.send(frame);
  }

  /** Asks for a sign of life, after sleep or a change of network. */
  probe(): void {
    if (this.state === "online") this.transport?.probe();
    else if (this.running) this.wake();
  }

  /** The browser says that there is no network: no need to wait for a silence. */
  lost(): void {
    if (this.state === "online" || this.state === "connecting") this.transport?.abandon();
  }

  /** Items that a gap left out, over a plain request; null when it failed. */
  async catchUp(): Promise<ItemsPage | null> {
    const limit = new AbortController();
    const timer = this.environment.after(CATCH_UP_MS, () => limit.abort());
    try {
      const { token } = await this.session.ensure();
      const address = {
        deskUrl: this.deskUrl,
        token,
        after: this.listener.lastSeq(),
        waitSeconds: 0,
      };
      return await itemsFetch(this.environment, address, limit.signal);
    } catch {
      return null; // the next connection resumes from the same number
    } finally {
      timer.cancel();
    }
  }

  private async keep(): Promise<void> {
    let stale = false;
    for (;;) {
      if (this.state !== "offline") this.change("connecting");
      let info: SessionInfo;
      try {
        info = await this.session.ensure();
      } catch (error) {
        if (error instanceof SessionRefused) return this.change("refused");
        if (!(error instanceof SessionUnavailable)) throw error;
        this.change("offline");
        await this.wait(this.backoff.next());
        continue;
      }
      this.listener.sessionOpened(info);
      const ending = await this.connect(info);
      switch (ending.code) {
        case CLOSE.forbidden:
          return this.change("refused");
        case CLOSE.version:
          return this.change("outdated");
        case CLOSE.superseded:
          return this.change("paused");
        case CLOSE.token:
          this.session.invalidate();
          // A fresh token that is refused too means trouble on the desk's side: slow down.
          if (!stale || ending.welcomed) {
            stale = true;
            continue;
          }
      }
      stale = false;
      this.change("offline");
      await this.wait(this.pause(ending));
    }
  }

  private async connect(info: SessionInfo): Promise<Ending> {
    const polling = this.silentSockets >= SOCKET_ATTEMPTS;
    const Kind = polling ? PollingTransport : SocketTransport;
    const transport = new Kind(this.environment, this.deskUrl, (frame) => {
      if (this.transport !== transport) return;
      if (frame.type === "welcome") {
        this.silentSockets = polling ? this.silentSockets : 0;
        this.backoff.reset();
        this.listener.received(frame);
        this.change("online");
      } else {
        this.listener.received(frame);
      }
    });
    this.transport = transport;
    const ending = await transport.run(info, () => this.listener.lastSeq());
    this.transport = null;
    if (!polling && !ending.welcomed && ending.code === CLOSE.gone) this.silentSockets++;
    // Requests that fail too say nothing against sockets: start over with them.
    if (polling && !ending.welcomed) this.silentSockets = 0;
    return ending;
  }

  private pause(ending: Ending): number {
    if (ending.code === 1000) return 0;
    if (ending.reconnectMs !== null) {
      return ending.reconnectMs * (1 + this.environment.random() / 2);
    }
    if (ending.code === CLOSE.overload || ending.code === CLOSE.flood) this.backoff.next();
    return this.backoff.next();
  }

  private wait(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.waiting = null;
        resolve();
      };
      const timer = this.environment.after(milliseconds, wake);
      this.waiting = { timer, wake };
    });
  }

  private wake(): void {
    this.waiting?.wake();
  }

  private change(state: ConnectionState): void {
    if (this.state === state) return;
    this.state = state;
    this.listener.stateChanged(state);
  }
}
