import type { Environment, Timer } from "./environment";
import { frameDecode, frameEncode, type ClientFrame } from "./protocol";
import type { SessionInfo } from "./session";
import { CLOSE, type Ending, type Receive, type Transport } from "./transport";

const WELCOME_MS = 8_000;
const PING_EVERY_MS = 25_000;
const PONG_MS = 8_000;

/** A WebSocket to the desk; the token goes into `hello`, never into the address. */
export class SocketTransport implements Transport {
  private socket: WebSocket | null = null;
  private welcomed = false;
  private reconnectMs: number | null = null;
  private pings = 0;
  private heartbeat: Timer | null = null;
  private limit: Timer | null = null;
  private finish: ((ending: Ending) => void) | null = null;

  constructor(
    private readonly environment: Environment,
    private readonly deskUrl: string,
    private readonly receive: Receive,
  ) {}

  run(session: SessionInfo, lastSeq: () => number): Promise<Ending> {
    return new Promise((resolve) => {
      this.finish = resolve;
      let socket: WebSocket;
      try {
        socket = this.environment.socket(
          this.deskUrl.replace(/^http/, "ws") + session.socketPath,
        );
      } catch {
        this.end(CLOSE.gone); // the page's own policy forbids sockets
        return;
      }
      this.socket = socket;
      this.await(WELCOME_MS);
      socket.onopen = () => {
        this.send({ type: "hello", token: session.token, last_seq: lastSeq() });
      };
      socket.onmessage = (event: MessageEvent<unknown>) => this.take(event.data);
      socket.onclose = (event) => this.end(event.code);
    });
  }

  send(frame: ClientFrame): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(frameEncode(frame));
    return true;
  }

  probe(): void {
    if (!this.welcomed) return;
    this.heartbeat?.cancel();
    if (this.send({ type: "ping", n: ++this.pings })) this.await(PONG_MS);
  }

  close(): void {
    this.drop(1000);
  }

  abandon(): void {
    this.drop(CLOSE.gone);
  }

  private take(data: unknown): void {
    if (this.finish === null) return;
    const frame = frameDecode(data);
    // Whatever arrives is a sign of life.
    this.limit?.cancel();
    if (frame?.type === "welcome") this.welcomed = true;
    if (this.welcomed) this.rest();
    else this.await(WELCOME_MS);
    if (frame === null) return;
    if (frame.type === "drain") this.reconnectMs = frame.reconnectMs;
    this.receive(frame);
  }

  private rest(): void {
    this.heartbeat?.cancel();
    this.heartbeat = this.environment.after(PING_EVERY_MS, () => this.probe());
  }

  /** Gives the connection up when nothing is heard within `milliseconds`. */
  private await(milliseconds: number): void {
    this.limit?.cancel();
    this.limit = this.environment.after(milliseconds, () => this.drop(CLOSE.gone));
  }

  private drop(code: number): void {
    const socket = this.socket;
    this.end(code);
    socket?.close();
  }

  private end(code: number): void {
    this.heartbeat?.cancel();
    this.limit?.cancel();
    const finish = this.finish;
    this.finish = null;
    this.socket = null;
    finish?.({ code, welcomed: this.welcomed, reconnectMs: this.reconnectMs });
  }
}
