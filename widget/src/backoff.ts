const LEAST_MS = 500;
const MOST_MS = 30_000;

/**
 * Waiting times between attempts to connect: doubling from 0.5 s to 30 s, each drawn from the
 * upper half of its step ("equal jitter"), so that a restarted desk is not hit by all at once.
 */
export class Backoff {
  private attempt = 0;

  constructor(private readonly random: () => number) {}

  next(): number {
    const step = Math.min(MOST_MS, LEAST_MS * 2 ** (this.attempt + 1));
    this.attempt = Math.min(this.attempt + 1, 16);
    return Math.max(LEAST_MS, Math.round(step / 2 + this.random() * (step / 2)));
  }

  reset(): void {
    this.attempt = 0;
  }
}
