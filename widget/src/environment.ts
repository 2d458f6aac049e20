/**
 * What the widget asks of the browser. It is passed in, so that tests give their own clock, random
 * numbers, network and storage.
 */
export interface Environment {
  /** Milliseconds since the epoch. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  uuid(): string;
  after(milliseconds: number, run: () => void): Timer;
  fetch(url: string, init: RequestInit): Promise<Response>;
  socket(url: string): WebSocket;
  /** Runs `work` in one tab at a time, where the browser can. */
  exclusively<T>(name: string, work: () => Promise<T>): Promise<T>;
}

export interface Timer {
  cancel(): void;
}

export function browserEnvironment(): Environment {
  return {
    now: () => Date.now(),
    random: () => Math.random(),
    uuid: uuid4,
    after(milliseconds, run) {
      const id = setTimeout(run, milliseconds);
      return { cancel: () => clearTimeout(id) };
    },
    fetch: (url, init) => window.fetch(url, init),
    socket: (url) => new WebSocket(url),
    exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
      // Web Locks exist in secure contexts only; without them two tabs may ask for a session at
      // the same moment, and the later answer simply wins.
      const locks = navigator.locks as LockManager | undefined;
      return locks ? (locks.request(name, work) as Promise<T>) : work();
    },
  };
}

/** RFC 9562 version 4; `crypto.randomUUID` is missing on pages without HTTPS. */
function uuid4(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
