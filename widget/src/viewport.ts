/** Screens on which the chat takes the whole of it. */
const SMALL = "(max-width: 600px), (max-height: 480px)";

/**
 * Tells whether the chat fills the screen, and keeps it inside the part that the on-screen
 * keyboard leaves (`--top` and `--height` on `root`; on iOS the page itself does not shrink).
 */
export class Viewport {
  private readonly small = window.matchMedia(SMALL);
  private hostOverflow: string | null = null;

  constructor(
    private readonly root: HTMLElement,
    private readonly changed: () => void,
  ) {
    this.small.addEventListener("change", () => this.changed());
    window.visualViewport?.addEventListener("resize", () => this.fit());
    window.visualViewport?.addEventListener("scroll", () => this.fit());
    this.fit();
  }

  get full(): boolean {
    return this.small.matches;
  }

  /** Keeps the shop's page from scrolling behind a chat that covers it. */
  lock(locked: boolean): void {
    const { style } = document.documentElement;
    if (locked && this.hostOverflow === null) {
      this.hostOverflow = style.overflow;
      style.overflow = "hidden";
    } else if (!locked && this.hostOverflow !== null) {
      style.overflow = this.hostOverflow;
      this.hostOverflow = null;
    }
  }

  private fit(): void {
    const view = window.visualViewport;
    if (!view) return;
    this.root.style.setProperty("--top", `${view.offsetTop}px`);
    this.root.style.setProperty("--height", `${view.height}px`);
    this.changed();
  }
}
