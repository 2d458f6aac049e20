/** Characters a second at least, and the time in which any backlog is shown, in milliseconds. */
const SLOWEST = 30;
const CATCH_UP_MS = 700;

/**
 * Shows arriving text at an even pace: the desk releases whole clauses, which would jump. Without
 * animation frames (hidden tab) or with reduced motion the text appears as it comes.
 */
export class Typewriter {
  private target = "";
  private shown = 0;
  private frame = 0;
  private last = 0;
  private carry = 0;

  constructor(
    private readonly show: (text: string) => void,
    private readonly calm: () => boolean,
  ) {}

  /** The whole text so far; a text that does not continue the shown one replaces it. */
  write(text: string): void {
    if (text === this.target) return;
    if (!text.startsWith(this.target.slice(0, this.shown))) this.shown = 0;
    this.target = text;
    if (this.calm()) {
      this.stop();
      this.shown = text.length;
      this.show(text);
    } else if (this.frame === 0) {
      this.last = performance.now();
      this.frame = requestAnimationFrame(this.step);
    }
  }

  stop(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  private readonly step = (now: number): void => {
    const backlog = this.target.length - this.shown;
    const rate = Math.max(SLOWEST, (backlog / CATCH_UP_MS) * 1000);
    this.carry += ((now - this.last) / 1000) * rate;
    this.last = now;
    const count = Math.floor(this.carry);
    if (count > 0) {
      this.carry -= count;
      this.shown = Math.min(this.target.length, this.shown + count);
      // Never half of a character outside the basic plane.
      const last = this.target.charCodeAt(this.shown - 1);
      if (last >= 0xd800 && last <= 0xdbff) this.shown++;
      this.show(this.target.slice(0, this.shown));
    }
    this.frame = this.shown < this.target.length ? requestAnimationFrame(this.step) : 0;
  };
}
