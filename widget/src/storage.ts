/** The part of the Storage interface that the widget needs. */
export interface Backing {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/**
 * Named JSON values of one site in localStorage, or in memory where the browser refuses it
 * (private windows, blocked third-party storage, full quota).
 */
export class Store {
  private readonly memory = new Map<string, string>();

  constructor(
    private readonly backing: Backing | null,
    private readonly prefix: string,
  ) {}

  get(name: string): unknown {
    const text = this.read(this.prefix + name);
    if (text === null) return null;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return null; // somebody else wrote under our name: as good as nothing there
    }
  }

  getText(name: string): string | null {
    const value = this.get(name);
    return typeof value === "string" ? value : null;
  }

  getNumber(name: string): number {
    const value = this.get(name);
    return typeof value === "number" && Number.isFinite(value) ? value : 0;
  }

  set(name: string, value: unknown): void {
    const key = this.prefix + name;
    const text = JSON.stringify(value);
    this.memory.set(key, text);
    try {
      this.backing?.setItem(key, text);
    } catch {
      // Full or forbidden: the value lives in memory until the page goes.
    }
  }

  remove(name: string): void {
    const key = this.prefix + name;
    this.memory.delete(key);
    try {
      this.backing?.removeItem(key);
    } catch {
      // Forbidden, so it was never stored.
    }
  }

  /** Names beginning with `start`, without the site's prefix. */
  names(start: string): string[] {
    const whole = this.prefix + start;
    const keys = new Set([...this.memory.keys()]);
    try {
      for (let index = 0; index < (this.backing?.length ?? 0); index++) {
        const key = this.backing!.key(index);
        if (key !== null) keys.add(key);
      }
    } catch {
      // Forbidden: only memory counts.
    }
    return [...keys]
      .filter((key) => key.startsWith(whole))
      .map((key) => key.slice(this.prefix.length));
  }

  /** The site's own name of a key that a `storage` event told, or null for a stranger's. */
  nameOf(key: string | null): string | null {
    return key?.startsWith(this.prefix) ? key.slice(this.prefix.length) : null;
  }

  /** Forgets the copy in memory, after another tab changed or removed the value. */
  forget(name: string): void {
    this.memory.delete(this.prefix + name);
  }

  private read(key: string): string | null {
    try {
      const value = this.backing?.getItem(key);
      if (value !== null && value !== undefined) return value;
    } catch {
      // Forbidden: fall through to memory.
    }
    return this.memory.get(key) ?? null;
  }
}

export function browserStore(siteKey: string): Store {
  let backing: Storage | null = null;
  try {
    backing = window.localStorage; // the getter itself throws where storage is blocked
  } catch {
    backing = null;
  }
  return new Store(backing, `supportdesk:${siteKey}:`);
}
